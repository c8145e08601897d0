"""Configurations: what is wrong is said at once and by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from posecore.data.operations import mapped
from posecore.data.source import Source
from posecore.data.synthetic import write_dataset
from posecore.errors import SettingsError
from posecore.skeleton import COCO_17
from posecore.training.config import RunConfig, data_root, make_config, read_config
from posecore.training.schedule import factor, phase
from posecore.training.sources import read_source

ROOT = Path(__file__).parent.parent


def values(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "trial",
        "model": {"architecture": "posenet-mobilenet_v1-050"},
        "data": {"train": [{"annotations": "a.json"}]},
    }
    return base | changes


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*")), ids=lambda path: path.name)
def test_the_configurations_of_the_project_are_valid(path: Path) -> None:
    config = read_config(path)
    assert config.name == path.stem
    sets = config.data.train if isinstance(config, RunConfig) else ()
    for folder in (config.data.root, *(source.annotations for source in sets)):
        assert folder is None or not Path(folder).is_absolute()


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    for name, text in (("a.yaml", yaml.safe_dump(values())), ("a.json", json.dumps(values()))):
        (tmp_path / name).write_text(text)
    assert read_config(tmp_path / "a.yaml") == read_config(tmp_path / "a.json")
    # What a run writes down reads back as the same configuration.
    config = make_config(values())
    assert make_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": {}}, "modle is unknown; did you mean 'model'?"),
        ({"optimizer": {"learnig_rate": 1}}, "optimizer.learnig_rate is unknown; did you mean 'learning_rate'?"),
        ({"augment": {"rotations": 1}}, "augment.rotations is unknown; did you mean 'rotation'?"),
        ({"loss": {"heatmap_radus": 3}}, "did you mean 'heatmap_radius'?"),
        ({"data": {"train": [{"anotations": "a"}]}}, "data.train.0.anotations is unknown; did you mean 'annotations'?"),
        ({"data": {"train": [{}]}}, "a source needs either annotations or synthetic"),
        ({"data": {"train": []}}, "data.train"),
        ({"schedule": {"epochs": 0}}, "schedule.epochs = 0: input should be greater than or equal to 1"),
        ({"schedule": {"kind": "onecyle"}}, "'onecycle', 'cosine', 'multistep' or 'constant'"),
        ({"name": "a/../b"}, "name = 'a/../b'"),
        ({"model": {"architecture": "posenet-mobilenet_v1-75"}}, "did you mean 'posenet-mobilenet_v1-075'?"),
        ({"model": {"architecture": "posenet-mobilenet_v1-050", "skeleton": "coco17"}}, "did you mean 'coco-17'?"),
        (
            {"model": {"architecture": "posenet-mobilenet_v1-050", "network": {"output_stride": 32}}},
            "output_stride = 32",
        ),
        (
            {"model": {"architecture": "posenet-mobilenet_v1-050", "skeleton": {"keypoints": ["a", "a"]}}},
            "names a more than once",
        ),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_config(values(**changes))
    assert message in str(caught.value)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    for name, text, message in (
        ("a.yaml", "a: [", "neither YAML nor JSON"),
        ("b.json", "{", "neither YAML nor JSON"),
        ("c.yaml", "just text", "must hold keys and values"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(SettingsError, match=message):
            read_config(tmp_path / name)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_config(tmp_path / "nothing.yaml")


def test_a_skeleton_of_ones_own() -> None:
    skeleton = {"name": "bar", "keypoints": ["left_end", "right_end"], "edges": [[0, 1]], "flip_pairs": [[0, 1]]}
    config = make_config(values(model={"architecture": "posenet-mobilenet_v1-050", "skeleton": skeleton}))
    assert config.skeleton.sigmas == (0.05, 0.05)
    assert config.skeleton.flip_permutation.tolist() == [1, 0]
    assert make_config(values()).skeleton == COCO_17


def test_where_data_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSECORE_DATA", raising=False)
    assert data_root(make_config(values()), tmp_path) == tmp_path.resolve()
    rooted = make_config(values(data={"root": "people", "train": [{"synthetic": 3}]}))
    assert data_root(rooted, tmp_path) == (tmp_path / "people").resolve()
    monkeypatch.setenv("POSECORE_DATA", str(tmp_path / "elsewhere"))
    assert data_root(rooted, tmp_path) == tmp_path / "elsewhere"


def schedule(**changes: Any) -> Any:
    config: RunConfig = make_config(values(schedule=changes))
    return config.schedule


@pytest.mark.parametrize("kind", ["onecycle", "cosine"])
def test_the_learning_rate_rises_and_falls(kind: str) -> None:
    shape = schedule(kind=kind, warmup=0.2, start_factor=0.1, end_factor=0.01)
    curve = [factor(shape, step / 100) for step in range(101)]
    assert curve[0] == pytest.approx(0.1)
    assert max(curve) == curve[20] == pytest.approx(1)
    assert curve[-1] == pytest.approx(0.01)
    assert curve[:21] == sorted(curve[:21])
    assert curve[20:] == sorted(curve[20:], reverse=True)
    assert factor(shape, 7.0) == curve[-1]


def test_other_shapes() -> None:
    steps = schedule(kind="multistep", warmup=0, milestones=[0.5, 0.75], gamma=0.1)
    assert [factor(steps, part) for part in (0, 0.49, 0.5, 0.8)] == pytest.approx([1, 1, 0.1, 0.01])
    assert factor(schedule(kind="constant", warmup=0), 0.9) == 1


def test_phases_share_a_run_evenly() -> None:
    assert [phase(3, part) for part in (0, 0.33, 0.34, 0.99, 1.0)] == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    "spell", [str, lambda name: name.replace("_", "-"), lambda name: name.replace("_", " ").title()]
)
def test_keypoints_may_be_spelled_with_hyphens(tmp_path: Path, spell: Callable[[str], str]) -> None:
    """In the labels, under ``names`` and in a skeleton of one's own, against any other spelling."""
    file = write_dataset(tmp_path / "set", 2, seed=3, size=(120, 100), people=1)
    data = json.loads(file.read_text())
    named = ["top" if name == "nose" else spell(name) for name in data["categories"][0]["keypoints"]]
    data["categories"][0]["keypoints"] = ["head-top" if name == "top" else name for name in named]
    file.write_text(json.dumps(data))
    source = Source(annotations=str(file), images=str(file.parent / "images"), names={"head_top": "nose"})
    hyphens = tuple(name.replace("_", "-") for name in COCO_17.keypoints)
    for skeleton in (COCO_17, replace(COCO_17, name="own", keypoints=hyphens)):
        found = read_source(source, tmp_path, tmp_path, skeleton)
        assert found.skeleton.keypoints == skeleton.keypoints
        assert all(person.labelled.any() for image in mapped(found, skeleton) for person in image.people)


def test_steps_take_output_strides_in_turn_that_fit_network_and_sides() -> None:
    posenet = {"architecture": "posenet-mobilenet_v1-050", "network": {"output_stride": 16}}
    plain = make_config(values(model=posenet))
    assert [settings.model_dump()["output_stride"] for settings in plain.step_settings] == [16]
    turns = make_config(values(model=posenet, training={"output_strides": [16, 8], "input_sides": [129, 257]}))
    assert [settings.model_dump()["output_stride"] for settings in turns.step_settings] == [16, 8]
    fine = {**posenet, "network": {"output_stride": 8}}
    with pytest.raises(SettingsError, match="input of 137 pixels does not fit an output stride of 16"):
        make_config(values(model=fine, training={"output_strides": [8, 16], "input_sides": [137]}))
    with pytest.raises(SettingsError, match="output_stride"):
        make_config(values(model={"architecture": "movenet-lightning"}, training={"output_strides": [4]}))
