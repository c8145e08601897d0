"""OpenPose on the Explore page: its settings and fields are enough, no page knows the family."""

from __future__ import annotations

from pathlib import Path

import pytest

from posecore.families.openpose import OpenPoseNetworkSettings
from posecore.families.openpose.codec import OpenPoseDecodeSettings
from posecore.settings import controls
from tests.app_support import forget_everything, forward_passes, install_model, open_app, without_shipped_models

NAME = "openpose-mobilenet_v2_small.tfpose"


def test_explore_takes_the_family(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()
    install_model(home, NAME)
    app = open_app(query={"model": NAME})
    for control in (*controls(OpenPoseNetworkSettings), *controls(OpenPoseDecodeSettings)):
        # Nobody has calibrated weights that were drawn by lot.
        key = "calibrated_unavailable" if control.name == "calibrated" else control.name
        assert app.get_by_key(key) is not None, key
    for tab in ("Heatmaps", "Vectors", "Keypoints"):
        app = open_app(tab=tab, query={"model": NAME})
        assert not app.error, app.error
        assert not app.exception, app.exception
    assert forward_passes() == 1
