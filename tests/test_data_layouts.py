"""Sets laid out and named as people have them: from other machines, other tools and other file systems."""

from __future__ import annotations

import errno
import json
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from posecore.data.annotations import PoseDataset
from posecore.data.checks import EntryError
from posecore.data.detect import UnknownLabelsError, open_dataset
from posecore.data.folders import split_of
from posecore.data.library import Library
from posecore.data.resolving import PathResolver
from posecore.data.yolo import read_yolo
from posecore.errors import DataError

LINE = "0 0.5 0.5 0.4 0.6 0.40 0.30 2 0.45 0.40 2 0.50 0.50 2 0.55 0.60 2\n"
YAML = "path: .\ntrain: images/train\nkpt_shape: [4, 3]\nflip_idx: [1, 0, 3, 2]\nnames: {0: person}\n"


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 150)).save(path, "JPEG")
    return path


def yolo(
    folder: Path,
    yaml: str = YAML,
    *,
    pictures: tuple[str, ...] = ("images/train/a.jpg",),
    labels: dict[str, str] | None = None,
    **files: str,
) -> Path:
    """A YOLO set; ``files`` are further text files by name, with _ for a dot."""
    for name in pictures:
        picture(folder / name)
    texts = {"labels/train/a.txt": LINE} if labels is None else labels
    for name, text in {"data.yaml": yaml, **texts, **{n.replace("_", "."): t for n, t in files.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def labelled(dataset: PoseDataset) -> list[int]:
    """Numbers of labelled keypoints of all people."""
    return sorted(int(person.labelled.sum()) for image in dataset for person in image.people)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "/media/disk/train/{}",
        "C:\\me\\set\\images\\{}",
        "D:{}",
        "..\\..\\media\\upload\\4\\{}",
        "../../x/../{}",
        "file:///home/me/{}",
        "https://host.example/data/{}?token=1",
        "/data/local-files/?d=folder/{}",
        "./images/{}",
        "  images//{} ",
    ],
)
@pytest.mark.parametrize("picture_name", ["my photo (1).jpg", "niño.jpg", "a%20b.JPG"])
def test_names_of_other_machines_mean_the_picture_in_the_set(tmp_path: Path, name: str, picture_name: str) -> None:
    path = picture(tmp_path / "images" / picture_name)
    assert PathResolver(tmp_path).resolve_all([[name.format(picture_name)]]) == [path]


@pytest.mark.parametrize(
    ("wanted", "here"),
    [
        ("niño.jpg", unicodedata.normalize("NFD", "niño.jpg")),
        (unicodedata.normalize("NFD", "Übung/ä.jpg"), "Übung/ä.jpg"),
        ("my%20photo%20%281%29.jpg", "my photo (1).jpg"),
        ("caf%C3%A9.jpg", unicodedata.normalize("NFD", "café.jpg")),
        ("A.JPG", "a.jpg"),
        ("my%2520photo.jpg", "my photo.jpg"),
        ("my+photo.jpg", "my photo.jpg"),
        ("a.jpg#t=3", "a.jpg"),
        ("a&amp;b.jpg", "a&b.jpg"),
        ("'a.jpg'", "a.jpg"),
        ("Screenshot 10.30\u202fAM.jpg", "Screenshot 10.30 AM.jpg"),
        ("upload/3f2a9c1b-a.jpg", "a.jpg"),
        ("a.jpeg", "a.jpg"),
        ("a", "a.jpg"),
    ],
)
def test_names_that_are_only_spelled_differently(tmp_path: Path, wanted: str, here: str) -> None:
    path = picture(tmp_path / here)
    assert PathResolver(tmp_path).resolve_all([[wanted]]) == [path]


def test_a_picture_outside_the_set_is_never_meant(tmp_path: Path) -> None:
    secret = picture(tmp_path / "secret" / "a.jpg")
    (tmp_path / "set").mkdir()
    picture(tmp_path / "set" / "b.jpg")
    names = [
        str(secret),
        "../secret/a.jpg",
        "..%2Fsecret%2Fa.jpg",
        "%2e%2e/secret/a.jpg",
        "..\\secret\\a.jpg",
        "a\0.jpg",
    ]
    for found in PathResolver(tmp_path / "set").resolve_all([[name] for name in names]):
        assert isinstance(found, EntryError)
        assert "is missing" in str(found)


