"""Files that are broken or mean harm: an error in words for each, and nothing written outside the folder given."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from posecore.data.annotations import PoseDataset
from posecore.data.archives import ZipLimits, unpack_zip
from posecore.data.checks import EntryError
from posecore.data.coco import read_coco
from posecore.data.dataloop import read_dataloop
from posecore.data.detect import open_dataset
from posecore.data.resolving import PathResolver
from posecore.data.yolo import read_yolo
from posecore.errors import DataError

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

odd_numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(),
    st.integers(10**300, 10**310),
    st.just(-1),
    st.booleans(),
)
odd_values = st.recursive(
    st.one_of(st.none(), odd_numbers, st.text(max_size=8), st.sampled_from(["../../etc/x", "/etc/x", "a\0b", "a.png"])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (64, 48)).save(folder / "a.png")
    return folder


def coco() -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48, "ignore": []}],
        "annotations": [
            {
                "id": 1, "image_id": 1, "category_id": 1, "keypoints": [3, 4, 2, 8, 9, 1], "bbox": [1, 2, 10, 20],
                "area": 90.0, "iscrowd": 0, "absent": [],
            }
        ],
        "categories": [{"id": 1, "name": "stick", "keypoints": ["top", "end"], "skeleton": [[1, 2]]}],
    }  # fmt: skip


def item() -> dict[str, Any]:
    def point(name: str, x: float) -> dict[str, Any]:
        coordinates, system = {"x": x, "y": 4.0, "z": 0}, {"parentId": "p"}
        return {
            "type": "point", "label": name, "coordinates": coordinates, "attributes": ["visible"],
            "metadata": {"system": system},
        }  # fmt: skip

    corners = [{"x": 1.0, "y": 1.0}, {"x": 30.0, "y": 30.0}]
    pose = {"id": "p", "type": "pose", "label": "person", "coordinates": {"templateId": "t", "instanceId": "i"}}
    box = {"type": "box", "label": "person", "coordinates": corners, "metadata": {"system": {"parentId": "p"}}}
    return {
        "filename": "/a.png",
        "metadata": {"system": {"width": 64, "height": 48}},
        "annotations": [pose, box, point("top", 3.0), point("end", 9.0)],
    }


def spots(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested data."""
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(spot for key, value in below for spot in spots(value, (*path, key)))]


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    data[path[0]] = put(data[path[0]], path[1:], value)
    return data


def _is_sentence(error: DataError) -> None:
    assert str(error).endswith(".")


def _is_empty_but_for(folder: Path, name: str) -> None:
    assert everything_in(folder) == {name}


def read_or_refuse(read: Callable[[], PoseDataset]) -> PoseDataset | None:
    """A set with sound values, or a sentence; anything else is a fault."""
    try:
        dataset = read()
    except DataError as error:
        _is_sentence(error)
        return None
    for image in dataset:
        assert image.image_id >= 0
        assert min(image.size) > 0
        for person in image.people:
            assert np.isfinite(person.keypoints[person.labelled]).all()
            assert np.isnan(person.keypoints[~person.labelled]).all()
            assert np.isfinite([*person.box, person.area]).all()
            assert person.area > 0
    assert all(str(problem) for problem in dataset.problems)
    return dataset


@FEW
@given(st.data())
def test_any_value_anywhere_in_coco(pictures: Path, data: st.DataObject) -> None:
    content = coco()
    for _ in range(data.draw(st.integers(1, 2))):
        content = put(content, data.draw(st.sampled_from(spots(content))), data.draw(odd_values))
    (pictures / "coco.json").write_text(json.dumps(content))
    for with_pictures in (True, False):
        read_or_refuse(lambda: read_coco(pictures / "coco.json", pictures, pictures=with_pictures))  # noqa: B023


@FEW
@given(
    st.dictionaries(st.sampled_from(["bbox", "area", "iscrowd", "num_keypoints", "keypoints", "absent"]), odd_values)
)
def test_any_odd_field_of_a_person_keeps_them_or_ignores_their_place(pictures: Path, fields: dict[str, Any]) -> None:
    content = coco()
    content["annotations"][0].update(fields)
    (pictures / "odd.json").write_text(json.dumps(content))
    dataset = read_or_refuse(lambda: read_coco(pictures / "odd.json", pictures))
    assert dataset is not None
    (image,) = dataset
    if fields.get("keypoints", True):
        assert len(image.people) == 1 or (len(image.ignore) == dataset.ignored == 1)
    if "keypoints" not in fields:
        assert image.people[0].keypoints.tolist() == [[3, 4], [8, 9]]


