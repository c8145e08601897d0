"""Splitting, filtering, mapping and cropping sets of labels; what models propose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.augment import check_mirror
from posecore.data.crops import crop_people
from posecore.data.merging import merged
from posecore.data.naming import unnamed_skeleton
from posecore.data.operations import Filters, filtered, mapped, paired, renamed, split_by_ratio, split_named
from posecore.data.pictures import picture_size
from posecore.data.skeleton_draft import SkeletonDraft
from posecore.data.verify import verify_pictures
from posecore.errors import DataError
from posecore.imaging import read_image
from posecore.labelling.proposals import propose_ignore, propose_labels, unlabelled
from posecore.poses import Poses
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton
from tests.pose_support import poses_from

STICK = Skeleton("stick", ("top", "end"), ((0, 1),))


def stick(
    top: tuple[float, float], end: tuple[float, float], labels: tuple[int, int] = (2, 2), **changes: Any
) -> Person:
    xy = np.array([top, end], np.float32)
    given = np.array(labels, np.uint8)
    xy[(given == Label.UNLABELLED) | (given == Label.ABSENT)] = np.nan
    return replace(Person(xy, given, (10, 10, 30, 40), 300.0), **changes)


def sticks(
    people: list[tuple[Person, ...]], folder: Path = Path("none"), size: tuple[int, int] = (80, 60)
) -> PoseDataset:
    images = [AnnotatedImage(folder / f"{n}.png", size, some, n) for n, some in enumerate(people)]
    return PoseDataset("sticks", STICK, tuple(images))


def test_split_covers_everything_once_and_repeats() -> None:
    dataset = sticks([(stick((1, 2), (3, 4)),)] * 20)
    parts = split_by_ratio(dataset, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=5)
    assert [len(part) for part in parts.values()] == [14, 4, 2]
    ids = [image.image_id for part in parts.values() for image in part]
    assert sorted(ids) == list(range(20))
    assert all(image.split == name for name, part in parts.items() for image in part)
    shuffled = replace(dataset, images=dataset.images[::-1])
    again = split_by_ratio(shuffled, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=5)
    assert [i.image_id for i in again["val"]] == [i.image_id for i in parts["val"]]
    other = split_by_ratio(dataset, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=6)
    assert [i.image_id for i in other["val"]] != [i.image_id for i in parts["val"]]
    with pytest.raises(DataError, match="more than 0"):
        split_by_ratio(dataset, {"train": 1.0, "val": 0.0})


def test_own_split() -> None:
    dataset = sticks([()] * 3)
    with pytest.raises(DataError, match="3 of 3 pictures"):
        split_named(dataset)
    images = tuple(replace(image, split=name) for image, name in zip(dataset, ("val", "train", "val"), strict=True))
    parts = split_named(replace(dataset, images=images))
    assert {name: len(part) for name, part in parts.items()} == {"train": 1, "val": 2}


def test_filters_leave_ignore_regions() -> None:
    crowd = stick((0, 0), (0, 0), (0, 0), crowd=True, box=(0, 0, 5, 5))
    hidden = stick((12, 12), (20, 20), (1, 0), box=(10, 10, 12, 12))
    whole = stick((12, 12), (20, 20))
    rod = replace(whole, category="rod")
    dataset = sticks([(crowd, hidden, whole, rod), (crowd,)])
    kept = filtered(dataset, Filters(crowds=False, drop_empty=True))
    assert [len(image.people) for image in kept] == [3]
    assert kept.images[0].ignore == (crowd.box,)
    assert filtered(dataset, Filters(visible=2)).images[0].people == (whole, rod)
    assert filtered(dataset, Filters(keypoints=1)).images[0].people == (hidden, whole, rod)
    assert filtered(dataset, Filters(box_area=100)).images[0].people == (whole, rod)
    only = filtered(dataset, Filters(categories=["rod"]))
    assert only.images[0].people == (rod,)
    assert only.images[0].ignore == ()
    assert filtered(dataset, Filters(crowds=False, remember=False)).images[1].ignore == ()
    with pytest.raises(DataError, match="Nobody in sticks is a 'cat'"):
        filtered(dataset, Filters(categories=["cat"]))


def test_mapping_keeps_unlabelled_apart_from_absent() -> None:
    labels = np.full(14, Label.VISIBLE, np.uint8)
    labels[LSP_14.index("left_knee")] = Label.ABSENT
    labels[LSP_14.index("left_ankle")] = Label.UNLABELLED
    labels[LSP_14.index("left_hip")] = Label.HIDDEN
    xy = np.where((labels % 3 != 0)[:, None], np.arange(28).reshape(14, 2), np.nan).astype(np.float32)
    lsp = PoseDataset("lsp", LSP_14, (AnnotatedImage(Path("a"), (9, 9), (Person(xy, labels, (0, 0, 9, 9), 1.0),), 1),))
    person = mapped(lsp, COCO_17).images[0].people[0]
    named = {name: Label(int(label)).name for name, label in zip(COCO_17.keypoints, person.labels, strict=True)}
    assert named["nose"] == named["left_ear"] == named["left_ankle"] == "UNLABELLED"
    assert named["left_knee"] == "ABSENT"
    assert named["left_hip"] == "HIDDEN"
    assert named["right_hip"] == "VISIBLE"
    assert person.keypoints[COCO_17.index("right_hip")].tolist() == [4, 5]
    assert np.isnan(person.keypoints[~person.labelled]).all()


@pytest.mark.parametrize(
    ("left", "right", "neck"),
    [
        (Label.VISIBLE, Label.VISIBLE, Label.VISIBLE),
        (Label.VISIBLE, Label.HIDDEN, Label.HIDDEN),
        (Label.VISIBLE, Label.UNLABELLED, Label.UNLABELLED),
        (Label.VISIBLE, Label.ABSENT, Label.UNLABELLED),
        (Label.ABSENT, Label.ABSENT, Label.ABSENT),
    ],
)
def test_mapping_of_a_middle(left: Label, right: Label, neck: Label) -> None:
    labels = np.zeros(17, np.uint8)
    labels[[5, 6]] = left, right
    xy = np.full((17, 2), np.nan, np.float32)
    for index, label in ((5, left), (6, right)):
        if label in (Label.VISIBLE, Label.HIDDEN):
            xy[index] = index, 2 * index
    coco = PoseDataset(
        "coco", COCO_17, (AnnotatedImage(Path("a"), (9, 9), (Person(xy, labels, (0, 0, 9, 9), 1.0),), 1),)
    )
    person = mapped(coco, OPENPOSE_18).images[0].people[0]
    assert person.labels[1] == neck
    assert np.isfinite(person.keypoints[1]).all() == (neck in (Label.VISIBLE, Label.HIDDEN))


def test_renaming_makes_strangers_map() -> None:
    dataset = sticks([(stick((1, 2), (3, 4)),)])
    with pytest.raises(DataError, match="rename keypoints first"):
        mapped(dataset, COCO_17)
    person = mapped(renamed(dataset, {"top": "nose"}), COCO_17).images[0].people[0]
    assert person.keypoints[0].tolist() == [1, 2]
    assert person.labelled.sum() == 1
    with pytest.raises(DataError, match="no keypoint 'tip'"):
        renamed(dataset, {"tip": "nose"})
    with pytest.raises(DataError, match="more than once"):
        renamed(dataset, {"top": "end"})


def test_pairs_and_names_tell_sides() -> None:
    skeleton = unnamed_skeleton("dots", 4)
    dataset = PoseDataset("dots", skeleton, ())
    assert not skeleton.sides_known
    with pytest.raises(DataError, match="flip_idx"):
        check_mirror(skeleton)
    some = paired(dataset, [("keypoint_1", "keypoint_3")]).skeleton
    assert (some.flip_pairs, some.sides_known) == (((1, 3),), True)
    none = paired(dataset, []).skeleton
    assert (none.flip_pairs, none.sides_known) == ((), True)
    check_mirror(none)
    with pytest.raises(DataError, match="did you mean 'keypoint_1'"):
        paired(dataset, [("keypoint1", "keypoint_3")])
    with pytest.raises(DataError, match="two flip pairs"):
        paired(dataset, [("keypoint_1", "keypoint_3"), ("keypoint_2", "keypoint_3")])
    names = dict(zip(skeleton.keypoints, ("head", "tail", "wingL", "wingR"), strict=True))
    told = renamed(dataset, names).skeleton
    assert (told.flip_pairs, told.sides_known) == (((2, 3),), True)
    assert not renamed(dataset, {"keypoint_0": "head"}).skeleton.sides_known


def test_a_draft_asks_for_sides_until_somebody_answers() -> None:
    draft = SkeletonDraft.of(unnamed_skeleton("dots", 4))
    assert not draft.tells_sides
    assert not draft.skeleton().sides_known
    assert draft.with_sides_known().skeleton().sides_known
    assert replace(draft, pairs=(("keypoint_0", "keypoint_1"),)).skeleton().sides_known
    named = draft.with_names(("head", "tail", "wingL", "wingR"), draft.places)
    assert not named.tells_sides
    assert named.paired_by_names().skeleton().flip_pairs == ((2, 3),)
    assert draft.with_names(("head", "tail", "chin", "toe"), draft.places).skeleton().sides_known
    assert not SkeletonDraft.of(unnamed_skeleton("body", 17)).skeleton().sides_known


def test_names_that_are_a_guess_stay_one() -> None:
    guess = PoseDataset("body", unnamed_skeleton("body", 17), ())
    sure = PoseDataset("coco", COCO_17, ())
    assert not mapped(guess, OPENPOSE_18).skeleton.sides_known
    assert mapped(sure, OPENPOSE_18).skeleton.sides_known
    assert not merged("both", [sure, guess]).skeleton.sides_known
    assert not mapped(guess, COCO_17).skeleton.sides_known
    dots = PoseDataset("dots", unnamed_skeleton("dots", 4), ())
    assert mapped(dots, unnamed_skeleton("dots", 4, ())).skeleton.sides_known


def test_merging_gives_ids_anew_and_refuses_strangers() -> None:
    one = sticks([(), ()])
    assert [image.image_id for image in merged("both", [one, one])] == [0, 1, 2, 3]
    with pytest.raises(DataError, match="different keypoints"):
        merged("both", [one, replace(one, skeleton=COCO_17)])


def test_crops_move_and_cut(tmp_path: Path) -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(80), np.arange(60)[:, None]
    Image.fromarray(pixels).save(tmp_path / "0.png")
    inside = stick((15, 20), (25, 30), area=300.0)
    partly = stick((12, 12), (70, 50), box=(11, 11, 71, 51), area=1000.0)
    unseen = stick((0, 0), (0, 0), (0, 0), box=(28, 12, 60, 20))
    far = stick((75, 5), (78, 8), box=(70, 2, 80, 10))
    crops = crop_people(sticks([(inside, partly, unseen, far)], tmp_path), tmp_path / "out", expand=1.2, quality=100)
    assert len(crops) == 3  # unseen has nothing labelled
    crop = crops.images[0]
    assert crop.size == picture_size(crop.path) == (24, 36)  # x 8 … 32, y 7 … 43
    cut = read_image(crop.path)
    assert abs(cut[0, 0].astype(int) - (8, 7, 0)).max() <= 3
    first, second = crop.people
    assert first.keypoints.tolist() == [[7, 13], [17, 23]]
    assert first.box == (2, 3, 22, 33)
    assert first.area == 300.0
    assert second.labels.tolist() == [Label.VISIBLE, Label.ABSENT]
    assert second.box == (3, 4, 24, 36)
    assert second.area == pytest.approx(1000 * 21 * 32 / (60 * 40))
    assert crop.ignore == ((20, 5, 24, 13),)
    assert not verify_pictures(crops)
    square = crop_people(sticks([(inside,)], tmp_path), tmp_path / "square", square=True, expand=1.2)
    assert square.images[0].size == (36, 36)
    with pytest.raises(DataError, match="out of range"):
        crop_people(sticks([]), tmp_path / "none", expand=0)


def test_crops_report_what_cannot_be_cut(tmp_path: Path) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / "1.png")
    outside = stick((90, 90), (95, 95), box=(90, 90, 99, 99))
    crops = crop_people(sticks([(stick((1, 2), (3, 4)),), (outside,)], tmp_path), tmp_path / "out")
    assert len(crops) == 0
    assert len(crops.problems) == 2


def test_verifying_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / "0.png")
    Image.new("RGB", (40, 30)).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"not a picture")
    problems = verify_pictures(sticks([()] * 4, tmp_path))
    assert [problem.file.name for problem in problems] == ["1.png", "2.png", "3.png"]
    assert "40 × 30 pixels, but labelled for 80 × 60" in problems[0].reason


class SeeingModel:
    """Finds the same people in every picture."""

    name, skeleton = "seeing", STICK

    def __init__(self, people: Sequence[Sequence[tuple[float, float]]]) -> None:
        self.people = np.array(people, np.float32)

    def split_settings(self, settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, dict(settings)

    def fields(self, images: list[Any], **settings: Any) -> list[Any]:
        return [image.shape for image in images]

    def decode(self, shape: Any, **settings: Any) -> Poses:
        count = len(self.people)
        return poses_from(self.people, np.ones((count, 2)), np.ones(count), STICK, (shape[1], shape[0]))


def test_proposed_ignore_regions(tmp_path: Path) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / "0.png")
    model: Any = SeeingModel([[(15, 20), (25, 30)], [(60, 10), (70, 20)], [(16, 21), (50, 50)]])
    dataset = sticks([(stick((15, 20), (25, 30)),)], tmp_path)
    marked = propose_ignore(model, dataset, fewest=2)
    (region,) = marked.images[0].ignore
    assert region == pytest.approx((59, 9, 72, 22))
    assert propose_ignore(model, marked, fewest=2).images[0].ignore == (region,)
    lost = propose_ignore(model, sticks([()], tmp_path / "none"))
    assert "0.png" in str(lost.problems[0])


def test_who_stands_in_the_box_of_somebody_labelled_is_not_that_person(tmp_path: Path) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / "0.png")
    labelled, bystander, again = [(10, 5), (40, 45)], [(36, 10), (24, 36)], [(11, 6), (39, 44)]
    dataset = sticks([(stick(labelled[0], labelled[1], box=(8, 3, 42, 47)),)], tmp_path)
    model: Any = SeeingModel([bystander, labelled, again])
    (region,) = propose_ignore(model, dataset, fewest=2).images[0].ignore
    assert region == pytest.approx((24.5 - 3.9, 10.5 - 3.9, 36.5 + 3.9, 36.5 + 3.9))
    # Nobody else is there: this is the labelled person, seen badly.
    badly: Any = SeeingModel([[(17, 9), (31, 36)]])
    assert not propose_ignore(badly, dataset, fewest=2).images[0].ignore


def test_proposed_labels(tmp_path: Path) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / "0.png")
    model: Any = SeeingModel([[(15, 20), (25, 30)], [(60, 10), (70, 20)], [(60, 40), (np.nan, np.nan)]])
    found = propose_labels(model, unlabelled(tmp_path, model), fewest=1)
    assert [person.labels.tolist() for person in found.images[0].people] == [[2, 2], [2, 2], [2, 0]]
    half = propose_labels(model, sticks([(stick((15, 20), (25, 30)),)], tmp_path), fewest=2)
    assert [person.keypoints[0].tolist() for person in half.images[0].people] == [[15, 20], [60, 10]]
    with pytest.raises(DataError, match="No such file"):
        unlabelled(tmp_path / "none", model)
    with pytest.raises(DataError, match="no name is shared"):
        propose_labels(model, replace(half, skeleton=COCO_17))
