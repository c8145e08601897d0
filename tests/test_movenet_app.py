"""MoveNet on the Explore page: its settings and fields are enough, no page knows the family."""

from __future__ import annotations

from pathlib import Path

import pytest

from posecore.families.movenet import MoveNetNetworkSettings
from posecore.families.movenet.codec import MoveNetDecodeSettings
from posecore.settings import controls
from tests.app_support import forget_everything, forward_passes, install_model, open_app, without_shipped_models


@pytest.mark.parametrize("name", ["movenet-lightning.google_int8", "movenet-multipose.google_tfjs"])
def test_explore_takes_the_family(name: str, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()
    install_model(home, name)
    app = open_app(query={"model": name})
    for control in (*controls(MoveNetNetworkSettings), *controls(MoveNetDecodeSettings)):
        # Nobody has calibrated weights that were drawn by lot.
        key = "calibrated_unavailable" if control.name == "calibrated" else control.name
        assert app.get_by_key(key) is not None, key
    for tab in ("Heatmaps", "Vectors", "Keypoints"):
        app = open_app(tab=tab, query={"model": name})
        assert not app.error, app.error
    assert forward_passes() == 1