def test_what_could_be_several_pictures_is_said(tmp_path: Path) -> None:
    for name in ("one/a.jpg", "two/a.jpg", "three/b.png"):
        picture(tmp_path / name)
    ambiguous, by_folder, other_format = PathResolver(tmp_path).resolve_all([["/x/a.jpg"], ["/x/two/a.jpg"], ["b.jpg"]])
    assert "could be any of 2, one/a.jpg or two/a.jpg" in str(ambiguous)
    assert by_folder == tmp_path / "two" / "a.jpg"
    assert "is missing" in str(other_format)


def test_one_picture_is_not_given_to_two_names(tmp_path: Path) -> None:
    path = picture(tmp_path / "s1" / "a.jpg")
    here, gone = PathResolver(tmp_path).resolve_all([["s1/a.jpg"], ["s2/a.jpg"]])
    assert here == path
    assert "what s1/a.jpg means" in str(gone)
    one, other = PathResolver(tmp_path).resolve_all([["x/a.jpg"], ["y/a.jpg"]])
    assert isinstance(one, EntryError)
    assert isinstance(other, EntryError)


@pytest.mark.parametrize("names", [["11111111-a.jpg", "22222222-a.jpg"], ["22222222-a.jpg", "a.jpg"]])
def test_names_that_are_read_another_way_do_not_share_a_picture(tmp_path: Path, names: list[str]) -> None:
    path = picture(tmp_path / "a.jpg")
    found = PathResolver(tmp_path).resolve_all([[name] for name in names])
    assert [one == path for one in found] == [False, "a.jpg" in names]


def test_a_picture_of_another_split_is_not_meant(tmp_path: Path) -> None:
    picture(tmp_path / "val2017" / "a.jpg")
    assert isinstance(PathResolver(tmp_path).resolve_all([["/data/train2017/a.jpg"]])[0], EntryError)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("person_keypoints_train2017", "train"),
        ("instances-val", "val"),
        ("valid", "val"),
        ("Test", "test"),
        ("train_val", None),
        ("latest", None),
        ("images", None),
    ],
)
def test_splits_that_names_say(name: str, split: str | None) -> None:
    assert split_of(name) == split


# --- YOLO: where things are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "/root/data/me/images/train/a.jpg",
        "data/images/train/a.jpg",
        "../set/images/train/a.jpg",
        "C:\\me\\images\\train\\a.jpg",
        "./images/train/a.jpg",
        "images/train/a.jpg\r",
        "\ufeffimages/train/a.jpg",
    ],
)
def test_yolo_lists_of_other_machines(tmp_path: Path, line: str) -> None:
    yaml = YAML.replace("images/train", "train.txt")
    dataset = read_yolo(yolo(tmp_path, yaml, train_txt=f"{line}\n"))
    assert labelled(dataset) == [4]
    assert [image.split for image in dataset] == ["train"]


@pytest.mark.parametrize(
    ("file", "path", "train", "base"),
    [
        ("ds/data.yaml", ".", "images/train", "ds"),
        ("cfg/data.yaml", "..", "images/train", "."),
        ("cfg/data.yaml", "", "../images/train", "."),
        ("data.yaml", "ds", "images/train", "ds"),
        ("data.yaml", "ds", "train.txt", "ds"),
        ("data.yaml", "/somewhere/else/ds", "images/train", "ds"),
        ("data.yaml", "C:/else", "images\\train", "."),
        ("data.yaml", "", "/kaggle/input/ds/images/train/", "ds"),
    ],
)
def test_yolo_wherever_its_yaml_is(tmp_path: Path, file: str, path: str, train: str, base: str) -> None:
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "other.txt").write_text("words")
    yolo(tmp_path / base, train_txt="images/train/a.jpg\n")
    (tmp_path / base / "data.yaml").unlink()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    entry = f"path: '{path}'\n" if path else ""
    (tmp_path / file).write_text(f"{entry}train: {train}\nkpt_shape: [4, 3]\n")
    dataset = open_dataset(tmp_path)
    assert labelled(dataset) == [4]
    assert not dataset.problems


