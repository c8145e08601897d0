"""Video: people found, followed, smoothed and measured over time."""

from posecore.ui.video.page import main

main()
