"""Labels of another size or orientation than their picture: put right where it is certain, else left out and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posecore.cli import app
from posecore.data.annotations import AnnotatedImage
from posecore.data.batches import PackSettings, pack
from posecore.data.crops import crop_people
from posecore.data.detect import open_dataset
from posecore.data.library import Library
from posecore.errors import DataError
from posecore.imaging import read_image
from posecore.skeleton import LSP_14

NAMES = [*LSP_14.keypoints]
#: Where joints lie in a landscape picture of 160 × 100, spread so that they do not fit it turned.
SPREAD = np.array([[20 + 9 * i, 15 + (i * 29) % 70] for i in range(14)], float)
#: The same within its middle, which fits both ways.
MIDDLE = SPREAD * [0.5, 0.9]
SIDEWAYS = (5, 6, 7, 8)


def upright_of(points: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """Centres of stored pixels as the picture is seen, by turning a picture of indices."""
    index = np.arange(size[0] * size[1]).reshape(size[1], size[0])
    way = Image.Transpose
    method = {2: way.FLIP_LEFT_RIGHT, 3: way.ROTATE_180, 4: way.FLIP_TOP_BOTTOM}
    method |= {5: way.TRANSPOSE, 6: way.ROTATE_270, 7: way.TRANSVERSE, 8: way.ROTATE_90}
    turned = np.asarray(Image.fromarray(index.astype(np.int32)).transpose(method[orientation]))
    at = [np.argwhere(turned == index[int(y), int(x)])[0][::-1] for x, y in points]
    return np.array(at, float)


def dotted(path: Path, points: np.ndarray, size: tuple[int, int] = (160, 100), orientation: int = 1) -> None:
    """A picture with a bright dot of 3 × 3 at each of the (stored) points."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in np.rint(points).astype(int):
        pixels[y - 1 : y + 2, x - 1 : x + 2] = 255
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def labels(folder: Path, *entries: tuple[str, tuple[int, int], np.ndarray]) -> Path:
    """COCO labels: file name, width and height beside them, and joints."""
    images, annotations = [], []
    for number, (name, (width, height), points) in enumerate(entries, 1):
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        keypoints = np.column_stack([points, np.full(len(points), 2)]).ravel().tolist()
        low, high = points.min(0) - 5, points.max(0) + 5
        box = [*low.tolist(), *(high - low).tolist()]
        entry = {"id": number, "image_id": number, "category_id": 1, "keypoints": keypoints, "bbox": box, "area": 2000}
        annotations.append(entry)
    categories = [{"id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}]
    path = folder / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def on_dots(image: AnnotatedImage, inside: bool = True) -> int:
    """How many joints lie on a bright dot of the picture as it is seen."""
    pixels = read_image(image.path)
    assert image.size == pixels.shape[1::-1]
    points = np.rint(image.people[0].keypoints).astype(int)
    x0, y0, x1, y1 = image.people[0].box
    assert ((points >= [x0, y0]) & (points <= [x1, y1])).all()
    return int(sum(pixels[y, x, 0] > 128 for x, y in points))


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("says_upright", [False, True])
def test_labels_of_stored_pixels_are_turned(orientation: int, says_upright: bool, tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD, orientation=orientation)
    found = open_dataset(labels(tmp_path, ("a.png", (100, 160) if says_upright else (160, 100), SPREAD)))
    assert on_dots(found.images[0]) == 14
    assert not found.problems
    assert [remark.count for remark in found.remarks] == [1]
    assert "EXIF" in found.remarks[0].what


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("says_stored", [False, True])
def test_labels_of_the_picture_as_it_is_seen_stay(orientation: int, says_stored: bool, tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD, orientation=orientation)
    seen = upright_of(SPREAD, (160, 100), orientation)
    found = open_dataset(labels(tmp_path, ("a.png", (160, 100) if says_stored else (100, 160), seen)))
    assert on_dots(found.images[0]) == 14
    assert (len(found.problems), len(found.remarks)) == (0, says_stored)


def test_where_labels_fit_both_ways_the_others_decide(tmp_path: Path) -> None:
    for name, points in (("a.png", SPREAD), ("b.png", MIDDLE)):
        dotted(tmp_path / name, points, orientation=6)
    alone = open_dataset(labels(tmp_path, ("b.png", (160, 100), MIDDLE)))
    assert len(alone) == 0
    assert "fit both" in alone.problems[0].reason
    together = open_dataset(labels(tmp_path, ("a.png", (160, 100), SPREAD), ("b.png", (160, 100), MIDDLE)))
    assert [on_dots(image) for image in together] == [14, 14]
    assert [remark.count for remark in together.remarks] == [2]
    seen = upright_of(SPREAD, (160, 100), 6), upright_of(MIDDLE, (160, 100), 6)
    together = open_dataset(labels(tmp_path, ("a.png", (160, 100), seen[0]), ("b.png", (160, 100), seen[1])))
    assert [on_dots(image) for image in together] == [14, 14]


@pytest.mark.parametrize("orientation", [2, 3, 4, 6])
def test_pictures_that_are_turned_into_the_same_sides_follow_the_others(orientation: int, tmp_path: Path) -> None:
    size = (160, 160) if orientation == 6 else (160, 100)
    dotted(tmp_path / "a.png", SPREAD, orientation=6)
    dotted(tmp_path / "b.png", SPREAD, size, orientation)
    seen = upright_of(SPREAD, size, orientation)
    stored = open_dataset(labels(tmp_path, ("a.png", (160, 100), SPREAD), ("b.png", size, SPREAD)))
    assert [on_dots(image) for image in stored] == [14, 14]
    upright = upright_of(SPREAD, (160, 100), 6)
    as_seen = open_dataset(labels(tmp_path, ("a.png", (100, 160), upright), ("b.png", size, seen)))
    assert [on_dots(image) for image in as_seen] == [14, 14]
    assert not as_seen.remarks
    alone = open_dataset(labels(tmp_path, ("b.png", size, seen)))
    assert on_dots(alone.images[0]) == 14
    assert "look whether they lie right" in alone.remarks[0].what


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0, 1.37])
@pytest.mark.parametrize("orientation", [1, 6])
def test_labels_of_a_scaled_copy_are_scaled(factor: float, orientation: int, tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD, orientation=orientation)
    seen, size = (SPREAD, (160, 100)) if orientation == 1 else (upright_of(SPREAD, (160, 100), 6), (100, 160))
    large = (seen + 0.5) * factor - 0.5
    found = open_dataset(labels(tmp_path, ("a.png", (round(size[0] * factor), round(size[1] * factor)), large)))
    assert on_dots(found.images[0]) == 14
    assert found.images[0].people[0].area == pytest.approx(2000 / factor**2, rel=0.02)
    assert "another size" in found.remarks[0].what


