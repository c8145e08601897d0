"""COCO keypoint JSON, and Roboflow's dialect of it.

Positions are taken as they stand: COCO counts pixels from 0 as posecore does. Four fields are posecore's own, which
other readers pass over: ``images[].ignore`` (boxes x, y, width, height in which unlabelled people may be),
``images[].split``, ``annotations[].absent`` (indices of keypoints known not to be in the picture; COCO itself cannot
tell them from unlabelled ones, both have visibility 0) and ``categories[].posecore`` (name, pairs ``flip_pairs`` of
indices from 0, ``sigmas`` and ``sides_known`` of a skeleton that its keypoints' names do not tell).
"""

from posecore.data.coco.changes import changed_image
from posecore.data.coco.edit import people_change, with_change
from posecore.data.coco.read import load_coco, read_coco
from posecore.data.coco.roboflow import ROBOFLOW_FILE, read_roboflow, roboflow_files, write_roboflow
from posecore.data.coco.several import read_alike, together
from posecore.data.coco.write import coco_dict, write_coco, write_coco_json

__all__ = [
    "ROBOFLOW_FILE",
    "changed_image",
    "coco_dict",
    "load_coco",
    "people_change",
    "read_alike",
    "read_coco",
    "read_roboflow",
    "roboflow_files",
    "together",
    "with_change",
    "write_coco",
    "write_coco_json",
    "write_roboflow",
]