@pytest.mark.parametrize(
    ("picture_name", "label_name"),
    [
        ("Images/train/a.jpg", "Labels/train/a.txt"),
        ("images/train/a.jpg", "labels/train/a.TXT"),
        ("images/train/A.JPG", "labels/train/a.txt"),
        ("train/a.jpg", "train/a.txt"),
        ("train/a.jpg", "train/labels/a.txt"),
        ("train/a.jpg", "labels/train/a.txt"),
        ("images/train/a.jpg", "annotations/a.txt"),
        (f"images/train/{unicodedata.normalize('NFD', 'ä')}.jpg", "labels/train/ä.txt"),
        ("train/a.b.jpg", "train/a.b.txt"),
        ("images/train/a.jpg", "labels/train/a.jpg.txt"),
    ],
)
def test_yolo_labels_are_found(tmp_path: Path, picture_name: str, label_name: str) -> None:
    yaml = YAML.replace("images/train", str(Path(picture_name).parent))
    dataset = read_yolo(yolo(tmp_path, yaml, pictures=(picture_name,), labels={label_name: LINE}))
    assert labelled(dataset) == [4]
    assert not dataset.problems


def test_yolo_labels_elsewhere_go_by_the_folders_they_share(tmp_path: Path) -> None:
    yaml = "train: images/train\nval: images/val\nkpt_shape: [4, 3]\n"
    labels = {"txt/train/a.txt": LINE, "txt/val/a.txt": LINE.replace("0.55 0.60 2", "0 0 0")}
    dataset = read_yolo(yolo(tmp_path, yaml, pictures=("images/train/a.jpg", "images/val/a.jpg"), labels=labels))
    assert [(image.split, labelled(replace(dataset, images=(image,)))) for image in dataset] == [
        ("train", [4]),
        ("val", [3]),
    ]
    assert not dataset.problems


def test_yolo_pictures_whose_labels_were_not_exported_wait(tmp_path: Path) -> None:
    yaml = YAML + "val: images/val\n"
    dataset = read_yolo(yolo(tmp_path, yaml, pictures=("images/train/a.jpg", "images/val/b.jpg", "images/val/c.jpg")))
    assert [(problem.place, problem.reason) for problem in dataset.problems] == [
        ("val", "none of 2 pictures has a label file in labels/val; they wait for labels")
    ]
    assert [image.ignore for image in dataset] == [(), ((0, 0, 64, 48),), ((0, 0, 64, 48),)]


def test_yolo_pictures_of_nobody_beside_labelled_ones(tmp_path: Path) -> None:
    dataset = read_yolo(yolo(tmp_path, pictures=("images/train/a.jpg", "images/train/nobody.jpg")))
    assert [(len(image.people), image.ignore) for image in dataset] == [(1, ()), (0, ())]
    assert not dataset.problems


def test_yolo_each_picture_is_in_one_split(tmp_path: Path) -> None:
    pictures = ("images/a.jpg", "images/val/b.jpg")
    yaml = "train: images\nval: images/val\ntest: images\nkpt_shape: [4, 3]\n"
    labels = {"labels/a.txt": LINE, "labels/val/b.txt": LINE}
    dataset = read_yolo(yolo(tmp_path, yaml, pictures=pictures, labels=labels))
    assert sorted((image.path.name, image.split) for image in dataset) == [("a.jpg", "train"), ("b.jpg", "val")]
    assert {problem.place for problem in dataset.problems} == {"train", "test"}


def test_yolo_without_any_entry_is_one_set(tmp_path: Path) -> None:
    dataset = read_yolo(
        yolo(tmp_path, "kpt_shape: [4, 3]\n", pictures=("images/a.jpg",), labels={"labels/a.txt": LINE})
    )
    assert [(image.split, len(image.people)) for image in dataset] == [(None, 1)]