@FEW
@given(st.data())
def test_any_value_anywhere_in_dataloop(pictures: Path, data: st.DataObject) -> None:
    content = item()
    for _ in range(data.draw(st.integers(1, 2))):
        content = put(content, data.draw(st.sampled_from(spots(content))), data.draw(odd_values))
    (pictures / "item.json").write_text(json.dumps(content))
    for with_pictures in (True, False):
        read_or_refuse(lambda: read_dataloop(pictures / "item.json", pictures, pictures=with_pictures))  # noqa: B023


@pytest.fixture(scope="module")
def yolo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yolo")
    for name in ("images", "labels"):
        (folder / "train" / name).mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(folder / "train" / "images" / "a.png")
    return folder


@FEW
@given(st.lists(st.one_of(st.floats().map(str), st.integers().map(str), st.text(max_size=5)), max_size=13))
def test_any_words_in_yolo_labels(yolo_folder: Path, words: list[str]) -> None:
    (yolo_folder / "data.yaml").write_text("kpt_shape: [2, 3]\nnames: [stick]\ntrain: train/images\n")
    (yolo_folder / "train" / "labels" / "a.txt").write_text(" ".join(words), "utf-8", errors="replace")
    read_or_refuse(lambda: read_yolo(yolo_folder))


@FEW
@given(st.dictionaries(st.sampled_from(["kpt_shape", "names", "flip_idx", "kpt_names", "train", "nc"]), odd_values))
def test_any_value_in_data_yaml(yolo_folder: Path, changes: dict[str, Any]) -> None:
    content = {"kpt_shape": [2, 3], "names": ["stick"], "train": "train/images", **changes}
    (yolo_folder / "data.yaml").write_text(json.dumps(content))
    (yolo_folder / "train" / "labels" / "a.txt").write_text("0 .5 .5 .2 .4 .5 .5 2 .4 .4 1\n")
    read_or_refuse(lambda: read_yolo(yolo_folder / "data.yaml"))


@FEW
@given(st.binary(max_size=60))
def test_any_bytes(pictures: Path, content: bytes) -> None:
    for name in ("any.json", "any.yaml"):
        (pictures / name).write_bytes(content)
        read_or_refuse(lambda: open_dataset(pictures / name, images=pictures))  # noqa: B023


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((("annotations", 0, "keypoints"), [1, 2, 2]), "must have 6 numbers, not 3"),
        ((("annotations", 0, "image_id"), [1]), "whole number from 0"),
        ((("annotations", 0, "image_id"), 9), "there is no image 9"),
        ((("annotations", 0), "text"), "an object with named fields"),
        ((("images", 0, "file_name"), "../../etc/x"), "is missing"),
        ((("images", 0, "file_name"), "..\\..\\etc\\x"), "is missing"),
        ((("images", 0, "file_name"), "/etc/x"), "is missing"),
        ((("images", 0, "file_name"), "C:/x.png"), "is missing"),
        ((("images", 0, "file_name"), "n" * 5000), "is missing"),
        ((("images", 0, "id"), None), "whole number from 0"),
    ],
)
def test_broken_coco_entries_are_named(pictures: Path, change: tuple[Any, Any], reason: str) -> None:
    (pictures / "broken.json").write_text(json.dumps(put(coco(), *change)))
    dataset = read_coco(pictures / "broken.json", pictures)
    problem = dataset.problems[0]
    assert problem.place == f"{change[0][0]}[0]"
    assert reason in problem.reason
    assert dataset.people == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        ('{"images": ' + "9" * 5000 + "}", "too long"),
        ("[]", "an object with named fields"),
        ('{"images": [], "annotations": []}', "no category"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x1f\x8b\x08\x00", "packed by gzip"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: str | bytes, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=reason) as caught:
        read_coco(path)
    assert str(path) in str(caught.value)


def test_yaml_aliases_and_sizes_are_refused(yolo_folder: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))
    for content, reason in (
        (bomb + "kpt_shape: *h\n", "aliases"),
        ("kpt_shape: [1000000000, 3]\n", "number of keypoints"),
        ("kpt_shape: [2, 4]\n", "2 or 3"),
    ):
        (yolo_folder / "bomb.yaml").write_text(content)
        with pytest.raises(DataError, match=reason):
            read_yolo(yolo_folder / "bomb.yaml")


def test_data_yaml_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "secret" / "a.png")
    (tmp_path / "set").mkdir()
    for entry in (str(tmp_path / "secret"), "../secret", "..\\secret"):
        (tmp_path / "set" / "data.yaml").write_text(json.dumps({"kpt_shape": [2, 3], "train": entry}))
        dataset = read_yolo(tmp_path / "set")
        assert len(dataset) == 0
        assert "there is no folder" in dataset.problems[0].reason


