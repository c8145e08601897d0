"""Evaluate: how good a model is on labelled pictures, what goes wrong, and for whom."""

from posecore.ui.evaluate.page import main

main()