def test_yolo_descriptions_of_networks_are_passed_over(tmp_path: Path) -> None:
    yolo(tmp_path, a_yaml="kpt_shape: [17, 3]\nbackbone: []\nhead: []\n")
    (tmp_path / "data.yaml").rename(tmp_path / "set.yml")
    assert labelled(open_dataset(tmp_path)) == [4]


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        ('train: "C:\\Users\\me"\nkpt_shape: [4, 3]\n', "not valid YAML.*escape.*line 1.*Windows paths"),
        ("train: [\nkpt_shape: [4, 3]\n", "not valid YAML"),
        ("train: images\nnames: [x]\n", "has no kpt_shape; write"),
        ("kpt_shape: " + "[" * 5000, "not valid YAML: it is nested too deeply"),
    ],
)
def test_yolo_the_real_reason_is_told(tmp_path: Path, yaml: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        open_dataset(yolo(tmp_path, yaml))


def test_yolo_several_sets_are_not_mixed_up(tmp_path: Path) -> None:
    for name in ("one", "two"):
        yolo(tmp_path / name)
    with pytest.raises(DataError, match=r"several sets, one/data.yaml and two/data.yaml; name the folder of one"):
        open_dataset(tmp_path)


# --- YOLO: what lines and fields say ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "count", "noted"),
    [
        ("0 0 0 0 0 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, True),
        ("0 nan nan nan nan .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, True),
        ("0 .5 .5 -1 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, True),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 nan nan 0", 3, False),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 None None 0", 3, False),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 -9 -9 0", 3, False),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 nan .6 2", 3, True),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 9.6 2", 3, True),
        ("0 .5 .5 .4 .6 .4 .3 .45 .4 .5 .5 .55 .6", 4, False),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2 .93", 4, False),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2 .93 7", 4, False),
        ("person .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, False),
        ("0.0\t.5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2\r", 4, False),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 0 0 2", 3, True),
        ("0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 -1 -1 1", 3, True),
        ("0 .5 .5 1 1 0 0 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, False),
        ("# class cx cy w h\n0 .5 .5 .4 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, False),
        ("0,.5,.5,.4,.6,.4,.3,2,.45,.4,2,.5,.5,2,.55,.6,2", 4, False),
        ("0, .5, .5, .4, .6, .4, .3, 2, .45, .4, 2, .5, .5, 2, .55, .6, 2", 4, False),
        ("0 0,5 0,5 0,4 0,6 0,4 0,3 2 0,45 0,4 2 0,5 0,5 2 0,55 0,6 2", 4, False),
        ("0 .5 .5 .4 .6", 0, False),
        (f"{LINE}\n{LINE}", 4, True),
    ],
)
def test_yolo_odd_values_cost_no_person(tmp_path: Path, line: str, count: int, noted: bool) -> None:
    dataset = read_yolo(yolo(tmp_path, labels={"labels/train/a.txt": line}))
    assert labelled(dataset) == [count]
    assert not dataset.problems
    assert bool(dataset.remarks) == noted
    person = dataset.images[0].people[0]
    assert np.isfinite(person.box).all()


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("0 .5 .5 .5 .5 .4 .3 2 .45 .4 2", (16, 12, 48, 36)),
        ("7 .5 .5 .5 .5 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", (16, 12, 48, 36)),
        ("0 .25 .25 .75 .25 .75 .75 .25 .75", (-8, 6, 48, 36)),
        ("0 320 240 100 100 300 200 2 310 220 2 320 230 2 330 240 2", (0, 0, 64, 48)),
        ("what is this", (0, 0, 64, 48)),
    ],
)
def test_yolo_lines_left_out_are_ignored_not_background(
    tmp_path: Path, line: str, region: tuple[float, float, float, float]
) -> None:
    dataset = read_yolo(yolo(tmp_path, labels={"labels/train/a.txt": f"{LINE}{line}\n"}))
    assert labelled(dataset) == [4]
    assert dataset.images[0].ignore == (region,)
    assert [problem.place for problem in dataset.problems] == ["a.txt line 2"]


