"""What happens where a library of an extra is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecore.errors import MissingExtraError
from posecore.skeleton import COCO_17
from posecore.training import jobs
from posecore.training.config import RunConfig
from tests.app_support import as_read, open_app
from tests.pose_support import poses_from


@pytest.fixture
def nothing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if only posecore's own dependencies were installed."""
    find = importlib.util.find_spec

    def find_spec(name: str, *rest: Any) -> Any:
        return None if name in ("lightning", "streamlit_webrtc", "supervision") else find(name, *rest)

    monkeypatch.setattr("posecore.extras.find_spec", find_spec)


@pytest.mark.parametrize(("page", "command"), [("webcam", "posecore[webcam]"), ("train", "posecore[train]")])
def test_pages_say_what_to_install(home: Path, nothing_extra: None, page: str, command: str) -> None:
    app = open_app(page)
    assert [command in as_read(info.value) for info in app.info] == [True]


def test_training_says_what_to_install(home: Path, nothing_extra: None) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'posecore\[train\]'"):
        jobs.submit(RunConfig.model_construct(name="a"))  # type: ignore[call-arg]


def test_supervision_says_what_to_install(nothing_extra: None) -> None:
    poses = poses_from(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0), COCO_17, (10, 10))
    with pytest.raises(MissingExtraError, match="supervision"):
        poses.to_supervision()
