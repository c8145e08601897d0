"""Before and after fine-tuning, picture by picture."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posecore.data.synthetic import write_dataset
from posecore.errors import SettingsError
from posecore.evaluation import Evaluation, Interval
from posecore.evaluation.evaluate import evaluate
from posecore.families import family_of
from posecore.model import PoseModel
from posecore.runs import Registry, Run
from posecore.skeleton import COCO_17, Skeleton
from posecore.training import comparison
from posecore.training.card import model_card
from posecore.training.comparison import Comparison, Figures, compare
from posecore.zoo import load_weights, save_weights
from tests.job_support import ARCHITECTURE

FACE = Skeleton("face", ("nose", "left_eye", "right_eye", "chin"), ((0, 1), (0, 2), (0, 3)), ((1, 2),))


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "drawn", 3, seed=5, size=(160, 120), people=1)


def weights(path: Path, skeleton: Skeleton = COCO_17, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    network = family_of(ARCHITECTURE).build(ARCHITECTURE, skeleton)
    save_weights(path, network, name="some", architecture=ARCHITECTURE, skeleton=skeleton)
    return path


def finished(home: Path, start: str, drawn: Path, skeleton: Any = "coco-17", side: int = 257, **data: Any) -> Run:
    """A run in the list as training would have left it."""
    source = {"annotations": str(drawn), "images": str(drawn.parent / "images"), "pack": {"min_size": 1}}
    config = {
        "name": "run",
        "model": {"architecture": ARCHITECTURE, "start": start, "skeleton": skeleton},
        "data": data or {"train": [source], "validation": [source]},
        "training": {"input_sides": [129, side]},
    }
    Registry().add("run", config, "finished")
    run = Registry().get("run")
    assert run is not None
    weights(run.folder / "best.safetensors", FACE if skeleton != "coco-17" else COCO_17, seed=1)
    return run


def test_both_models_are_measured_on_every_validation_picture(home: Path, drawn: Path, tmp_path: Path) -> None:
    run = finished(home, str(weights(tmp_path / "base.safetensors")), drawn)
    told: list[tuple[int, int]] = []
    result = compare(run, lambda done, total: told.append((done, total)))
    assert told == [(number, 6) for number in range(1, 7)]
    assert result.keypoints == COCO_17.keypoints
    assert result.before is not None
    assert set(result.before.per_keypoint) == set(result.after.per_keypoint) == set(COCO_17.keypoints)
    assert len(result.pictures) == 3
    changes = [picture.change for picture in result.pictures]
    assert changes == sorted(changes, reverse=True)
    for picture in result.pictures:
        assert picture.path.is_file()
        assert picture.poses_before is not None
        assert picture.labels.skeleton == picture.poses_after.skeleton == COCO_17
        assert len(picture.labels) == 1
    assert result.note == ""
    assert result.elsewhere is None


def test_both_models_are_measured_at_the_same_inputs(
    home: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(home, str(weights(tmp_path / "base.safetensors")), drawn, side=161)
    sizes: dict[str, list[int]] = {}
    real = evaluate

    def noted(model: PoseModel, *arguments: Any, **options: Any) -> Evaluation:
        result = real(model, *arguments, **options)
        sizes.setdefault(model.weights_id, []).append(result.settings["input_size"])
        return result

    monkeypatch.setattr(comparison, "evaluate", noted)
    told: list[tuple[int, int]] = []
    result = compare(run, lambda done, total: told.append((done, total)))
    assert list(sizes.values()) == [[161, 257]] * 2
    assert told[-1] == (12, 12)
    assert result.side == 161
    assert result.elsewhere is not None
    assert result.elsewhere.side == 257
    assert result.elsewhere.before is not None
    assert any("161 pixels" in sentence and "At 257" in sentence for sentence in result.sentences)
    assert same(compare(run), result)


def same(one: Comparison, other: Comparison) -> bool:
    """Equal in all that is not a picture."""
    names = ("before", "after", "side", "elsewhere", "intervals", "learnt", "note", "keypoints")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_a_run_that_kept_its_base_has_changed_nothing_and_says_so(
    home: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = weights(tmp_path / "base.safetensors")
    run = finished(home, str(start), drawn, side=161)
    network = family_of(ARCHITECTURE).build(ARCHITECTURE)
    network.load_state_dict(load_weights(start).state)
    save_weights(run.folder / "best.safetensors", network, name="some", architecture=ARCHITECTURE, epoch="0")
    result = compare(run)
    assert not result.learnt
    assert result.before == result.after
    assert all(picture.change == 0 for picture in result.pictures)
    assert result.sentences[0].startswith("Nothing was learnt")
    assert same(compare(run), result)
    card = model_card(run, result)
    assert "Nothing was learnt" in card
    assert "| AP | – |" in card or f"| AP | {result.after.ap:.3f} |" in card
    assert "before | after" not in card


def test_few_pictures_cannot_tell_a_change_from_chance(home: Path, drawn: Path, tmp_path: Path) -> None:
    result = compare(finished(home, str(weights(tmp_path / "base.safetensors")), drawn))
    assert set(result.intervals) >= {"ap", "ar", "pck"}
    assert all(result.may_be_chance(name) for name in ("ap", "ar", "pck"))
    assert "3 pictures cannot tell whether a change is more than chance." in result.sentences


def test_what_may_be_chance_is_named_with_its_interval() -> None:
    figures = Figures(0.2, 0.3, 0.4, {})
    intervals = {"ap": Interval(-0.01, 0.2), "ar": Interval(0.01, 0.2), "pck": Interval(-0.3, -0.1)}
    result = Comparison("run", "base", ("nose",), figures, figures, [], "", intervals=intervals)
    assert result.sentences == ["Within chance on these pictures: AP (-0.010 … +0.200)."]


def test_pictures_that_are_gone_are_left_out(home: Path, drawn: Path, tmp_path: Path) -> None:
    run = finished(home, str(weights(tmp_path / "base.safetensors")), drawn)
    first = compare(run)
    first.pictures[0].path.unlink()
    again = compare(run)
    assert {one.path for one in again.pictures} == {one.path for one in first.pictures[1:]}


def test_a_second_look_finds_what_was_measured_until_weights_or_labels_change(
    home: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(home, str(weights(tmp_path / "base.safetensors")), drawn)
    first = compare(run)
    calls: list[str] = []
    real = evaluate

    def counted(model: PoseModel, *arguments: Any, **options: Any) -> Evaluation:
        calls.append(model.name)
        return real(model, *arguments, **options)

    monkeypatch.setattr(comparison, "evaluate", counted)
    second = compare(run)
    assert calls == []
    assert (second.before, second.after, second.keypoints) == (first.before, first.after, first.keypoints)
    for one, other in zip(first.pictures, second.pictures, strict=True):
        assert (one.path, one.before, one.after) == (other.path, other.before, other.after)
        np.testing.assert_allclose(one.poses_after.keypoints, other.poses_after.keypoints)
    weights(run.folder / "best.safetensors", seed=2)
    compare(run)
    assert len(calls) == 2
    (run.folder / "comparison.json").write_text("{damaged")
    compare(run)
    assert len(calls) == 4


def test_another_skeleton_is_compared_on_what_both_know(home: Path, drawn: Path, tmp_path: Path) -> None:
    skeleton = {"name": "face", "keypoints": FACE.keypoints, "edges": FACE.edges, "flip_pairs": FACE.flip_pairs}
    run = finished(home, str(weights(tmp_path / "base.safetensors")), drawn, skeleton)
    result = compare(run)
    assert result.keypoints == ("nose", "left_eye", "right_eye")
    assert result.before is not None
    assert set(result.before.per_keypoint) == set(result.after.per_keypoint) == set(result.keypoints)
    assert "3 keypoints that the model before knows as well" in result.note


def test_without_a_base_only_the_result_is_measured(home: Path, drawn: Path, tmp_path: Path) -> None:
    run = finished(home, "random", drawn)
    result = compare(run)
    assert result.base is None
    assert result.before is None
    assert "random weights" in result.note
    assert all(picture.before is None and picture.poses_before is None for picture in result.pictures)
    gone = Registry()
    gone.change("run", config=json.dumps({**run.config, "model": {**run.config["model"], "start": "run:gone"}}))
    again = gone.get("run")
    assert again is not None
    result = compare(again)
    assert result.before is None
    assert "cannot be loaded any more" in result.note


def test_held_out_pictures_are_not_among_those_trained_on(home: Path, drawn: Path) -> None:
    source = {"annotations": str(drawn), "images": str(drawn.parent / "images"), "pack": {"min_size": 1}}
    run = finished(home, "random", drawn, train=[source], holdout=0.34)
    assert [picture.path.name for picture in compare(run).pictures] == ["00000007.jpg"]


def test_what_cannot_be_compared_says_so(home: Path, drawn: Path) -> None:
    run = finished(home, "random", drawn)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SettingsError, match="cancelled"):
        compare(run, cancel=cancel)
    (run.folder / "best.safetensors").unlink()
    with pytest.raises(SettingsError, match="no weights yet"):
        compare(run)
