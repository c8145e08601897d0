"""LMDBs of OpenPose's training, written here byte by byte and read back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from posecore.cli.data import app
from posecore.data.annotations import Label
from posecore.data.checks import EntryError
from posecore.data.detect import open_dataset
from posecore.data.library import Library
from posecore.data.openpose_lmdb.record import read_record
from posecore.data.regions import regions_of
from posecore.errors import DataError, MissingExtraError
from posecore.imaging import read_image

#: COCO's visibility of each flag that the records use.
_LABELS = {0: Label.HIDDEN, 1: Label.VISIBLE, 2: Label.UNLABELLED}


@dataclass
class Somebody:
    """A person as the JSON files have them from which CMU's records were written."""

    joints: list[list[float]]
    centre: tuple[float, float]
    scale: float


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def datum(planes: NDArray[np.uint8]) -> bytes:
    """A serialised ``caffe.Datum`` of ``(C, H, W)`` bytes."""
    channels, height, width = planes.shape
    head = b"".join(bytes([field << 3]) + _varint(value) for field, value in enumerate((channels, height, width), 1))
    return head + bytes([4 << 3 | 2]) + _varint(planes.size) + planes.tobytes() + bytes([5 << 3, 0])


def written(
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    people: Sequence[Somebody],
    number: int = 0,
    total: int = 50,
    *,
    validation: int = 0,
    newer: bool = False,
    name: bytes = b"COCO",
) -> bytes:
    """A record as the scripts of CMU lay it out."""
    height, width = picture.shape[:2]
    padded = max(width, 128 if newer else 80)
    main, *others = people
    rows = [
        name,
        struct.pack("<ff", height, width),
        (b"" if newer else bytes([validation]))
        + bytes([len(others), 1])
        + struct.pack("<fff", number // 2 + 1, number, total),
        struct.pack("<ff", *main.centre),
        struct.pack("<f", main.scale),
        *(struct.pack("<17f", *column) for column in zip(*main.joints, strict=True)),
    ]
    if others:
        rows += [struct.pack("<ff", *other.centre) for other in others]
        rows.append(struct.pack(f"<{len(others)}f", *(other.scale for other in others)))
        for other in others:
            rows += [struct.pack("<17f", *column) for column in zip(*other.joints, strict=True)]
    planes = np.zeros((5 if newer else 6, height, padded), np.uint8)
    planes[:3] = 128
    planes[:3, :, :width] = picture[..., ::-1].transpose(2, 0, 1)
    for at, row in enumerate(rows):
        planes[3, at, : len(row)] = list(row)
    planes[4, :, :width] = mask
    return datum(planes)


def somebody(rng: np.random.Generator, size: tuple[int, int]) -> Somebody:
    flags = rng.choice(3, 17)
    flags[0] = 1
    joints = np.column_stack([rng.uniform(0, np.array(size) - 1, (17, 2)).round(3), flags])
    joints[flags == 2, :2] = 0
    middle = joints[flags != 2, :2].mean(0).round(3)
    return Somebody(joints.tolist(), (float(middle[0]), float(middle[1])), round(float(rng.uniform(0.1, 0.3)), 3))


def scene(seed: int, people: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[Somebody]]:
    """A picture, its mask with a rectangle of nobody's people, and the people."""
    rng = np.random.default_rng(seed)
    width, height = int(rng.integers(60, 140)), int(rng.integers(60, 120))
    mask = np.full((height, width), 255, np.uint8)
    mask[4:14, 6:26] = 0
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return picture, mask, [somebody(rng, (width, height)) for _ in range(people)]


@pytest.fixture
def make_lmdb(tmp_path: Path) -> Callable[[Sequence[bytes]], Path]:
    lmdb = pytest.importorskip("lmdb")

    def make(records: Sequence[bytes]) -> Path:
        place = tmp_path / "lmdb_coco"
        with lmdb.open(str(place), map_size=2**26) as opened, opened.begin(write=True) as transaction:
            for number, record in enumerate(records):
                transaction.put(f"{number:07d}".encode(), record)
        return place

    return make


@pytest.mark.parametrize("newer", [False, True])
def test_fifty_records_are_read_as_they_were_written(
    home: Path, make_lmdb: Callable[[Sequence[bytes]], Path], newer: bool
) -> None:
    scenes = [scene(seed, 1 + seed % 4) for seed in range(50)]
    place = make_lmdb([written(*one, number, newer=newer) for number, one in enumerate(scenes)])
    dataset = open_dataset(place)
    assert not dataset.problems
    assert len(dataset) == 50
    for image, (picture, _, people) in zip(dataset, scenes, strict=True):
        np.testing.assert_array_equal(read_image(image.path), picture)
        assert image.ignore == ((6.0, 4.0, 26.0, 14.0),)
        assert len(image.people) == len(people)
        for person, wanted in zip(image.people, people, strict=True):
            joints = np.array(wanted.joints)
            assert person.labels.tolist() == [_LABELS[int(flag)] for flag in joints[:, 2]]
            np.testing.assert_allclose(person.keypoints[person.labelled], joints[person.labelled, :2], atol=1e-3)
            x0, y0, x1, y1 = person.box
            assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(wanted.centre, abs=2e-3)
            assert y1 - y0 == pytest.approx(368 * wanted.scale, abs=2e-3)
            assert x0 <= joints[person.labelled, 0].min() + 0.5 + 2e-3


def test_a_picture_of_several_records_is_one(home: Path, make_lmdb: Callable[[Sequence[bytes]], Path]) -> None:
    picture, mask, (first, second, third) = scene(1, 3)
    other = scene(2, 1)
    records = [
        written(picture, mask, [first, second, third], 0, 3),
        written(*other, 1, 3, validation=1),
        written(picture, mask, [second, first, third], 2, 3),
    ]
    dataset = open_dataset(make_lmdb(records))
    assert [(len(image.people), image.split) for image in dataset] == [(3, "train"), (1, "val")]
    assert len(dataset.images[0].ignore) == 1


def test_broken_records_are_said_and_the_rest_is_kept(home: Path, make_lmdb: Callable[[Sequence[bytes]], Path]) -> None:
    good = written(*scene(3, 2))
    place = make_lmdb([good, good[:100], b"", written(*scene(4, 1), name=b"MPI"), written(*scene(5, 1), 7, 5)])
    stored = Library().add("openpose", place)
    assert len(stored.dataset()) == 1
    assert stored.origin == "LMDB of OpenPose"
    reasons = [problem.reason for problem in stored.problems]
    assert len(reasons) == 4
    assert "cut off" in reasons[0]
    assert "'MPI'" in reasons[2]
    assert "counts" in reasons[3]
    result = CliRunner().invoke(app, ["inspect", str(place)])
    assert result.exit_code == 1
    assert "record 0000001" in result.output.replace("\n", " ")


def test_what_is_no_lmdb_gets_a_sentence(home: Path, make_lmdb: Callable[[Sequence[bytes]], Path]) -> None:
    place = make_lmdb([written(*scene(6, 1))])
    whole = (place / "data.mdb").read_bytes()
    for content in (whole[: len(whole) // 2], b"no database", b""):
        (place / "data.mdb").write_bytes(content)
        with pytest.raises(DataError, match=r"cut off|cannot be read as LMDB"):
            open_dataset(place)


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.mdb").write_bytes(b"x")
    monkeypatch.setattr("posecore.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'posecore\[lmdb\]'"):
        open_dataset(tmp_path, unpack_to=tmp_path / "out")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_records_are_read_or_refused(data: st.DataObject) -> None:
    record = bytearray(written(*scene(7, 2)))
    plane = (len(record) - 10) // 6
    for _ in range(data.draw(st.integers(1, 30))):
        # The head of the message, or the metadata behind three planes.
        at = data.draw(st.one_of(st.integers(0, 14), st.integers(3 * plane, 4 * plane)))
        record[at] = data.draw(st.integers(0, 255))
    try:
        found = read_record(memoryview(record), lambda what: None)
    except EntryError:
        return
    assert all(np.isfinite(person.keypoints[person.labelled]).all() for person in found.people)


def test_boxes_cover_a_mask_and_little_else() -> None:
    mask = np.zeros((200, 300), bool)
    mask[10:190, 20:40] = mask[100:120, 20:280] = True
    found = np.zeros_like(mask)
    for x0, y0, x1, y1 in regions_of(mask):
        found[int(y0) : int(y1), int(x0) : int(x1)] = True
    assert found[mask].all()
    assert found.sum() < 1.5 * mask.sum()
    assert regions_of(np.zeros((5, 5), bool)) == ()
