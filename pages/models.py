"""Models: what there is, what is on this machine, and how to get more."""

from posecore.ui.models.page import main

main()
