# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fine-tune on ten pictures
#
# A camera that hangs sideways: the base model has hardly ever seen lying people. Ten labelled pictures and a minute or two on a
# processor help. The pictures are drawn; with your own, put their labels (COCO, YOLO-pose, Roboflow, Dataloop) in their place. Needs
# `posecore[train]`.

# %%
import os
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="posecore-notebook-"))
os.environ["POSECORE_HOME"] = str(folder / "home")  # runs of this notebook stay here

import json

import cv2
import matplotlib.pyplot as plt

import posecore
from posecore.data.detect import open_dataset
from posecore.data.synthetic import write_dataset
from posecore.evaluation import evaluate
from posecore.training.config import make_config
from posecore.training.run import train


def draw_sideways(name, count, seed):
    """Pictures and labels of one person each, turned by a quarter to the right; returns the labels' file."""
    file = write_dataset(folder / name, count, seed=seed, size=(320, 240), people=1)
    content = json.loads(file.read_text())
    for image in content["images"]:
        path = file.parent / "images" / image["file_name"]
        cv2.imwrite(str(path), cv2.rotate(cv2.imread(str(path)), cv2.ROTATE_90_CLOCKWISE))
        image["width"], image["height"] = 240, 320
    for person in content["annotations"]:
        x, y, width, height = person["bbox"]
        person["bbox"] = [240 - y - height, x, height, width]
        points = person["keypoints"]
        for at in range(0, len(points), 3):
            if points[at + 2]:
                points[at], points[at + 1] = 239 - points[at + 1], points[at]
        person.pop("segmentation", None)
    file.write_text(json.dumps(content))
    return file


labels = draw_sideways("pictures", 10, 400)
held_out = draw_sideways("held_out", 8, 500)

# %% [markdown]
# ## What is learnt, and from what
#
# Everything may learn, for features of people who lie are as new as their joints. Mirroring and colours make more of ten pictures.

# %%
base = "posenet-mobilenet_v1-075.posecore"
config = make_config(
    {
        "name": "ten-pictures",
        "model": {"architecture": "posenet-mobilenet_v1-075", "start": base, "norm": "none"},
        "data": {"train": [{"annotations": str(labels)}], "validation": [{"annotations": str(held_out)}]},
        "augment": {"rotation": 15, "any_angle": 0},
        "optimizer": {"learning_rate": 0.001, "clip": 5},
        "schedule": {"kind": "cosine", "warmup": 0.05, "epochs": 20},
        "training": {"batch_size": 4, "input_sides": [257], "ema": 0.9, "device": "cpu", "seed": 1},
    },
    "this notebook",
)
train(config, folder)

# %% [markdown]
# ## Before and after, on pictures that were held out
#
# The run is a model like any other: `run:ten-pictures` works in the app, in commands and here. Eight pictures are few: the
# direction is plain, the size of the gain is not.

# %%
truth = open_dataset(held_out)
for name in (base, "run:ten-pictures"):
    model = posecore.load_model(name, device="cpu", runtime="torch")
    found = evaluate(model, truth, protocol="crops")
    print(f"{name:40} AP {found.precision['AP']:.3f}   PCK@0.2 {found.pck:.3f}")

# %%
model = posecore.load_model("run:ten-pictures", device="cpu", runtime="torch")
picture = posecore.read_image(next((folder / "held_out" / "images").iterdir()))
plt.imshow(posecore.draw_poses(picture, model(picture)))
_ = plt.axis("off")