@pytest.mark.parametrize(
    ("changes", "category", "noted"),
    [
        ("names: [5]", "5", False),
        ("names: {0: 5}", "5", False),
        ("names: {'0': man}", "man", False),
        ("names: {man: 0}", "man", False),
        ("names: man", "man", False),
        ("names: [null]", "class 0", False),
        ("names: [2020-01-01]", "2020-01-01", False),
        ("nc: 1", "person", False),
        ("", "person", False),
        ("flip_idx: [[0, 1], [2, 3]]", "person", False),
        ("flip_idx: [0, 0, 1, 2]", "person", True),
        ("flip_idx: [0, 1]", "person", True),
        ("flip_idx: left", "person", True),
        ("kpt_names: [a, b]", "person", True),
        ("kpt_names: [a, b, c, a]", "person", True),
        ("kpt_names: {0: [1, 2, 3, 4]}", "person", False),
        ("kpt_shape: '4, 3'", "person", False),
        ("kpt_shape: [4.0, 3.0]", "person", False),
        ("kpt_shape: ['4', '3']", "person", False),
        ("kpt_shape: {points: 4, dims: 3}", "person", False),
        ("kpt_shape: [4]", "person", False),
        ("kpt_shape: 4", "person", False),
        ("kpt_shape: [4, 2]", "person", False),
    ],
)
def test_yolo_fields_that_only_adorn_refuse_nothing(tmp_path: Path, changes: str, category: str, noted: bool) -> None:
    shape = "" if "kpt_shape" in changes else "kpt_shape: [4, 3]\n"
    dataset = read_yolo(yolo(tmp_path, f"train: images/train\n{shape}{changes}\n"))
    assert [person.category for image in dataset for person in image.people] == [category]
    assert labelled(dataset) == [4]
    assert not dataset.problems
    assert any(remark.what.startswith(f"{changes.split(':')[0]}:") for remark in dataset.remarks) == noted


_NAMED = "kpt_names: [left_ear, right_ear, left_paw, right_paw]\n"


@pytest.mark.parametrize(
    ("fields", "pairs", "known"),
    [
        ("flip_idx: [0, 1, 2, 3]\n", (), True),
        ("flip_idx: [0, 1, 2, 3]\nroboflow: {project: x}\n", (), False),
        (f"flip_idx: [0, 1, 2, 3]\n{_NAMED}", ((0, 1), (2, 3)), True),
        ("flip_idx: '1, 0, 3, 2'\n", ((0, 1), (2, 3)), True),
        ("flip_idx: [1.0, 0.0, 3.0, 2.0]\n", ((0, 1), (2, 3)), True),
        ("flip_idx: [1, 2, 3, 0]\n", (), False),
        (_NAMED.replace("kpt_names", "keypoint_names"), ((0, 1), (2, 3)), True),
        ("kpt_names: {0: left_ear, 1: right_ear, 2: left_paw, 3: right_paw}\n", ((0, 1), (2, 3)), True),
        ("kpt_names: left_ear, right_ear, left_paw, right_paw\n", ((0, 1), (2, 3)), True),
    ],
)
def test_yolo_sides_are_never_a_guess(tmp_path: Path, fields: str, pairs: Any, known: bool) -> None:
    skeleton = read_yolo(yolo(tmp_path, f"train: images/train\nkpt_shape: [4, 3]\n{fields}")).skeleton
    assert (skeleton.flip_pairs, skeleton.sides_known) == (pairs, known)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_yolo_pictures_that_are_seen_turned_are_told(tmp_path: Path, orientation: int) -> None:
    folder = yolo(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (64, 48)).save(folder / "images/train/a.jpg", exif=exif)
    dataset = read_yolo(folder)
    assert dataset.images[0].size == ((48, 64) if orientation == 6 else (64, 48))
    assert any("EXIF" in remark.what for remark in dataset.remarks) == (orientation != 1)


def test_yolo_lines_may_begin_with_a_name_of_several_words(tmp_path: Path) -> None:
    yaml = YAML.replace("person", "tennis player")
    dataset = read_yolo(yolo(tmp_path, yaml, labels={"labels/train/a.txt": LINE.replace("0", "tennis player", 1)}))
    assert [person.category for image in dataset for person in image.people] == ["tennis player"]


def test_yolo_pairs_are_mirror_images(tmp_path: Path) -> None:
    dataset = read_yolo(yolo(tmp_path, YAML.replace("[1, 0, 3, 2]", "[[0, 1], [2, 3]]")))
    assert dataset.skeleton.flip_pairs == ((0, 1), (2, 3))


# --- COCO and Roboflow -----------------------------------------------------------------------------------------------


