"""What a single-person model may change in labels: where it is sure in both mirror views, and of the same person."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posecore.cli import app
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.coco import read_coco, write_coco_json
from posecore.data.people import make_person
from posecore.labelling import completing
from posecore.labelling.completing import CompletionRules, complete_labels, completed
from posecore.labelling.opinions import Opinion
from posecore.poses import Poses
from posecore.skeleton import COCO_17, LSP_14

RULES = CompletionRules()
#: A person of 100 × 200 pixels, joints well apart.
PLACES = np.array(
    [(50, 10), (55, 5), (45, 5), (60, 10), (40, 10), (70, 50), (30, 50), (85, 80), (15, 80), (95, 110), (5, 110),
     (65, 110), (35, 110), (65, 150), (35, 150), (65, 195), (35, 195)], np.float64,
)  # fmt: skip
BOX = (0.0, 0.0, 100.0, 200.0)
#: Where they are in a picture.
SEEN = PLACES + np.array((20, 10))


def somebody(**unlabelled: bool) -> Person:
    labels = np.full(17, Label.VISIBLE, np.uint8)
    labels[[COCO_17.index(name) for name in unlabelled]] = Label.UNLABELLED
    return make_person(PLACES, labels, BOX)


def opinion(xy: np.ndarray = PLACES, low: float = 0.9, high: float = 0.95, agreement: float = 1.0) -> Opinion:
    return Opinion(xy.copy(), *(np.full(17, value) for value in (low, high, agreement)))


def said(person: Person, view: Opinion) -> tuple[Person, Counter[str]]:
    counts: Counter[str] = Counter()
    return completed(person, view, COCO_17, RULES, counts), counts


def test_joints_that_nobody_labelled_are_added_where_the_model_is_sure() -> None:
    person = somebody(nose=True, left_wrist=True, right_wrist=True)
    view = opinion()
    view.low[COCO_17.index("left_wrist")] = RULES.sure - 0.01
    view.agreement[COCO_17.index("right_wrist")] = RULES.agree - 0.01
    made, counts = said(person, view)
    assert made.labels[0] == Label.VISIBLE
    np.testing.assert_allclose(made.keypoints[0], PLACES[0])
    for name in ("left_wrist", "right_wrist"):
        assert made.labels[COCO_17.index(name)] == Label.UNLABELLED
    assert counts == {"kept": 14, "added": 1, "absent": 0, "replaced": 0}


def test_a_joint_that_the_model_does_not_see_at_all_is_absent_unless_it_is_labelled() -> None:
    view = opinion()
    ankles = [COCO_17.index("left_ankle"), COCO_17.index("right_ankle")]
    view.low[ankles] = view.high[ankles] = 0.01
    made, _ = said(somebody(left_ankle=True), view)
    assert [made.labels[index] for index in ankles] == [Label.ABSENT, Label.VISIBLE]


def test_a_label_far_away_gives_way_to_a_surer_joint_only() -> None:
    moved = PLACES.copy()
    moved[COCO_17.index("left_ankle")] = (35, 100)
    person = make_person(moved, np.full(17, Label.HIDDEN, np.uint8), BOX)
    made, counts = said(person, opinion())
    np.testing.assert_allclose(made.keypoints[15], PLACES[15])
    assert counts["replaced"] == 1
    unsure = opinion(low=(RULES.sure + RULES.surer) / 2)
    made, counts = said(person, unsure)
    np.testing.assert_allclose(made.keypoints, moved)
    assert counts["replaced"] == 0


def test_labels_with_left_and_right_exchanged_are_turned_round() -> None:
    order = COCO_17.flip_permutation
    person = somebody(left_wrist=True)
    exchanged = replace(person, keypoints=person.keypoints[order], labels=person.labels[order])
    made, counts = said(exchanged, opinion())
    np.testing.assert_allclose(made.keypoints, PLACES)
    assert (made.labels == Label.VISIBLE).all()
    assert counts["turned"] == 1
    assert counts["added"] == 1


def test_another_person_s_joints_are_nobody_s_labels() -> None:
    person = somebody(nose=True)
    made, counts = said(person, opinion(PLACES + np.array((300, 0))))
    np.testing.assert_array_equal(made.keypoints, person.keypoints)
    np.testing.assert_array_equal(made.labels, person.labels)
    assert counts["another person"] == 1


class _Seer:
    """Stands for a model: says where the joints are, left and right as they appear, in either view."""

    name, weights_id, skeleton = "seer", "0", COCO_17
    decode_settings_class = SimpleNamespace(model_fields={"pose_threshold": None})

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Any]] = []

    def split_settings(self, settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, dict(settings)

    def fields(self, pictures: list[Any], regions: list[Any], **network: Any) -> list[Any]:
        self.asked += list(zip(pictures, regions, strict=True))
        return list(zip(pictures, regions, strict=True))

    def decode(self, fields: Any, **settings: Any) -> Poses:
        assert settings == {"pose_threshold": 0.0}
        picture, _ = fields
        size = picture.shape[1], picture.shape[0]
        xy = SEEN
        if picture[0, 0, 0] == 0:
            # The bright left margin is on the right: a mirrored picture, in which left joints look like right ones.
            xy = np.column_stack([size[0] - 1 - xy[:, 0], xy[:, 1]])[COCO_17.flip_permutation]
        return Poses(xy[None], np.full((1, 17), 0.8), np.array([0.8]), COCO_17, size)


@pytest.fixture
def pictures(tmp_path: Path) -> PoseDataset:
    """One LSP person in a picture of 160 × 220 with a bright left margin, and a picture that is gone."""
    picture = np.zeros((220, 160, 3), np.uint8)
    picture[:, :8] = 255
    Image.fromarray(picture).save(tmp_path / "one.png")
    labels = np.array([2 * (name in COCO_17.keypoints) for name in LSP_14.keypoints], np.uint8)
    xy = np.array([SEEN[COCO_17.index(n)] if n in COCO_17.keypoints else (0, 0) for n in LSP_14.keypoints])
    person = make_person(xy, labels, (20.0, 10.0, 120.0, 210.0))
    images = tuple(
        AnnotatedImage(tmp_path / name, (160, 220), (person,), number)
        for number, name in enumerate(("one.png", "gone"))
    )
    return PoseDataset("lsp", LSP_14, images)


def test_a_set_is_completed_in_the_model_s_skeleton_from_two_mirror_views(pictures: PoseDataset) -> None:
    model = _Seer()
    done = complete_labels(model, pictures)  # type: ignore[arg-type]
    face = [COCO_17.index(name) for name in ("nose", "left_eye", "right_ear")]
    made = done.dataset.images[0].people[0]
    assert done.dataset.skeleton == COCO_17
    np.testing.assert_allclose(made.keypoints, SEEN, atol=1e-4)
    assert (made.labels[face] == Label.VISIBLE).all()
    assert done.counts == {"kept": 12, "added": 5, "replaced": 0, "absent": 0}
    (plain, mirrored) = (region for _, region in model.asked)
    assert mirrored == (160 - plain[2], plain[1], 160 - plain[0], plain[3])
    # A picture that is gone keeps its labels and is told.
    assert [problem.file.name for problem in done.dataset.problems] == ["gone"]
    assert int(done.dataset.images[1].people[0].labelled.sum()) == 12


def test_a_broken_off_command_goes_on_where_it_was(pictures: PoseDataset, tmp_path: Path) -> None:
    memory, first, second = tmp_path / "said.jsonl", _Seer(), _Seer()
    done = complete_labels(first, pictures, memory=memory)  # type: ignore[arg-type]
    # Killed while it wrote about somebody else.
    memory.write_text(memory.read_text() + '\n["some')
    again = complete_labels(second, pictures, memory=memory)  # type: ignore[arg-type]
    assert len(first.asked) == 2
    assert second.asked == []
    assert again.counts == done.counts
    a, b = (one.dataset.images[0].people[0] for one in (done, again))
    np.testing.assert_array_equal(a.keypoints, b.keypoints)
    # Of another box, and to another way of looking, something else would be said.
    person = pictures.images[0].people[0]
    wider = replace(pictures.images[0], people=(replace(person, box=(10.0, 10.0, 120.0, 210.0)),))
    complete_labels(second, replace(pictures, images=(wider,)), memory=memory)  # type: ignore[arg-type]
    assert len(second.asked) == 2
    second.weights_id = "1"
    complete_labels(second, pictures, memory=memory)  # type: ignore[arg-type]
    assert len(second.asked) == 4


def test_the_command_says_where_labels_come_from(
    pictures: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = replace(pictures, images=pictures.images[:1])
    write_coco_json(only, tmp_path / "labels.json")
    monkeypatch.setattr("posecore.cli.data.open_model", lambda name, device: _Seer())
    target = tmp_path / "completed.json"
    arguments = ["data", "complete", str(tmp_path / "labels.json"), str(target), "--model", "seer"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "5 added" in result.output
    made_by = json.loads(target.read_text())["info"]["made_by"]
    assert made_by["model"] == "seer"
    assert made_by["rules"] == RULES.model_dump()
    assert made_by["counts"]["added"] == 5
    assert read_coco(target, tmp_path).people == 1
    assert completing.similarity(PLACES, PLACES, 1.0, COCO_17).tolist() == [1.0] * 17
