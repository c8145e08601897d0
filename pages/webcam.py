"""Webcam: poses in the picture of the visitor's camera, live."""

from posecore.ui.webcam.page import main

main()
