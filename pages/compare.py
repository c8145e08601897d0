"""Compare: models and settings side by side on the same picture."""

from posecore.ui.compare.page import main

main()
