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
# # PoseNet: fields and decoding by hand
#
# PoseNet finds several people from the bottom up. This notebook looks at its fields and grows one person from one peak, joint
# by joint; in the end it is the person that posecore's decoder finds. It works offline.

# %%
import matplotlib.pyplot as plt
import numpy as np

import posecore
from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from posecore.drawing import heatmap_grid, vector_arrows

scene = render_scene(SAMPLE_SEEDS["Three people in a street"])
model = posecore.load_model("posenet-mobilenet_v1-075.posecore", device="cpu", runtime="torch")
fields = model.fields(scene.image, output_stride=16)
names = fields.skeleton.keypoints

# %% [markdown]
# ## Three kinds of fields
#
# **Heatmaps** say where a joint of anybody is, **offsets** correct the coarse cell, and **displacements** lead from each joint to
# its neighbour on the same person.

# %%
plt.figure(figsize=(12, 8))
plt.imshow(heatmap_grid(scene.image, fields, "heatmaps", columns=6, tile_width=240))
_ = plt.axis("off")

# %%
edges = fields["displacement_forward"].channels
arrows = vector_arrows(scene.image, fields, "displacement_forward", edges.index("left_hip → left_knee"))
plt.figure(figsize=(10, 7))
plt.imshow(arrows)
_ = plt.axis("off")

# %% [markdown]
# ## A root
#
# Every local maximum of every heatmap may start a person. The highest of all does so first.

# %%
heat = fields["heatmaps"].values
stride = fields["heatmaps"].stride
root, row, column = np.unravel_index(heat.argmax(), heat.shape)
print(f"{names[root]}, {heat.max():.2f}, in row {row}, column {column}")


def refine(joint, row, column):
    """The place, in input pixels (x, y), that the offsets of a cell lead to."""
    return np.array([column, row]) * stride + fields["offsets"].values[joint, :, row, column]


def cell_of(place):
    """Row and column of the cell nearest to a place."""
    column, row = np.floor(place / stride + 0.5).astype(int)
    return np.clip(row, 0, heat.shape[1] - 1), np.clip(column, 0, heat.shape[2] - 1)


# %% [markdown]
# ## A walk over the body
#
# From the root outwards: the displacement in the cell of a joint leads to its neighbour, and the offsets there, asked twice, to
# the exact place.

# %%
STEPS = 2
forward, backward = fields["displacement_forward"], fields["displacement_backward"]
hops = {}
for field in (forward, backward):
    for channel, (start, end) in enumerate(field.edges):
        hops.setdefault(start, []).append((end, field.values[channel]))

places, scores, path = {root: refine(root, row, column)}, {root: heat[root, row, column]}, []
waiting = [root]
while waiting:
    joint = waiting.pop(0)
    for neighbour, displacement in hops.get(joint, ()):
        if neighbour in places:
            continue
        row, column = cell_of(places[joint])
        place = places[joint] + displacement[:, row, column]
        path.append((places[joint], place))
        for _ in range(STEPS):
            place = refine(neighbour, *cell_of(place))
        places[neighbour], scores[neighbour] = place, heat[neighbour][cell_of(place)]
        waiting.append(neighbour)

# %% [markdown]
# ## The same as the decoder
#
# What we grew is one of the people whom the decoder finds.

# %%
poses = model.decode(fields, keypoint_threshold=0, pose_threshold=0.05, refinement_steps=STEPS)
ours = fields.transform.to_source(np.array([places[joint] for joint in range(17)]))
distance = np.abs(poses.keypoints - ours).max((1, 2))
np.testing.assert_allclose(distance.min(), 0, atol=1e-3)
print(f"ours is person {distance.argmin() + 1} of {len(poses)}")

plt.figure(figsize=(10, 7))
plt.imshow(posecore.draw_poses(scene.image, poses))
for hop in path:
    plt.plot(*fields.transform.to_source(np.array(hop)).T, color="white", linewidth=1)
_ = plt.axis("off")

# %% [markdown]
# The decoder goes on with the next highest peak that does not lie near the same joint of somebody found already. Every hop can
# be asked for: `model.decode(fields, trace=True)` gives the path of each joint.

# %%
_, why = model.decode(fields, keypoint_threshold=0, pose_threshold=0.05, trace=True)
for joint in why.poses[0][:5]:
    origin = "a peak" if joint.found_from is None else names[joint.found_from]
    print(f"{names[joint.keypoint]:15} from {origin:15} {' → '.join(joint.steps)}")
