"""Webcam: poses in the picture of the visitor's camera, live."""