@pytest.mark.parametrize(
    ("size", "points", "reason"),
    [
        ((160, 90), SPREAD, "labelled for 160 × 90"),
        ((100, 160), upright_of(SPREAD, (160, 100), 6), "labelled for 100 × 160"),
        ((160, 100), SPREAD * 5, "outside"),
        ((800, 500), SPREAD * 20, "labelled for 800 × 500"),
    ],
)
def test_what_is_not_certain_is_left_out(size: Any, points: Any, reason: str, tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD)
    found = open_dataset(labels(tmp_path, ("a.png", size, points)))
    assert len(found) == 0
    assert reason in found.problems[0].reason


def test_width_and_height_in_each_others_place(tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD)
    found = open_dataset(labels(tmp_path, ("a.png", (100, 160), SPREAD)))
    assert on_dots(found.images[0]) == 14
    assert "each other" in found.remarks[0].what


def test_people_who_reach_beyond_a_picture_stay(tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD)
    beyond = SPREAD.copy()
    beyond[:5, 0] += 400
    found = open_dataset(labels(tmp_path, ("a.png", (160, 100), beyond)))
    assert len(found) == 1
    assert not found.problems
    assert np.array_equal(found.images[0].people[0].keypoints, beyond.astype(np.float32))


def test_every_way_in_sees_it(tmp_path: Path) -> None:
    """Training, crops, conversion, inspection and the library all have the labels on the dots."""
    dotted(tmp_path / "a.png", SPREAD, orientation=6)
    path = labels(tmp_path, ("a.png", (160, 100), SPREAD))
    packed = pack(open_dataset(path), LSP_14, PackSettings(side=200, min_size=10))
    middles = np.rint(packed.keypoints[0, 0]).astype(int)
    assert sum(packed.pixels[0][y, x, 0] > 60 for x, y in middles) == 14
    crops = crop_people(open_dataset(path), tmp_path / "crops", expand=1.5)
    assert on_dots(crops.images[0]) == 14
    stored = Library(tmp_path / "library").add("turned", path)
    assert on_dots(stored.dataset().images[0]) == 14
    assert any("EXIF" in remark.what for remark in stored.remarks)
    run = CliRunner()
    shown = run.invoke(app, ["data", "inspect", str(path)])
    assert "EXIF" in shown.output
    run.invoke(app, ["data", "convert", str(path), str(tmp_path / "yolo"), "--to", "yolo"], catch_exceptions=False)
    assert on_dots(open_dataset(tmp_path / "yolo").images[0]) == 14


def test_pictures_that_are_none_are_left_out(tmp_path: Path) -> None:
    dotted(tmp_path / "a.png", SPREAD)
    (tmp_path / "b.png").write_bytes(b"no picture")
    found = open_dataset(labels(tmp_path, ("a.png", (160, 100), SPREAD), ("b.png", (160, 100), SPREAD)))
    assert [image.path.name for image in found] == ["a.png"]
    assert "not a picture" in found.problems[0].reason
    with pytest.raises(DataError):
        Library(tmp_path / "library").add("bad", labels(tmp_path, ("b.png", (160, 100), SPREAD)))
