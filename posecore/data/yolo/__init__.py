"""YOLO-pose folders: ``data.yaml``, pictures in ``images`` and a text file per picture in ``labels``.

A line is ``class cx cy width height`` and then x, y (and visibility) of every keypoint, all positions as parts of the
picture's width and height. A position of 0 is the picture's left or top edge pixel, 1 is its width or height.
"""

from posecore.data.yolo.reading import read_yolo
from posecore.data.yolo.writing import write_yolo
from posecore.data.yolo.yaml_files import find_yaml, load_yaml

__all__ = ["find_yaml", "load_yaml", "read_yolo", "write_yolo"]
