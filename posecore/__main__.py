"""``python -m posecore`` is ``posecore``."""

from posecore.cli import main

main()
