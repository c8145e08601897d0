"""Packing annotated pictures, and the batches made from packs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.augment import AugmentSettings, compose, draw_batch
from posecore.data.batches import Pack, PackSettings, pack
from posecore.data.truth import inside
from posecore.errors import DataError
from posecore.imaging import square_around_box
from posecore.skeleton import COCO_17, LSP_14
from posecore.training.data import EpochBatches, EpochPlan, TrainingSet, hold_out, validation_pictures
from tests.job_support import tiny


def person(box: tuple[float, float, float, float], count: int = 17, **changes: object) -> Person:
    """Keypoints on the diagonal of the box, all visible."""
    xy = np.linspace(box[:2], box[2:], count + 2)[1:-1].astype(np.float32)
    labels = np.full(count, Label.VISIBLE, np.uint8)
    made = Person(xy, labels, box, (box[2] - box[0]) * (box[3] - box[1]))
    return replace(made, **changes)  # type: ignore[arg-type]


def dataset(folder: Path, people: list[list[Person]], skeleton: Any = COCO_17, **changes: object) -> PoseDataset:
    """One 200 × 160 picture of noise per list of people."""
    rng = np.random.default_rng(0)
    images = []
    for number, group in enumerate(people):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (160, 200, 3)).astype(np.uint8)).save(path)
        images.append(AnnotatedImage(path, (200, 160), tuple(group), number, **changes))  # type: ignore[arg-type]
    return PoseDataset("noise", skeleton, tuple(images))


SMALL = PackSettings(side=64)


def test_a_square_holds_its_person_and_everybody_else_in_it(tmp_path: Path) -> None:
    made = pack(dataset(tmp_path, [[person((60, 40, 100, 120)), person((90, 50, 130, 110))]]), COCO_17, SMALL)
    assert made.pixels.shape == (2, 64, 64, 3)
    # Box (60, 40, 100, 120): the square has side 1.6 · 80 = 128 about (80, 80), so one packed pixel is two.
    expected = (np.array([(60, 40), (100, 120)]) - (80 - 64, 80 - 64)) / 2 - 0.5
    np.testing.assert_allclose(made.boxes[0, 0].reshape(2, 2), expected, atol=1e-4)
    assert made.focus[:, 0].all()
    assert not made.focus[:, 1:].any()
    assert (made.labels[0, 1] == Label.VISIBLE).sum() == 17
    assert (made.labels[:, 2:] == Label.ABSENT).all()


def test_pixels_lie_where_keypoints_say(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[person((40, 40, 140, 140))]])
    picture = np.zeros((160, 200, 3), np.uint8)
    spots = data.images[0].people[0].keypoints.round().astype(int)
    for x, y in spots[::4]:
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    Image.fromarray(picture).save(data.images[0].path)
    made = pack(data, COCO_17, PackSettings(side=160))
    for x, y in made.keypoints[0, 0, ::4].round().astype(int):
        assert made.pixels[0, y, x, 0] > 150


def test_whole_pictures_are_padded_squares(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[person((60, 40, 100, 120)), person((90, 50, 130, 110))], [person((0, 0, 10, 10))]])
    made = pack(data, COCO_17, PackSettings(cut="pictures", side=100))
    # The second picture's only person is too small to be worth it.
    assert len(made) == 1
    assert made.focus[0, :2].all()
    np.testing.assert_allclose(made.boxes[0, 0], np.array([60, 40 + 20, 100, 120 + 20]) / 2 - 0.5, atol=1e-4)


def test_what_lies_outside_the_picture_is_its_edge_or_a_given_grey(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[person((100, 20, 180, 140))]])
    Image.fromarray(np.full((160, 200, 3), 200, np.uint8)).save(data.images[0].path)
    assert (pack(data, COCO_17, SMALL).pixels == 200).all()
    black = pack(data, COCO_17, PackSettings(side=64, outside=0)).pixels[0]
    # The square has side 192 about (140, 80): it begins 16 pixels above the picture, which is a twelfth of it.
    assert (black[:4] == 0).all()
    assert (black[7:56, :40] == 200).all()


def test_other_skeletons_leave_unknown_joints_unlabelled(tmp_path: Path) -> None:
    made = pack(dataset(tmp_path, [[person((40, 40, 140, 140), 14)]], LSP_14), COCO_17, SMALL)
    nose, wrist = COCO_17.index("nose"), COCO_17.index("left_wrist")
    assert made.labels[0, 0, nose] == Label.UNLABELLED
    assert made.labels[0, 0, wrist] == Label.VISIBLE
    assert np.isnan(made.keypoints[0, 0, nose]).all()


def test_joints_outside_the_square_are_absent_and_crowds_are_ignored(tmp_path: Path) -> None:
    far = person((0, 0, 199, 159))
    crowd = person((150, 20, 199, 60), crowd=True)
    made = pack(dataset(tmp_path, [[person((60, 60, 110, 100)), far, crowd]]), COCO_17, SMALL)
    assert len(made) == 2
    absent = made.labels[0, 1] == Label.ABSENT
    assert 0 < absent.sum() < 17
    assert np.isnan(made.keypoints[0, 1][absent]).all()
    assert np.isfinite(made.ignore[1, 0]).all()
    assert not made.focus[:, 2].any()


def test_people_beyond_the_limit_become_ignore_regions(tmp_path: Path) -> None:
    group = [person((60 + step, 40, 110 + step, 120)) for step in range(4)]
    made = pack(dataset(tmp_path, [group]), COCO_17, PackSettings(side=64, max_people=2))
    assert made.labels.shape[1] == 2
    assert np.isfinite(made.ignore[0]).all(1).sum() == 2


@pytest.mark.parametrize("kept", [1, 3, 12])
def test_nobody_in_a_crowd_is_learnt_as_background(tmp_path: Path, kept: int) -> None:
    """However many people a square holds: where a labelled joint lies, it is learnt as one or nothing is learnt."""
    corners = [(x, y) for x in range(0, 190, 25) for y in range(0, 150, 30)]
    group = [person((x, y, x + 9, y + 24)) for x, y in corners]
    settings = PackSettings(side=160, cut="pictures", min_size=1, max_people=kept)
    made = pack(dataset(tmp_path, [group]), COCO_17, settings)
    drawn = draw_batch((made,), np.zeros((1, 2), np.intp), AugmentSettings.none(1.0), 161, np.random.default_rng(0))
    _, truth = compose(drawn, COCO_17.flip_permutation)
    unknown = truth.unknown(1)[0].numpy()
    taught = {tuple(spot) for spot in truth.keypoints[0][truth.labelled[0]].round().int().tolist()}
    to_input = drawn.layers[0].to_input[0].numpy()
    scale = 160 / 200
    for one in group:
        xy = ((one.keypoints + 0.5 + (0, 20)) * scale - 0.5) @ to_input[:, :2].T + to_input[:, 2]
        for joint, (x, y) in enumerate(xy.round().astype(int)):
            if (x, y) in taught or not (0 <= x < 161 and 0 <= y < 161):
                continue
            assert unknown[joint, y, x], (joint, x, y)
    assert not unknown.all()


def test_joints_outside_the_box_are_part_of_the_person(tmp_path: Path) -> None:
    """Somebody whose box lies beside the square but whose arm reaches into it is not background there."""
    reaching = person((150, 60, 190, 100))
    xy = reaching.keypoints.copy()
    xy[0] = (105, 80)
    group = [person((60, 60, 110, 100)), replace(reaching, keypoints=xy)]
    made = pack(dataset(tmp_path, [group]), COCO_17, SMALL)
    assert (made.labels[0, 1] == Label.VISIBLE).sum() == 1
    (tight,) = pack(dataset(tmp_path, [group]), COCO_17, PackSettings(side=64, max_people=1)).ignore[0]
    assert tight[0] <= made.keypoints[0, 1, 0, 0] <= tight[2]


def test_packs_are_kept_and_made_anew_when_labels_change(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[person((60, 40, 100, 120))]])
    first = pack(data, COCO_17, SMALL, tmp_path / "packs")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "packs").glob("*/*")}
    again = pack(data, COCO_17, SMALL, tmp_path / "packs")
    assert isinstance(again.pixels, np.memmap)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.keypoints, again.keypoints)
    assert files == {path: path.stat().st_mtime_ns for path in files}
    moved = replace(data, images=(replace(data.images[0], people=(person((62, 40, 102, 120)),)),))
    assert not np.array_equal(pack(moved, COCO_17, SMALL, tmp_path / "packs").keypoints, first.keypoints)
    assert len([path for path in (tmp_path / "packs").iterdir() if path.is_dir()]) == 2


def test_unreadable_pictures_are_reported_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(tmp_path, [[person((60, 40, 100, 120))], [person((60, 40, 100, 120))]])
    data.images[0].path.write_bytes(b"no picture")
    made = pack(data, COCO_17, SMALL, tmp_path / "packs")
    assert len(made) == len(made.labels) == 1
    assert "0.png is left out" in caplog.text
    data.images[1].path.write_bytes(b"no picture either")
    with pytest.raises(DataError, match=r"None of the pictures of the 2 people could be read.*0\.png"):
        pack(data, COCO_17, SMALL)


def test_held_out_pictures_are_those_of_held_out_cut_outs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where pictures that cannot be read have no cut-outs, and whether or not packed arrays are kept."""
    data = dataset(tmp_path, [[person((60, 40, 100, 120))] for _ in range(10)])
    for number in (0, 1, 2, 9):
        data.images[number].path.unlink()
    packed = pack(data, COCO_17, SMALL, tmp_path / "kept" / "packs")
    kept, held = hold_out(TrainingSet((packed,), (1.0,)), 0.5)
    monkeypatch.setattr("posecore.training.data.read_source", lambda *_: data)
    source = {"annotations": "any.json", "pack": SMALL.model_dump()}
    config = tiny("held", data={"train": [source], "holdout": 0.5})
    for cache in ("kept", "empty"):
        found = validation_pictures(config, tmp_path / cache)
        assert [image.image_id for image in found] == [6, 7, 8]
    assert (len(kept.packs[0]), len(held.packs[0])) == (3, 3)


