"""Labels as other programs keep them, told in COCO's words: what is odd in any of them is judged in one place."""

from posecore.data.translated.cvat import is_cvat, read_cvat
from posecore.data.translated.deeplabcut import is_deeplabcut, read_deeplabcut
from posecore.data.translated.labelme import is_labelme, read_labelme

__all__ = ["is_cvat", "is_deeplabcut", "is_labelme", "read_cvat", "read_deeplabcut", "read_labelme"]
