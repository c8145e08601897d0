"""Networks that lift are trained by the engine of all networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from posecore.errors import DataError, SettingsError
from posecore.lifting.weights import load_lifter
from posecore.runs import Registry
from posecore.training.config import LifterConfig, any_config, make_config, read_config
from posecore.training.parts import check_run
from tests.test_lifting_motions import bvh

VALUES: dict[str, Any] = {
    "name": "small",
    "model": {"architecture": "lifter-temporal", "width": 16},
    "data": {"held_out": ["held*"]},
    "lengths": [8, 1],
    "steps": 3,
    "optimizer": {"clip": 1},
    "schedule": {"epochs": 2},
    "training": {"batch_size": 4, "device": "cpu"},
}


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSECORE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("POSECORE_DATA", raising=False)
    for name in ("one.bvh", "held.bvh"):
        (tmp_path / name).write_text(bvh(60 if name == "one.bvh" else 50))
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(VALUES))
    return path


def test_a_run_trains_measures_and_keeps_a_network_that_lifts(config_file: Path) -> None:
    from posecore.training.run import train

    folder = train(read_config(config_file), config_file.parent)
    run = Registry().get("small")
    assert run is not None
    assert run.status == "finished"
    epochs = Registry().epochs("small")
    assert [number for number, _ in epochs] == [1, 2]
    assert epochs[-1][1]["steps"] == 6
    assert {"train/angle", "validation/mm", "validation/knee"} <= epochs[-1][1].keys()
    assert (folder / "curves.csv").is_file()
    lifter = load_lifter(folder / "lifter.safetensors")
    assert lifter.network.width == 16
    assert lifter.name == "run:small"
    assert not any(folder.glob("best*"))


def test_a_run_goes_on_from_another_ones_weights(config_file: Path) -> None:
    from posecore.training.run import train

    folder = train(read_config(config_file), config_file.parent)
    file = str(folder / "lifter.safetensors")
    wider = any_config({**VALUES, "name": "wider", "model": {**VALUES["model"], "start": file, "width": 32}})
    with pytest.raises(SettingsError, match="to that"):
        train(wider, config_file.parent)
    same = any_config({**VALUES, "name": "same", "model": {**VALUES["model"], "start": file}})
    train(same, config_file.parent)
    assert Registry().epochs("same")[0][0] == 0


def test_motions_that_are_not_there(config_file: Path) -> None:
    from posecore.training.run import train

    config = any_config({**VALUES, "data": {"files": ["none*"]}})
    with pytest.raises(DataError, match="no motions in"):
        train(config, config_file.parent)


def test_configurations_of_both_kinds_are_told_apart_and_checked() -> None:
    config = any_config(VALUES)
    assert isinstance(config, LifterConfig)
    assert any_config(config.model_dump(mode="json")) == config
    check_run(config)
    with pytest.raises(SettingsError, match="lifts poses"):
        make_config(VALUES)
    with pytest.raises(SettingsError, match="did you mean 'lengths'"):
        any_config({**VALUES, "length": [3]})
    with pytest.raises(SettingsError, match=r"optimizer\.groups"):
        check_run(any_config({**VALUES, "optimizer": {"groups": {"heat": 0.1}}}))
    with pytest.raises(SettingsError, match="lifter-temporal"):
        any_config({**VALUES, "model": {"architecture": "lifter-temporaI"}})