def test_missing_pictures_and_those_of_another_size_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = dataset(tmp_path, [[person((60, 40, 100, 120)), person((20, 40, 60, 120))] for _ in range(3)])
    data.images[0].path.unlink()
    Image.new("RGB", (400, 320)).save(data.images[2].path)
    made = pack(data, COCO_17, SMALL, tmp_path / "packs")
    assert len(made) == 2
    assert caplog.text.count("0.png is left out") == 1
    assert "400 × 320 pixels, its labels are for 200 × 160" in caplog.text


def test_nothing_to_pack_is_an_error_that_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"17 keypoints and 10 pixels\. Lower min_keypoints or min_size"):
        pack(dataset(tmp_path, [[person((0, 0, 10, 10))]]), COCO_17, SMALL)
    with pytest.raises(DataError, match="label some people first"):
        pack(dataset(tmp_path, [[]]), COCO_17, SMALL)


def test_square_around() -> None:
    assert square_around_box((10, 20, 30, 60), 1.5) == (-10, 10, 50, 70)


def test_inside_a_turned_quadrilateral_in_either_direction() -> None:
    diamond = torch.tensor([(4.0, 0.0), (8.0, 4.0), (4.0, 8.0), (0.0, 4.0)])
    rows, columns = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")
    expected = (rows - 4).abs() + (columns - 4).abs() <= 4
    assert torch.equal(inside(diamond, (9, 9)), expected)
    assert torch.equal(inside(diamond.flip(0), (9, 9)), expected)
    assert torch.equal(inside(diamond, (5, 5), 2), expected[::2, ::2])
    assert not inside(torch.full((4, 2), torch.nan), (9, 9)).any()


