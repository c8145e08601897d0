"""The core does without the app's and the training's libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Imports posecore where some libraries are missing, and finds poses with a shipped model.
SCRIPT = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Missing())
import numpy as np
import posecore

model = posecore.load_model("posenet-mobilenet_v1-075", device="cpu")
picture = np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8)
poses = model(picture, input_size=97, pose_threshold=0, root_threshold=0)
assert poses.image_size == (64, 96), poses
assert len(poses) > 0
print("found", len(poses))
"""


def test_poses_are_found_without_streamlit_and_lightning(tmp_path: Path) -> None:
    libraries = ("streamlit", "streamlit_webrtc", "lightning", "pytorch_lightning", "plotly")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(libraries=libraries)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "POSECORE_HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("found")
