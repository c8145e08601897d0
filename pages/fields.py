"""Fields: all maps of a model over one picture, and why each joint is where it is."""

from posecore.ui.fields.page import main

main()
