"""Tune: which settings suit one's own pictures, and what they are worth there."""

from posecore.ui.tune.page import main

main()