def coco(folder: Path, file: str, names: dict[str, str], *, labels: list[int] | None = None) -> Path:
    """A COCO file about pictures: ``names`` gives the name in the labels for each picture's path in the set.

    Args:
        folder: The set.
        file: Path of the labels in it.
        names: Path of each picture in the set → its name in the labels.
        labels: Category (1 has two keypoints, 2 has three) of each person; one with two unless given.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (path, name) in enumerate(names.items(), 1):
        picture(folder / path)
        images.append({"id": number, "file_name": name, "width": 64, "height": 48})
        for category in labels or [1]:
            joints = [4 + number, 5, 2] * (category + 1)
            entry = {"image_id": number, "category_id": category, "keypoints": joints, "bbox": [1, 2, 30, 20]}
            annotations.append({**entry, "id": len(annotations) + 1})
    categories = [
        {"id": 1, "name": "rower", "keypoints": ["head", "seat"]},
        {"id": 2, "name": "oar", "keypoints": ["grip", "middle", "blade"]},
    ]
    target = folder / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return target


@pytest.mark.parametrize(
    ("file", "pictures"),
    [
        ("annotations/person_keypoints_train2017.json", "train2017"),
        ("annotations/person_keypoints_train2017.json", "images/train2017"),
        ("annotations/person_keypoints_default.json", "images/default"),
        ("annotations/person_keypoints_Train.json", "images/Train"),
        ("annotations/train.json", "Images"),
        ("labels.json", "data"),
        ("labels.json", "img/a/b"),
        ("jsons/train.json", "pics"),
        ("anno/v1/labels.json", "images"),
        ("train/labels/labels.json", "train/photos"),
        ("a.json", "."),
    ],
)
@pytest.mark.parametrize("given", ["folder", "file", "bare name"])
def test_coco_layouts(tmp_path: Path, file: str, pictures: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = coco(tmp_path, file, {f"{pictures}/{n}.jpg": f"{n}.jpg" for n in "ab"})
    picture(tmp_path / "preview.jpg")
    monkeypatch.chdir(labels.parent)
    path = {"folder": tmp_path, "file": labels, "bare name": Path(labels.name)}[given]
    dataset = open_dataset(path)
    assert {image.path.name for image in dataset} == {"a.jpg", "b.jpg"}
    assert dataset.people == 2
    assert not dataset.problems


def test_coco_files_of_splits_keep_them(tmp_path: Path) -> None:
    """Also where both have pictures of the same names."""
    for split in ("train2017", "val2017"):
        names = {f"{split}/{number}.jpg": f"{number}.jpg" for number in (1, 2)}
        coco(tmp_path / "set", f"annotations/person_keypoints_{split}.json", names)
    stored = Library(tmp_path / "library").add("set", tmp_path / "set")
    assert stored.parts() == {"train": 2, "val": 2}
    dataset = open_dataset(tmp_path / "set")
    assert all((image.split or "") in image.path.parent.name for image in dataset)


def test_folders_of_pictures_say_splits(tmp_path: Path) -> None:
    names = {f"images/{split}/{n}.jpg": f"{split}/{n}.jpg" for split in ("train", "valid", "test") for n in "ab"}
    labels = coco(tmp_path, "annotations/all.json", names)
    for path in (tmp_path, labels):
        assert [image.split for image in open_dataset(path)] == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
    stray = coco(tmp_path, "annotations/all.json", {**names, "images/c.jpg": "c.jpg"})
    assert {image.split for image in open_dataset(stray)} == {None}


@pytest.mark.parametrize("line", ["{}.jpg", "{}", "/data/images/{}.jpg\r"])
def test_lists_say_splits(tmp_path: Path, line: str) -> None:
    """Those of pictures that are in one list; a list by itself tells nothing apart."""
    coco(tmp_path, "annotations/all.json", {f"images/{n}.jpg": f"{n}.jpg" for n in "abcd"})
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("".join(f"{line.format(n)}\n" for n in "acd"))
    assert {image.split for image in open_dataset(tmp_path)} == {None}
    (tmp_path / "ImageSets" / "val.txt").write_text("".join(f"{line.format(n)}\n" for n in "bd"))
    assert [image.split for image in open_dataset(tmp_path)] == ["train", "val", "train", None]


@pytest.mark.parametrize("layout", ["roboflow", "coco"])
def test_files_of_one_set_agree_on_a_category(tmp_path: Path, layout: str) -> None:
    for split, labels in (("train", [1, 1, 1, 1, 2]), ("valid", [1, 2, 2]), ("test", [1, 2])):
        file = f"{split}/_annotations.coco.json" if layout == "roboflow" else f"annotations/{split}.json"
        coco(tmp_path, file, {f"{split}/a.jpg": "a.jpg"}, labels=labels)
    dataset = open_dataset(tmp_path)
    assert dataset.skeleton.keypoints == ("head", "seat")
    assert dataset.people == 6
    assert sorted(str(image.split) for image in dataset) == ["test", "train", "val"]


def test_a_picture_in_several_files_is_one_picture(tmp_path: Path) -> None:
    coco(tmp_path, "a.json", {"a.jpg": "a.jpg"}, labels=[1])
    coco(tmp_path, "a (1).json", {"a.jpg": "a.jpg", "b.jpg": "b.jpg"}, labels=[1])
    dataset = open_dataset(tmp_path)
    assert sorted((image.path.name, len(image.people)) for image in dataset) == [("a.jpg", 1), ("b.jpg", 1)]
    assert "a picture that several files label" in " ".join(map(str, dataset.remarks))


def test_unreadable_labels_are_told(tmp_path: Path) -> None:
    coco(tmp_path, "a.json", {"a.jpg": "a.jpg"})
    (tmp_path / "b.json").write_text('{"images": [')
    assert [problem.file.name for problem in open_dataset(tmp_path).problems] == ["b.json"]
    (tmp_path / "a.json").write_text("")
    with pytest.raises(DataError, match=r"a.json is not valid JSON"):
        open_dataset(tmp_path)


# --- Dataloop --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/train/a.jpg", "\\train\\a.jpg", "/my%20set/train/a.jpg", "train/A.JPG", "a.jpg"])
def test_dataloop_names(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "items" / "train" / "a.jpg")
    point = {"type": "point", "label": "nose", "coordinates": {"x": 3, "y": 4}}
    (tmp_path / "json" / "train").mkdir(parents=True)
    (tmp_path / "json" / "train" / "a.json").write_text(json.dumps({"filename": name, "annotations": [point]}))
    for path in (tmp_path, tmp_path / "json"):
        assert labelled(open_dataset(path)) == [1]


def test_dataloop_items_do_not_share_a_picture(tmp_path: Path) -> None:
    picture(tmp_path / "one" / "a.jpg")
    for number, name in enumerate(("/one/a.jpg", "/two/a.jpg")):
        point = {"type": "point", "label": "nose", "coordinates": {"x": 3, "y": 4}}
        (tmp_path / f"{number}.json").write_text(json.dumps({"filename": name, "annotations": [point]}))
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 1
    assert [problem.file.name for problem in dataset.problems] == ["1.json"]


# --- what is added ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.txt", "Photos of a.jpg and b.jpg from 2020 01 02 03."),
        ("LICENSE", "free"),
        ("credits.csv", "picture,author\na.jpg,me\n"),
        ("a.txt", "a man on a bench"),
        ("camera.json", '{"iso": 100, "lens": "50 mm"}'),
        ("b.yaml", "place: here"),
        ("c.yml", "- one\n- two"),
        ("._a.jpg", "left by a Mac"),
    ],
)
def test_pictures_with_notes_wait_for_labels(tmp_path: Path, name: str, text: str) -> None:
    for stem in "ab":
        picture(tmp_path / "set" / f"{stem}.jpg")
    (tmp_path / "set" / name).write_text(text)
    stored = Library(tmp_path / "library").add("set", tmp_path / "set")
    assert (len(stored.dataset()), stored.labelled()) == (2, 0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", LINE),
        ("labels.csv", "scorer,me,me\nimages/a.jpg,1.5,2.5,3,4\n"),
        ("a.xml", "<annotation><object><bndbox/></object></annotation>"),
        ("a.json", '{"shapes": [{"label": "nose"}]}'),
        ("joints.mat", "MATLAB"),
    ],
)
def test_labels_of_unknown_formats_are_not_passed_over(tmp_path: Path, name: str, text: str) -> None:
    picture(tmp_path / "set" / "a.jpg")
    (tmp_path / "set" / name).write_text(text)
    with pytest.raises(DataError, match=rf"{name} (is|looks like) .*; .*\. To label the pictures anew, take"):
        Library(tmp_path / "library").add("set", tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("p.json", '[{"annotations": [{"result": [{"value": {"keypointlabels": ["nose"]}}]}]}]', "export the project"),
        ("v.json", '{"a.jpg": {"regions": [{"shape_attributes": {}, "region_attributes": {}}]}}', "VGG"),
        ("k.json", '[{"image_id": "a", "keypoint_annotations": {"human1": [1, 2, 1]}}]', "AI Challenger"),
        ("r.json", '[{"image_id": 1, "keypoints": [1, 2, 1], "score": 0.9}]', "evaluate --results"),
        ("mpii.mat", "MATLAB 5.0 MAT-file", "MATLAB"),
        ("labels.json.gz", "packed", "unpack it first"),
    ],
)
def test_formats_that_are_not_read_are_told(tmp_path: Path, name: str, text: str, what: str) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / name).write_text(text)
    for place in (tmp_path, tmp_path / name):
        with pytest.raises(UnknownLabelsError, match=what) as caught:
            open_dataset(place)
        assert name in str(caught.value)


def test_a_zip_among_pictures_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg")
    (tmp_path / "set" / "more.zip").write_bytes(b"PK")
    stored = Library(tmp_path / "library").add("set", tmp_path / "set")
    assert [(str(problem.file), problem.reason) for problem in stored.problems] == [
        ("more.zip", "not opened; add it by itself")
    ]


def test_pipes_and_devices_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    library = Library(tmp_path / "library")
    for path in (tmp_path / "pipe.json", Path("/dev/zero")):
        for add in (open_dataset, lambda path: library.add("set", path)):
            with pytest.raises(DataError, match="neither a folder nor an ordinary file"):
                add(path)
    coco(tmp_path, "a.json", {"a.jpg": "a.jpg"})
    for name in ("b.jpg", "data.yaml", "c.txt"):
        os.mkfifo(tmp_path / name)
    assert len(library.add("set", tmp_path).dataset()) == 1


def test_what_cannot_be_read_is_not_said_to_be_unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(tmp_path / "library")
    (tmp_path / "set").mkdir()
    real = Path.iterdir

    def denied(self: Path) -> Iterator[Path]:
        if self.name == "set":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(DataError, match="set may not be read; change its permissions"):
        library.add("set", tmp_path / "set")
    with pytest.raises(DataError, match="/ is a whole disk"):
        library.add("set", Path("/"))


# --- zips ------------------------------------------------------------------------------------------------------------


def zip_of(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target.with_suffix("")), "zip", folder))


def test_unpacked_zips_go_with_their_zip(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco(tmp_path / "set", "a.json", {"a.jpg": "a.jpg"})
    kept = home / "data"

    def folders() -> set[str]:
        return {path.name[:2] for path in kept.iterdir() if path.is_dir()}

    zips = [zip_of(tmp_path / "set", tmp_path / f"z{number}.zip") for number in range(6)]
    for archive in zips:
        assert open_dataset(archive).people == 1
    assert folders() == {f"z{number}" for number in range(6)}  # used just now
    zips[0].unlink()
    os.utime(zips[1], (1, 1))
    open_dataset(zips[5])
    assert folders() == {f"z{number}" for number in range(2, 6)}
    assert not list(kept.glob("z0*"))
    monkeypatch.setenv("POSECORE_DISK_CACHE_GB", "0")
    open_dataset(zips[5])
    assert len(folders()) == 4, "used within the hour"
    for folder in kept.iterdir():
        os.utime(folder, (1, 1))
    open_dataset(zips[5])
    assert folders() == {"z5"}
    assert [path.name[:2] for path in kept.glob("*.json")] == ["z5"]


def test_a_zip_half_unpacked_is_unpacked_anew(tmp_path: Path, home: Path) -> None:
    coco(tmp_path / "set", "a.json", {"a.jpg": "a.jpg"})
    archive = zip_of(tmp_path / "set", tmp_path / "a.zip")
    where = open_dataset(archive).images[0].path.parent
    (where / "a.json").unlink()
    where.with_name(f"{where.name}.json").unlink()
    assert open_dataset(archive).people == 1


def test_a_table_in_utf_16_is_not_passed_over_either(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg")
    (tmp_path / "set" / "labels.csv").write_text("who,images/a.jpg,1.5,2.5,3,4\n", encoding="utf-16")
    with pytest.raises(DataError, match=r"labels\.csv looks like labels of a format that is not known"):
        Library(tmp_path / "library").add("set", tmp_path / "set")
