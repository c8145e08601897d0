"""Sets laid out and named as people have them: from other machines, other tools and other file systems."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecore.data.annotations import PoseDataset
from posecore.data.checks import EntryError
from posecore.data.detect import open_dataset
from posecore.data.folders import split_of
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
    ],
)
def test_yolo_labels_are_found(tmp_path: Path, picture_name: str, label_name: str) -> None:
    yaml = YAML.replace("images/train", str(Path(picture_name).parent))
    dataset = read_yolo(yolo(tmp_path, yaml, pictures=(picture_name,), labels={label_name: LINE}))
    assert labelled(dataset) == [4]
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
        ("kpt_shape: " + "[" * 5000, "not valid YAML: it is nested too deeply"),
    ],
)
def test_yolo_the_real_reason_is_told(tmp_path: Path, yaml: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        open_dataset(yolo(tmp_path, yaml))


# --- YOLO: what lines and fields say ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "count", "noted"),
    [
        ("0 0 0 0 0 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, False),
        ("0 nan nan nan nan .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, False),
        ("0 .5 .5 -1 .6 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", 4, False),
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
        ("0 .5 .5 .4 .6", 0, False),
        (f"{LINE}\n{LINE}", 4, False),
    ],
)
def test_yolo_odd_values_cost_no_person(tmp_path: Path, line: str, count: int, noted: bool) -> None:
    dataset = read_yolo(yolo(tmp_path, labels={"labels/train/a.txt": line}))
    assert labelled(dataset) == [count]
    assert bool(dataset.problems) == noted
    person = dataset.images[0].people[0]
    assert np.isfinite(person.box).all()


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("0 .5 .5 .5 .5 .4 .3 2 .45 .4 2", (16, 12, 48, 36)),
        ("7 .5 .5 .5 .5 .4 .3 2 .45 .4 2 .5 .5 2 .55 .6 2", (16, 12, 48, 36)),
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
        ("kpt_shape: [4, 2]", "person", False),
    ],
)
def test_yolo_fields_that_only_adorn_refuse_nothing(tmp_path: Path, changes: str, category: str, noted: bool) -> None:
    shape = "" if "kpt_shape" in changes else "kpt_shape: [4, 3]\n"
    dataset = read_yolo(yolo(tmp_path, f"train: images/train\n{shape}{changes}\n"))
    assert [person.category for image in dataset for person in image.people] == [category]
    assert labelled(dataset) == [4]
    assert bool(dataset.problems) == noted


def test_yolo_pairs_are_mirror_images(tmp_path: Path) -> None:
    dataset = read_yolo(yolo(tmp_path, YAML.replace("[1, 0, 3, 2]", "[[0, 1], [2, 3]]")))
    assert dataset.skeleton.flip_pairs == ((0, 1), (2, 3))
