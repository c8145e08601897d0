"""Fields of labelled pictures made by workers: those of one process, kept, gone on with, and without bad pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset, Problem
from posecore.data.pictures import read_labelled
from posecore.evaluation.field_sets import FieldFolder, FieldSet, alike, keep_fields
from posecore.evaluation.predictions import Protocol, predict
from posecore.imaging import picture_id
from posecore.skeleton import COCO_17
from posecore.spreading.field_sets import Asked, FieldsOrder, spread_fields
from posecore.spreading.packing import settled
from posecore.spreading.workers import Processes, Workers
from tests.spreading_support import HereWorkers, small_model

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = small_model()
NETWORKS = [settled(MODEL, {"input_size": side}) for side in (65, 97)]


@pytest.fixture
def images(tmp_path: Path) -> list[AnnotatedImage]:
    rng = np.random.default_rng(1)
    seen = np.full(17, Label.VISIBLE, np.uint8)
    made = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save(path)
        joints = rng.uniform(10, 80, (17, 2)).astype(np.float32)
        made.append(AnnotatedImage(path, (120, 90), (Person(joints, seen, (10, 10, 80, 80), 4900.0),), number))
    return made


class Spread:
    """Fields of pictures by workers, and what these were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.rounds = 0

    def __call__(self, images: list[AnnotatedImage], protocol: Protocol = "full") -> list[FieldSet]:
        return spread_fields(MODEL, images, protocol, NETWORKS, self._workers, device="cpu", folder=self.folder)

    def _workers(self, order: FieldsOrder, most: int) -> Workers[Any, Any]:
        self.rounds += 1
        workers = HereWorkers(order)
        work = workers.work

        def noted(asked: Sequence[Asked], /) -> Any:
            answers = work(asked)
            lists = [answer for answer in answers if isinstance(answer, list)]
            self.made += [key for answer in lists for key, fields in answer if fields is not None]
            return answers

        workers.work = noted
        return workers


def same(sets: list[FieldSet], others: list[FieldSet]) -> bool:
    """Whether the sets are of the same views, with the same values to the last bit."""
    pairs = [pair for one, other in zip(sets, others, strict=True) for pair in zip(one, other, strict=True)]
    return bool(pairs) and all(
        (a.image is b.image, a.person, a.region) == (True, b.person, b.region)
        and x.provenance.key == y.provenance.key
        and all(m.values.tobytes() == n.values.tobytes() for m, n in zip(x.maps, y.maps, strict=True))
        for (a, x), (b, y) in pairs
    )


@pytest.mark.parametrize("protocol", ["crops", "full"])
def test_workers_make_the_fields_of_one_process(
    images: list[AnnotatedImage], tmp_path: Path, protocol: Protocol
) -> None:
    alone = [keep_fields(MODEL, images, protocol, one, folder=tmp_path / "alone") for one in NETWORKS]
    spread = Spread(tmp_path / "spread")
    assert same(spread(images, protocol), alone)
    assert len(spread.made) == 20
    names = [sorted(file.name for file in (tmp_path / one).iterdir()) for one in ("alone", "spread")]
    assert names[0] == names[1], "one process finds what workers made"


def test_processes_do_too(images: list[AnnotatedImage], tmp_path: Path) -> None:
    alone = [keep_fields(MODEL, images, "full", one, folder=tmp_path / "alone") for one in NETWORKS]
    told: list[int] = []
    spread = spread_fields(
        MODEL, images, "full", NETWORKS, lambda order, most: Processes(order, 2, most), device="cpu",
        folder=tmp_path / "spread", advance=lambda: told.append(1),
    )  # fmt: skip
    assert same(spread, alone)
    assert len(told) == 20


def test_going_on_makes_what_is_missing_or_damaged(images: list[AnnotatedImage], tmp_path: Path) -> None:
    first = Spread(tmp_path / "spread")
    whole = first(images)
    files = sorted(first.folder.glob("*.npz"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:1000])
    again = Spread(tmp_path / "spread")
    assert same(again(images), whole)
    assert sorted(again.made) == [files[0].stem, files[1].stem]
    assert again.rounds == 2
    nothing = Spread(tmp_path / "spread")
    nothing(images)
    assert (nothing.made, nothing.rounds) == ([], 1)


def test_what_was_done_when_a_run_ended_is_kept(
    images: list[AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Spread(tmp_path / "spread")
    work = FieldsOrder._answer

    def killed(self: FieldsOrder, model: Any, asked: Asked) -> Any:
        if asked.network:
            raise KeyboardInterrupt
        return work(self, model, asked)

    with monkeypatch.context() as patch:
        patch.setattr(FieldsOrder, "_answer", killed)
        with pytest.raises(KeyboardInterrupt):
            ended(images)
    kept = {file.stem for file in ended.folder.glob("*.npz")}
    assert kept
    again = Spread(tmp_path / "spread")
    again(images)
    assert len(again.made) == 20 - len(kept)
    assert not kept & set(again.made)


def test_a_bad_picture_is_left_out_of_every_set(
    images: list[AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images[3].path.write_bytes(b"no picture")
    work = FieldsOrder._answer

    def failing(self: FieldsOrder, model: Any, asked: Asked) -> Any:
        if (asked.image, asked.network) == (5, 1):
            raise ValueError("too much for this input")
        return work(self, model, asked)

    monkeypatch.setattr(FieldsOrder, "_answer", failing)
    for kept in Spread(tmp_path / "spread")(images):
        assert [view.image.image_id for view, _ in kept] == [0, 1, 2, 4, 6, 7, 8, 9]
        assert [one.file for one in kept.problems] == [images[3].path, images[5].path]
        assert "too much for this input" in kept.problems[1].reason


def fail_on(image: AnnotatedImage, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the network fail on one picture at one size of its input."""
    name, fields = picture_id(read_labelled(image)), MODEL.fields

    def failing(pictures: Any, region: Any = None, *, picture: Any = None, **network: Any) -> Any:
        if name in picture and network["input_size"] == size:
            raise ValueError("too much for this input")
        return fields(pictures, region, picture=picture, **network)

    monkeypatch.setattr(MODEL, "fields", failing)


def test_one_process_leaves_a_bad_picture_out_of_every_set_too(
    images: list[AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images[3].path.write_bytes(b"no picture")
    fail_on(images[5], NETWORKS[1]["input_size"], monkeypatch)
    place = FieldFolder(tmp_path / "alone")
    first, second = (keep_fields(MODEL, images, "full", one, folder=place) for one in NETWORKS)
    assert (len(first), len(second)) == (9, 8)
    for kept in alike([first, second]):
        assert [view.image.image_id for view, _ in kept] == [0, 1, 2, 4, 6, 7, 8, 9]
        assert [one.file for one in kept.problems] == [images[3].path, images[5].path]
        assert "too much for this input" in kept.problems[1].reason


@pytest.mark.parametrize("protocol", ["crops", "full"])
def test_evaluating_goes_on_after_a_picture_that_the_network_fails_on(
    images: list[AnnotatedImage], monkeypatch: pytest.MonkeyPatch, protocol: Protocol
) -> None:
    fail_on(images[5], NETWORKS[0]["input_size"], monkeypatch)
    problems: list[Problem] = []
    dataset = PoseDataset("drawn", COCO_17, tuple(images))
    found = predict(MODEL, dataset, protocol, NETWORKS[0], {}, problems=problems)
    assert [one.image.image_id for one in found] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [(one.file, one.reason) for one in problems] == [(images[5].path, "ValueError: too much for this input")]
