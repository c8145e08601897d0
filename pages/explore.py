"""Explore: a picture, the poses in it, and what the network saw."""

from posecore.ui.explore.page import main

main()
