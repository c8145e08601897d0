"""Webcam: poses in the picture of the visitor's camera, live."""

from posecore.ui.shared.extra_needed import extra_is_here

if extra_is_here("webcam"):
    from posecore.ui.webcam.page import main

    main()
