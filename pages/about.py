"""About: versions, licences and limits."""

from posecore.ui.about.page import main

main()