odd_parts = [
    "..",
    ".",
    "/",
    "\\",
    "C:",
    "%2e%2e",
    "%2F",
    "file://",
    "?d=",
    "secret",
    "set",
    "a.png",
    "b.PNG",
    "\0",
    "~",
]
odd_names = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(odd_parts), max_size=8).map("".join),
    st.lists(st.sampled_from(["..", "secret", "set", "a.png", "x"]), max_size=6).map("/".join),
)


@FEW
@given(st.lists(odd_names, max_size=4))
def test_any_names_stay_in_the_set(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    for place in (folder / "secret", folder / "set" / "x"):
        place.mkdir(parents=True)
        (place / "a.png").touch()
    resolver = PathResolver(folder / "set")
    for found in resolver.resolve_all([[name] for name in names]):
        assert isinstance(found, EntryError) or found == folder / "set" / "x" / "a.png"
    for name in names:
        assert resolver.nominal(name).is_relative_to(folder / "set")
        where = resolver.folder(name)
        assert where is None or where in (folder / "set", folder / "set" / "x")
        assert resolver.listing(name) is None


# --- zips ------------------------------------------------------------------------------------------------------------


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return path


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/tmp/x", "..\\x", "C:\\x", "C:x"])
def test_zip_entries_that_lead_out(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good.txt": b"1", name: b"2"})
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack_zip(archive, tmp_path / "in" / "out")
    assert everything_in(tmp_path) <= {"a.zip", "in"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_zip_links_and_devices(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        link = zipfile.ZipInfo("link")
        link.external_attr = (kind | 0o777) << 16
        opened.writestr(link, "/etc")
        opened.writestr("link/x", "2")
    with pytest.raises(DataError, match="link or special file, 'link'"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")
    assert everything_in(tmp_path) == {"a.zip"}


def test_zip_bombs(tmp_path: Path) -> None:
    bomb = make_zip(tmp_path / "a.zip", {"zeros": bytes(30 * 1024**2)})
    with pytest.raises(DataError, match="times its size"):
        unpack_zip(bomb, tmp_path / "out")
    with pytest.raises(DataError, match="more than allowed"):
        unpack_zip(bomb, tmp_path / "out", ZipLimits(bytes=1000))
    many = make_zip(tmp_path / "b.zip", {str(number): b"" for number in range(50)})
    with pytest.raises(DataError, match="holds 50 files, more than the 20"):
        unpack_zip(many, tmp_path / "out", ZipLimits(files=20))
    assert everything_in(tmp_path) == {"a.zip", "b.zip"}


def test_zip_that_declares_less_than_it_holds(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"zeros": bytes(5000)})
    content = bytearray(archive.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = (10).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be unpacked|more than it declares"):
        unpack_zip(archive, tmp_path / "out")
    assert everything_in(tmp_path) == {"a.zip"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_with_one_name_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("x", "1")
        opened.writestr("x", "2")
    with pytest.raises(DataError, match="two entries of one name: x"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")
    assert everything_in(tmp_path) == {"a.zip"}


@FEW
@given(st.binary(max_size=400), st.integers(0, 300), st.integers(0, 255))
def test_damaged_zips(tmp_path_factory: pytest.TempPathFactory, noise: bytes, position: int, value: int) -> None:
    folder = tmp_path_factory.mktemp("zip")
    sound = bytearray(make_zip(folder / "a.zip", {"a/b.txt": b"text" * 9, "c.json": b"{}"}).read_bytes())
    sound[position % len(sound)] = value
    for content in (noise, bytes(sound), bytes(sound[: len(sound) // 2])):
        (folder / "a.zip").write_bytes(content)
        try:
            unpack_zip(folder / "a.zip", folder / "out")
        except DataError as error:
            _is_sentence(error)
            _is_empty_but_for(folder, "a.zip")
        else:
            assert all((folder / name).resolve().is_relative_to(folder) for name in everything_in(folder))
            for path in sorted((folder / "out").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()


def test_a_zip_of_labels_opens(tmp_path: Path, pictures: Path, home: Path) -> None:
    content = {"set/labels.json": json.dumps(coco()).encode(), "set/a.png": (pictures / "a.png").read_bytes()}
    archive = make_zip(tmp_path / "a.zip", content)
    for _ in range(2):  # the second time from what is unpacked already
        dataset = open_dataset(archive)
        assert dataset.people == 1
        assert dataset.images[0].path.is_relative_to(home)
    assert open_dataset(archive, unpack_to=tmp_path / "here").images[0].path.is_relative_to(tmp_path / "here")
