"""Data: the sets of labelled pictures to fine-tune on, what they hold, and what training will make of them."""

from posecore.ui.data.page import main

main()
