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
# # MoveNet, step by step
#
# From a picture to the network's input, to its fields, and from these to the joints of one person, by hand; in the end the
# same as posecore's decoder says. Everything works offline: the picture is drawn, the weights come with posecore.

# %%
import matplotlib.pyplot as plt
import numpy as np

import posecore
from posecore.data.synthetic import SAMPLE_SEEDS, render_scene

scene = render_scene(SAMPLE_SEEDS["One person in a gym"])
model = posecore.load_model("movenet-lightning.posecore", device="cpu", runtime="torch")
plt.imshow(scene.image)
_ = plt.axis("off")

# %% [markdown]
# ## What the network sees, and what it says
#
# The input is a square of 192 pixels with the picture in its middle. All fields have a cell for every four input pixels.

# %%
fields = model.fields(scene.image, input_size=192)
for field in fields.maps:
    print(f"{field.name:12} {field.kind:12} {field.values.shape!s:20} {field.units}")

# %% [markdown]
# The *centre* map says where the middle of a person is; each joint has a heatmap.

# %%
nose = fields.skeleton.keypoints.index("nose")
knee = fields.skeleton.keypoints.index("left_knee")
shown = {"centre": fields["centre"].values[0], "nose": fields["heatmaps"].values[nose]}
shown["left knee"] = fields["heatmaps"].values[knee]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.5))
for axis, (title, values) in zip(axes, shown.items(), strict=True):
    axis.imshow(values, cmap="viridis")
    axis.set_title(title)
    axis.axis("off")

# %% [markdown]
# ## One: whose joints?
#
# MoveNet looks for the person nearest the middle: the centre map is divided by the distance to the middle plus an offset, and
# the highest cell wins.

# %%
OFFSET = 1.8
centre = fields["centre"].values[0]
rows, columns = np.indices(centre.shape)
height, width = centre.shape
from_middle = np.hypot(columns - width / 2, rows - height / 2)
row, column = np.unravel_index((centre / (from_middle + OFFSET)).argmax(), centre.shape)
print("the person's centre is in row", row, "column", column)

# %% [markdown]
# ## Two: roughly where?
#
# The *regression* field holds, in that one cell, a vector to each of the 17 joints.

# %%
rough = np.array([column, row]) + fields["regression"].values[:, :, row, column]  # (17, 2) cells, (x, y)

# %% [markdown]
# ## Three: which peak?
#
# Each heatmap is divided by the distance to the rough place, so that of two peaks (of two people, or left and right) the nearer
# one wins. The published graphs count from the corner of a cell, hence the half.

# %%
peaks = np.zeros((17, 2), int)
for joint, (x, y) in enumerate(rough + 0.5):
    away = np.hypot(columns - x, rows - y)
    weighted = fields["heatmaps"].values[joint] / (away + OFFSET)
    peak_row, peak_column = np.unravel_index(weighted.argmax(), weighted.shape)
    peaks[joint] = peak_column, peak_row

# %% [markdown]
# ## Four: exactly where?
#
# The *offset* in the chosen cell leads to the joint; the heatmap's height there is its score.

# %%
every = np.arange(17)
cells = peaks + fields["offsets"].values[every, :, peaks[:, 1], peaks[:, 0]]
scores = fields["heatmaps"].values[every, peaks[:, 1], peaks[:, 0]]
keypoints = fields.to_source("heatmaps", cells)

# %% [markdown]
# ## The same as the decoder

# %%
poses = model.decode(fields, pose_threshold=0, keypoint_threshold=0)
np.testing.assert_allclose(keypoints, poses.keypoints[0], atol=1e-3)
np.testing.assert_allclose(scores, poses.keypoint_scores[0], atol=1e-6)

plt.imshow(posecore.draw_poses(scene.image, poses))
plt.plot(*fields.to_source("heatmaps", rough).T, "x", color="white", label="rough places")
plt.legend()
_ = plt.axis("off")
