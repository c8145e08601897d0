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
# # Evaluate a model, tune its settings
#
# The network runs once; thresholds are then tried on its fields. Half of the pictures choose, the other half confirms. Works
# offline, on drawn people; put your own labels in their place.

# %%
import os
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="posecore-notebook-"))
os.environ["POSECORE_HOME"] = str(folder / "home")

import matplotlib.pyplot as plt

import posecore
from posecore.data.detect import open_dataset
from posecore.data.synthetic import write_dataset
from posecore.evaluation import evaluate, protocol_settings
from posecore.evaluation.field_sets import keep_fields
from posecore.evaluation.tuning import Bench, Goal, grid, sweep, tunable, tune

truth = open_dataset(write_dataset(folder / "pictures", 12, seed=700, size=(320, 240)))
model = posecore.load_model("posenet-mobilenet_v1-075.posecore", device="cpu", runtime="torch")

# %% [markdown]
# ## How good?

# %%
found = evaluate(model, truth, protocol="full")
print(f"OKS AP {found.precision['AP']:.3f}, AR {found.precision['AR']:.3f} on {found.people} people")

# %%
figures = found.per_keypoint
plt.figure(figsize=(8, 4))
plt.barh(list(figures), [one.similarity for one in figures.values()])
plt.xlabel("mean keypoint similarity")
plt.tight_layout()

# %% [markdown]
# ## What do thresholds do?
#
# Fields are kept on disk; every threshold is tried on them.

# %%
kept = keep_fields(model, truth.images, "full", protocol_settings(model, "full")[0])
bench = Bench(model, kept, truth.skeleton, model.decode_settings().model_dump())
control = next(one for one in tunable(model) if one.name == "pose_threshold")
values = grid(control, 15)
tried = sweep(bench, "pose_threshold", values)
plt.figure(figsize=(8, 4))
plt.plot(values, [one.precision if one.precision is not None else float("nan") for one in tried], label="precision")
plt.plot(values, [one.recall for one in tried], label="recall")
plt.plot(values, [one.AP for one in tried], label="AP")
plt.xlabel("pose threshold")
_ = plt.legend()

# %% [markdown]
# ## Search, and confirm
#
# One half of the pictures chooses, the other half confirms; with so few pictures the gain will be within the noise, and the
# verdict says so.

# %%
found_best = tune(bench, Goal("F1"), ["pose_threshold", "keypoint_threshold"], trials=30)
print(found_best.settings)
print(found_best.verdict)