def fake_pack(count: int, side: int = 32) -> Pack:
    labels = np.full((count, 1, 17), Label.VISIBLE, np.uint8)
    xy = np.full((count, 1, 17, 2), 15, np.float32)
    boxes = np.tile(np.array([8, 8, 24, 24], np.float32), (count, 1, 1))
    pixels = np.zeros((count, side, side, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    return Pack(pixels, xy, labels, boxes, np.ones((count, 1), bool), np.full((count, 1, 4), np.nan, np.float32))


def test_an_epoch_shows_every_cut_out_as_often_as_asked() -> None:
    training = TrainingSet((fake_pack(10), fake_pack(6)), (1.0, 2.5))
    items = training.items(np.random.default_rng(0))
    assert len(items) == len(training) == 10 + 15
    counts = {(pack, row): int((items == (pack, row)).all(1).sum()) for pack, row in set(map(tuple, items))}
    assert all(counts[0, row] == 1 for row in range(10))
    assert sorted(counts[1, row] for row in range(6)) == [2, 2, 2, 3, 3, 3]


def test_so_few_people_shown_so_rarely_that_nobody_is_are_refused(tmp_path: Path) -> None:
    made = pack(dataset(tmp_path, [[person((60, 40, 100, 120))]]), COCO_17, SMALL)
    with pytest.raises(DataError, match="raise repeat"):
        EpochBatches(TrainingSet((made,), (0.3,)), AugmentSettings.none(), EpochPlan(65, 8, seed=3, epoch=0))


def test_processes_share_an_epoch_without_overlap() -> None:
    training = TrainingSet((fake_pack(16),), (1.0,))
    still = AugmentSettings.none()
    alone = EpochBatches(training, still, EpochPlan(65, 8, seed=3, epoch=2))
    shared = [EpochBatches(training, still, EpochPlan(65, 4, 3, 2, rank, 2)) for rank in range(2)]
    assert len(alone) == len(shared[0]) == len(shared[1]) == 2
    for step in range(2):
        together = np.concatenate([part.items[step] for part in shared])
        assert {tuple(item) for item in together} == {tuple(item) for item in alone.items[step]}
    assert not np.array_equal(alone.items[0], EpochBatches(training, still, EpochPlan(65, 8, 3, 3)).items[0])


def test_held_out_cut_outs_are_not_trained_on() -> None:
    training = TrainingSet((fake_pack(20),), (1.0,))
    kept, held = hold_out(training, 0.1)
    shown = {int(value) for value in kept.packs[0].pixels[:, 0, 0, 0]}
    assert shown == set(range(18))
    assert {int(value) for value in held.packs[0].pixels[:, 0, 0, 0]} == {18, 19}
    assert hold_out(training, 0.0)[1].packs == ()
