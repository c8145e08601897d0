"""Train: set up a fine-tuning run, and follow those that are queued and running."""

from posecore.ui.train.page import main

main()
