"""Labels of every format: files that others exported, and sets written and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.coco import coco_dict, read_coco, read_roboflow
from posecore.data.dataloop import read_dataloop
from posecore.data.detect import WRITERS, Format, detect_format, open_dataset
from posecore.data.naming import mirror_pairs, skeleton_of, unnamed_skeleton
from posecore.data.pictures import picture_size
from posecore.data.synthetic import write_dataset
from posecore.data.yolo import read_yolo
from posecore.errors import DataError
from posecore.skeleton import COCO_17, LSP_14, Skeleton

FORMATS: tuple[Format, ...] = ("coco", "roboflow", "yolo", "dataloop", "webdataset")


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 150)).save(path)
    return path


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    folder = tmp_path_factory.mktemp("synthetic")
    return read_coco(write_dataset(folder, 3, seed=4, size=(320, 240)))


@pytest.fixture
def custom(tmp_path: Path) -> PoseDataset:
    """Keypoints of its own, every kind of label, a crowd, ignore regions and splits."""
    skeleton = Skeleton("bird", ("beak", "LWing", "RWing", "tail"), ((0, 3), (1, 2)), ((1, 2),))
    images = []
    for number, split in enumerate(("train", "train", "val", "test")):
        labels = np.array([Label.VISIBLE, Label.HIDDEN, Label.UNLABELLED, Label.ABSENT], np.uint8)
        xy = np.array([[10.25, 20.5], [30.125, number], [np.nan, np.nan], [np.nan, np.nan]], np.float32)
        bird = Person(xy, labels, (5.0, 1.0, 40.5, 30.25), 321.5, category="bird")
        crowd = Person(np.full_like(xy, np.nan), np.zeros(4, np.uint8), (0, 0, 9, 9), 40.0, crowd=True, category="bird")
        people = (bird, crowd) if number == 0 else (bird, replace(bird, category="bat")) if number == 1 else (bird,)
        # The same name in two folders: writers must keep the pictures apart.
        path = picture(tmp_path / "pictures" / str(number % 2) / f"{number // 2}.png")
        images.append(AnnotatedImage(path, (64, 48), people, number, ((1.0, 2.0, 3.0, 4.5),), split))
    return PoseDataset("birds", skeleton, tuple(images))


def same_people(read: PoseDataset, written: PoseDataset, atol: float = 0.01) -> None:
    """Every written person is read again, at the right place on the right picture, with the right labels."""

    def key(image: AnnotatedImage) -> tuple[Any, ...]:
        return (image.split or "train", image.people[0].keypoints[:, 1][image.people[0].labelled].tolist()[1])

    assert read.skeleton.keypoints == written.skeleton.keypoints
    assert read.skeleton.flip_pairs == written.skeleton.flip_pairs
    assert len(read) == len(written)
    for found, expected in zip(sorted(read, key=key), sorted(written, key=key), strict=True):
        assert found.size == expected.size == picture_size(found.path)
        assert len(found.people) == len(expected.people)
        for one, other in zip(found.people, expected.people, strict=True):
            assert one.labels.tolist() == other.labels.tolist()
            np.testing.assert_allclose(one.keypoints, other.keypoints, atol=atol)
            np.testing.assert_allclose(one.box, other.box, atol=atol)
            assert (one.category, one.crowd) == (other.category, other.crowd)


def without(dataset: PoseDataset, crowds: bool = True) -> PoseDataset:
    """What a format without crowds and absent keypoints keeps."""

    def of(person: Person) -> Person:
        labels = np.where(person.labels == Label.ABSENT, Label.UNLABELLED, person.labels).astype(np.uint8)
        return replace(person, labels=labels)

    images = tuple(
        replace(image, people=tuple(of(p) for p in image.people if not (p.crowd and crowds))) for image in dataset
    )
    return replace(dataset, images=images)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("pictures", ["copy", "symlink", "reencode"])
def test_synthetic_people_come_back(synthetic: PoseDataset, target: Format, pictures: str, tmp_path: Path) -> None:
    folder = WRITERS[target](synthetic, tmp_path / "out", pictures, 80)
    assert target == "webdataset" or detect_format(folder) == target
    read = open_dataset(folder, unpack_to=tmp_path / "unpacked")
    assert read.skeleton == COCO_17
    assert not read.problems
    # Drawn people have absent joints, which only our COCO keeps.
    same_people(read, synthetic if target in ("coco", "roboflow", "webdataset") else without(synthetic))
    first = next(iter(sorted(read, key=lambda image: image.path.name)))
    assert first.path.is_symlink() == (pictures == "symlink" and target != "webdataset")


@pytest.mark.parametrize("target", FORMATS)
def test_custom_keypoints_come_back(custom: PoseDataset, target: Format, tmp_path: Path) -> None:
    read = open_dataset(WRITERS[target](custom, tmp_path / "out"), unpack_to=tmp_path / "unpacked")
    expected = custom if target in ("coco", "roboflow", "webdataset") else without(custom)
    if target == "dataloop":
        same_people(replace(read, skeleton=custom.skeleton), expected)
    else:
        same_people(read, expected)
    assert {image.split for image in read} == {"train", "val", "test"}
    assert not read.problems


@pytest.mark.parametrize("target", ["coco", "roboflow", "webdataset"])
def test_coco_keeps_what_only_posecore_knows(custom: PoseDataset, target: Format, tmp_path: Path) -> None:
    read = open_dataset(WRITERS[target](custom, tmp_path / "out"), unpack_to=tmp_path / "unpacked")
    assert read.skeleton == replace(custom.skeleton, name="bird")
    assert all(image.ignore == ((1.0, 2.0, 3.0, 4.5),) for image in read)
    assert {person.area for image in read for person in image.people} == {321.5, 40.0}


def test_a_folder_with_something_in_it_is_refused(synthetic: PoseDataset, tmp_path: Path) -> None:
    picture(tmp_path / "out" / "mine.png")
    for writer in WRITERS.values():
        with pytest.raises(DataError, match="not empty"):
            writer(synthetic, tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 1


# --- genuine exports -------------------------------------------------------------------------------------------------


def test_roboflow_coco_export(reference: Path) -> None:
    file = reference / "annotations" / "roboflow_coco_keypoints.json"
    dataset = open_dataset(file, pictures=False)
    assert len(dataset) == dataset.people == 192
    assert not dataset.problems  # the dummy category 0 has no annotations
    assert len(dataset.skeleton) == 18
    assert dataset.skeleton.edges[0] == (0, 1)
    assert (dataset.skeleton.index("LHip"), dataset.skeleton.index("RHip")) in dataset.skeleton.flip_pairs
    person = dataset.images[0].people[0]
    np.testing.assert_allclose(person.keypoints[0], (2028.823, 994.706), atol=1e-3)
    assert person.area == 110939.825
    labels = np.concatenate([p.labels for image in dataset for p in image.people])
    assert np.bincount(labels).tolist() == [0, 141, 3315]


def test_roboflow_coco_export_without_its_pictures(reference: Path) -> None:
    dataset = open_dataset(reference / "annotations" / "roboflow_coco_keypoints.json")
    assert len(dataset) == 0
    assert len(dataset.problems) == 192
    assert "is missing" in dataset.problems[0].reason


def test_roboflow_original_names(reference: Path, tmp_path: Path) -> None:
    """Pictures from before the upload do, when they have the size that the labels are for."""
    data = json.loads((reference / "annotations" / "roboflow_coco_keypoints.json").read_text())
    data["images"] = data["images"][:2]
    for image in data["images"]:
        image["width"], image["height"] = 64, 36
    picture(tmp_path / data["images"][0]["extra"]["name"], (64, 36))
    picture(tmp_path / data["images"][1]["extra"]["name"], (32, 18))
    data["annotations"] = data["annotations"][:2]
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(data))
    dataset = read_roboflow(tmp_path)
    assert [image.path.name for image in dataset] == [data["images"][0]["extra"]["name"]]
    assert "not 64 × 36" in dataset.problems[0].reason


def test_roboflow_yolo_export(reference: Path) -> None:
    dataset = open_dataset(reference / "annotations" / "yolo_pose")
    assert [image.split for image in dataset] == ["train", "val", "test"]
    assert dataset.people == 4
    assert dataset.skeleton.keypoints == ("keypoint_0", "keypoint_1")
    assert not dataset.problems
    stick = dataset.images[1].people[0]
    assert stick.category == "glue"
    np.testing.assert_allclose(stick.keypoints, [(420.0, 521.67), (294.165, 345.0)], atol=0.01)
    np.testing.assert_allclose(stick.box, (280.75, 325.25, 442.25, 571.75), atol=0.01)
    assert all(image.size == (640, 640) for image in dataset)


def test_dataloop_export(reference: Path) -> None:
    dataset = open_dataset(reference / "annotations" / "dataloop", pictures=False)
    assert len(dataset) == 2
    assert dataset.skeleton.keypoints == ("fvfdvfdv",)
    assert [len(image.people) for image in dataset] == [2, 3]
    assert dataset.people == 5
    points = [p.keypoints[0].tolist() for p in dataset.images[1].people if p.labelled.any()]
    np.testing.assert_allclose(points, [(205.58, 233.08), (358.52, 238.38)], atol=0.01)
    reasons = {problem.reason for problem in dataset.problems}
    assert any(reason.startswith("5 boxes skipped: not a person") for reason in reasons)
    assert dataset.ignored == sum(len(image.ignore) for image in dataset) > 0
    assert any("already" in reason for reason in reasons)


# --- single traits ---------------------------------------------------------------------------------------------------


def coco_file(folder: Path, **changes: Any) -> Path:
    """A small valid file; ``changes`` replace top-level fields."""
    picture(folder / "a.png")
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [3, 4, 2, 0, 0, 0], "bbox": [1, 2, 10, 20]}
    data = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "stick", "keypoints": ["top", "end"], "skeleton": [[1, 2]]}],
        **changes,
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return path


def test_coco_fills_in_box_and_area(tmp_path: Path) -> None:
    entries = [
        {"image_id": 1, "category_id": 1, "keypoints": [3, 4, 2, 13, 24, 1]},
        {"image_id": 1, "category_id": 1, "keypoints": [3, 4, 2, 0, 0, 0], "bbox": [1, 2, 10, 20]},
        {"image_id": 1, "category_id": 1, "keypoints": [0] * 6},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20]},
    ]
    dataset = read_coco(coco_file(tmp_path, annotations=entries))
    first, second, third = dataset.images[0].people
    assert first.box == (3.5, 4.5, 13.5, 24.5)
    assert first.area == pytest.approx(0.53 * 200)
    assert second.labels.tolist() == [Label.VISIBLE, Label.UNLABELLED]
    assert np.isnan(second.keypoints[1]).all()
    assert not third.labelled.any()
    assert [problem.place for problem in dataset.problems] == ["annotations[2]"]


def test_coco_size_from_the_picture(tmp_path: Path) -> None:
    dataset = read_coco(coco_file(tmp_path, images=[{"id": 1, "file_name": "a.png"}]))
    assert dataset.images[0].size == (64, 48)


def test_coco_several_categories(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "objects"},
        {"id": 1, "name": "stick", "keypoints": ["top", "end"]},
        {"id": 2, "name": "rod", "keypoints": ["top", "end"]},
        {"id": 3, "name": "cross", "keypoints": ["a", "b", "c"]},
    ]
    entries = [
        {"image_id": 1, "category_id": number, "keypoints": [3, 4, 2] * (3 if number == 3 else 2), "bbox": [1, 2, x, 4]}
        for x, number in enumerate((1, 2, 2, 3, 0), 3)
    ]
    path = coco_file(tmp_path, categories=categories, annotations=entries)
    dataset = read_coco(path)
    assert [person.category for person in dataset.images[0].people] == ["stick", "rod", "rod"]
    assert {problem.place for problem in dataset.problems} == {"category 'cross'", "category 'objects'"}
    assert [person.category for person in read_coco(path, category="cross").images[0].people] == ["cross"]
    assert len(read_coco(path, category=3).skeleton) == 3
    with pytest.raises(DataError, match="no category 'ring'"):
        read_coco(path, category="ring")


def one_person(folder: Path, **fields: Any) -> PoseDataset:
    """A file with one person with two labelled keypoints, some of whose fields are others; None leaves one out."""
    entry = {
        "id": 1, "image_id": 1, "category_id": 1, "keypoints": [3, 4, 2, 8, 20, 1], "bbox": [1, 2, 10, 20],
        "area": 90.0, "iscrowd": 0, "num_keypoints": 2, **fields,
    }  # fmt: skip
    return read_coco(coco_file(folder, annotations=[{k: v for k, v in entry.items() if v != "left out"}]))


ODD_AREAS: list[Any] = [0, -3, float("nan"), float("inf"), 1e300, "large", [], True]
ODD_CROWDS: list[Any] = ["no", 2, [], float("nan")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("area", area) for area in ODD_AREAS),
        *(("bbox", value) for value in ([1, 2, 0, 20], [1, 2, 10, 0], [0, 0, 0, 0], [5, 5, -4, -4], [1, 2, 3], "box")),
        *(("bbox", value) for value in ([None] * 4, [float("nan")] * 4, {"x": 1}, 7, ["a", "b", "c", "d"])),
        ("bbox", [50, 40, 1, 1]),
        *(("iscrowd", crowd) for crowd in ODD_CROWDS),
        ("absent", [0, 9, "x"]),
    ],
)
def test_coco_an_odd_field_costs_nobody(tmp_path: Path, field: str, value: Any) -> None:
    dataset = one_person(tmp_path, **{field: value})
    person = dataset.images[0].people[0]
    assert dataset.people == 1
    assert person.labels.tolist() == [Label.VISIBLE, Label.HIDDEN]
    assert person.area == pytest.approx(90.0 if field != "area" else 0.53 * 200)
    assert person.box == ((3.5, 4.5, 8.5, 20.5) if field == "bbox" else (1, 2, 11, 22))
    assert not dataset.problems
    assert dataset.remarks
    assert not dataset.images[0].ignore


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("area", value) for value in ("left out", None, "90.0")),
        ("bbox", ["1", "2", "10", "20"]),
        ("bbox", "1, 2, 10, 20"),
        *(("iscrowd", value) for value in ("left out", None, "0", False, 0.0, "False")),
        *(("num_keypoints", value) for value in ("left out", 0, 17, "many", None)),
        ("keypoints", ["3", "4", "2", "8.0", "20", "1.0"]),
        ("keypoints", [3.0, 4.0, 2.0, 8.0, 20.0, 1.0]),
        ("keypoints", [[3, 4, 2], [8, 20, 1]]),
        ("keypoints", "3,4,2,8,20,1"),
        ("keypoints", "[[3.0, 4.0, 2.0], [8.0, 20.0, 1.0]]"),
        ("keypoints", [[[3, 4, 2], [8, 20, 1]]]),
        ("keypoints", [3, 4, "visible", 8, 20, "occluded"]),
        ("keypoints", [{"x": 3, "y": 4, "v": 2}, {"x": 8, "y": 20, "visibility": 1}]),
        ("keypoints", [{"name": "end", "x": 8, "y": 20, "v": 1}, {"name": "top", "x": 3, "y": 4, "v": 2}]),
        ("keypoints", {"End": [8, 20, 1], "top": {"x": 3, "y": 4, "v": 2}}),
        ("keypoints", {"1": [8, 20, 1], "0": [3, 4, 2]}),
        ("bbox", {"x": 1, "y": 2, "w": 10, "h": 20}),
        ("bbox", [[1, 2, 10, 20]]),
        ("bbox", [1, 2, 10, 20, 0.97]),
        *(("category_id", value) for value in ("left out", None, "1", 1.0)),
        *(("image_id", value) for value in ("1", 1.0, "0001")),
    ],
)
def test_coco_values_that_are_spelled_otherwise(tmp_path: Path, field: str, value: Any) -> None:
    dataset = one_person(tmp_path, **{field: value})
    person = dataset.images[0].people[0]
    assert person.keypoints.tolist() == [[3, 4], [8, 20]]
    assert person.labels.tolist() == [Label.VISIBLE, Label.HIDDEN]
    assert (person.box, person.crowd) == ((1, 2, 11, 22), False)
    assert not dataset.problems
    assert not dataset.remarks


V, H, U = Label.VISIBLE, Label.HIDDEN, Label.UNLABELLED


@pytest.mark.parametrize(
    ("keypoints", "labels", "odd"),
    [
        ([3, 4, 2, None, None, 0], [V, U], False),
        ([3, 4, 2, float("nan"), float("nan"), 0], [V, U], False),
        ([3, 4, 2, "x", 1e300, 0], [V, U], False),
        ([3, 4, 2, None, 5, 2], [V, U], True),
        ([3, 4, 2, float("nan"), 5, 1], [V, U], True),
        ([3, 4, 2, 10**400, 5, 1], [V, U], True),
        ([3, 4, 0.91, 8, 20, 0.2], [V, V], True),
        ([3, 4, 0.91, 8, 20, 1], [V, V], True),
        ([3, 4, 0.5, 0, 0, 0], [V, U], True),
        ([3, 4, 7, 8, 20, -1], [V, U], True),
        ([3, 4, 3, 8, 20, 1], [V, H], True),
        ([3, 4, None, 0, 0, None], [V, U], True),
        ([3, 4, True, 8, 20, False], [V, U], False),
        ([3, 4, 2, 0, 0, 2], [V, U], True),
        ([3, 4, 2, -1, -1, 1], [V, U], True),
        ([3, 4, "visible", 8, 20, "Not_Labeled"], [V, U], False),
        ([3, 4, 8, 20], [V, V], True),
        ([[3, 4], [8, 20]], [V, V], True),
        ([[3, 4, 2], None], [V, U], False),
        ([[3, 4, 2], []], [V, U], False),
        ({"top": [3, 4, 2]}, [V, U], False),
    ],
)
def test_coco_odd_keypoints_cost_no_others(tmp_path: Path, keypoints: Any, labels: Any, odd: bool) -> None:
    dataset = one_person(tmp_path, keypoints=keypoints)
    person = dataset.images[0].people[0]
    assert person.labels.tolist() == labels
    assert np.isfinite(person.keypoints).all(1).tolist() == [label != U for label in labels]
    assert not dataset.problems
    assert bool(dataset.remarks) == odd


@pytest.mark.parametrize(
    ("fields", "region"),
    [
        ({"keypoints": [3, 4, 2]}, (1, 2, 11, 22)),
        ({"keypoints": [3, 4, 2] * 3}, (1, 2, 11, 22)),
        ({"keypoints": {"head": [3, 4]}}, (1, 2, 11, 22)),
        ({"keypoints": [None, None, 2, None, None, 2]}, (1, 2, 11, 22)),
        ({"keypoints": [3, 4, 2], "bbox": [11, 22, -10, -20]}, (1, 2, 11, 22)),
        ({"keypoints": [10, 20, 2, 20, 30, 2, 0, 0, 0], "bbox": None}, (4.5, 14.5, 26.5, 36.5)),
        ({"keypoints": "unknown", "bbox": "unknown"}, (0, 0, 64, 48)),
        ({"category_id": 9, "keypoints": None}, (1, 2, 11, 22)),
    ],
)
def test_coco_people_who_cannot_be_read_are_ignored(tmp_path: Path, fields: Any, region: Any) -> None:
    dataset = one_person(tmp_path, **fields)
    assert dataset.people == 0
    assert dataset.images[0].ignore == (region,)
    assert dataset.ignored == 1
    assert dataset.problems[0].place == "annotations[0]"
    assert dataset.problems[0].reason.endswith("the place is ignored, not learnt as background")


def test_coco_a_keypoint_in_the_corner_of_the_picture_stays(tmp_path: Path) -> None:
    dataset = one_person(tmp_path, keypoints=[0, 0, 2, 8, 20, 1], bbox=[0, 0, 10, 20])
    assert dataset.images[0].people[0].labels.tolist() == [V, H]


@pytest.mark.parametrize(("number", "referred"), [(-7, -7), (2**80, 2**80), (1.5, 1.5), (1e20, 1e20), ("-7", -7)])
def test_coco_ids_of_any_size(tmp_path: Path, number: Any, referred: Any) -> None:
    image = {"id": number, "file_name": "a.png", "width": 64, "height": 48}
    person = {"image_id": referred, "category_id": 1, "keypoints": [3, 4, 2, 8, 20, 1]}
    assert read_coco(coco_file(tmp_path, images=[image], annotations=[person])).people == 1


@pytest.mark.parametrize("category", [0, 2, "stick", [1]])
def test_coco_the_only_category_is_meant_by_any_id(tmp_path: Path, category: Any) -> None:
    dataset = one_person(tmp_path, category_id=category)
    assert labelled_counts(dataset) == [2]
    assert "the only one there is" in str(dataset.remarks[0])
    unlabelled = one_person(tmp_path, category_id=category, keypoints=None)
    assert unlabelled.people == 0
    assert unlabelled.images[0].ignore == ((1, 2, 11, 22),)


def labelled_counts(dataset: PoseDataset) -> list[int]:
    return [int(person.labelled.sum()) for image in dataset for person in image.people]


_STICK = {"id": 1, "name": "stick", "keypoints": ["left_end", "right_end"]}


@pytest.mark.parametrize(
    "categories",
    [
        _STICK,
        {"1": {"name": "stick", "keypoints": ["left_end", "right_end"]}},
        [{**_STICK, "keypoints": {"0": "left_end", "1": "right_end"}}],
        [{**_STICK, "keypoints": {"right_end": 1, "left_end": 0}}],
        [{**_STICK, "keypoints": [{"id": 1, "name": "left_end"}, {"id": 2, "name": "right_end"}]}],
        [_STICK, _STICK],
    ],
)
def test_coco_names_of_keypoints_are_found(tmp_path: Path, categories: Any) -> None:
    dataset = read_coco(coco_file(tmp_path, categories=categories))
    assert dataset.skeleton.keypoints == ("left_end", "right_end")
    assert dataset.skeleton.flip_pairs == ((0, 1),)
    assert dataset.people == 1
    assert not dataset.problems


def test_coco_boxes_of_two_corners(tmp_path: Path) -> None:
    def person(x: int, box: list[float]) -> dict[str, Any]:
        return {"image_id": 1, "category_id": 1, "keypoints": [x, 10, 2, x + 3, 20, 2], "bbox": box}

    corners = [person(40, [36, 5, 50, 30]), person(6, [2, 6, 12, 44])]
    dataset = read_coco(coco_file(tmp_path, annotations=corners))
    assert [one.box for one in dataset.images[0].people] == [(36, 5, 50, 30), (2, 6, 12, 44)]
    assert "two corners" in str(dataset.remarks[0])
    # One that cannot be corners: the others only reach beyond the picture.
    sides = [*corners, person(30, [25, 5, 10, 30])]
    dataset = read_coco(coco_file(tmp_path, annotations=sides))
    assert [one.box[2] for one in dataset.images[0].people] == [86, 14, 35]


@pytest.mark.parametrize(
    ("bbox", "box"), [([0.25, 0.25, 0.5, 0.5], (16, 12, 48, 36)), ([10, 10, 40, 30], (10, 10, 50, 40)), (None, None)]
)
def test_coco_keypoints_that_are_parts_of_the_picture(tmp_path: Path, bbox: Any, box: Any) -> None:
    dataset = one_person(tmp_path, keypoints=[0.25, 0.5, 2, 0.5, 0.75, 1], bbox=bbox, area="left out")
    person = dataset.images[0].people[0]
    assert person.keypoints.tolist() == [[16, 24], [32, 36]]
    assert person.box == (box or (16.5, 24.5, 32.5, 36.5))
    assert any("parts of the picture" in remark.what for remark in dataset.remarks)


@pytest.mark.parametrize(
    ("fields", "regions"),
    [
        ({"ignore_regions_x": [[5, 9, 7]], "ignore_regions_y": [[1, 1, 8]]}, ((5, 1, 9, 8),)),
        ({"ignore_regions_x": [5, 9], "ignore_regions_y": [1, 8]}, ((5, 1, 9, 8),)),
        ({"ignore_regions_x": [], "ignore_regions_y": [], "is_labeled": True}, ()),
        ({"is_labeled": False}, ((0, 0, 64, 48),)),
    ],
)
def test_posetrack_says_where_people_are_not_labelled(tmp_path: Path, fields: Any, regions: Any) -> None:
    image = {"id": 1, "file_name": "a.png", "width": 64, "height": 48, **fields}
    assert read_coco(coco_file(tmp_path, images=[image], annotations=[])).images[0].ignore == regions


@pytest.mark.parametrize(
    "fields",
    [
        {"coco_url": "http://images.example/val/a.png"},
        {"path": "/datasets/a.png"},
        {"file_name": None, "name": "a.png"},
    ],
)
def test_coco_pictures_are_named_by_other_fields_too(tmp_path: Path, fields: Any) -> None:
    image = {"id": 1, "width": 64, "height": 48, **fields}
    assert len(read_coco(coco_file(tmp_path, images=[image]))) == 1


def test_coco_other_categories_are_ignored_but_not_within_people(tmp_path: Path) -> None:
    categories = [
        {"id": 1, "name": "stick", "keypoints": ["top", "end"]},
        {"id": 2, "name": "boxed"},
        {"id": 3, "name": "cross", "keypoints": ["a", "b", "c"]},
    ]
    stick = {"image_id": 1, "category_id": 1, "keypoints": [3, 4, 2, 9, 9, 2], "bbox": [1, 2, 20, 20]}
    boxes = [(2, [40, 5, 9, 9]), (2, [3, 4, 5, 5]), (2, None), (3, [3, 4, 6, 6])]
    entries = [stick, stick, *({"image_id": 1, "category_id": number, "bbox": box} for number, box in boxes)]
    dataset = read_coco(coco_file(tmp_path, categories=categories, annotations=entries))
    assert dataset.people == 1
    assert dataset.images[0].ignore == ((40, 5, 49, 14), (3, 4, 9, 10))
    assert {problem.place: problem.ignored for problem in dataset.problems} == {
        "category 'boxed'": 1,
        "category 'cross'": 1,
    }
    assert [str(remark) for remark in dataset.remarks] == ["a person who stands twice; read once (1 ×)"]


def test_coco_ids_that_two_pictures_share(tmp_path: Path) -> None:
    for name in ("b.png", "c.png"):
        picture(tmp_path / name)
    rows = [(1, "a.png"), ("1", "b.png"), ("c-7", "c.png"), ("c-7", "c.png")]
    people = [
        {"image_id": number, "category_id": 1, "keypoints": [3, 4, 2, x, 9, 2]}
        for x, number in enumerate((1, 1.0, "c-7"), 8)
    ]
    images = [{"id": number, "file_name": name, "width": 64, "height": 48} for number, name in rows]
    dataset = read_coco(coco_file(tmp_path, images=images, annotations=people))
    assert [(image.path.name, len(image.people)) for image in dataset] == [("c.png", 1)]
    assert dataset.images[0].image_id > 1
    assert [problem.place for problem in dataset.problems] == ["images[0]", "images[1]"]
    assert "cannot be told" in dataset.problems[0].reason
    assert [remark.count for remark in dataset.remarks] == [1]


def test_coco_a_picture_under_two_ids_has_the_people_of_both(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": "a.png", "width": 64, "height": 48} for number in (3, 4)]
    people = [
        {"id": x, "image_id": number, "category_id": 1, "keypoints": [3, 4, 2, x, 9, 2]}
        for x, number in enumerate((3, 4, 4), 8)
    ]
    dataset = read_coco(coco_file(tmp_path, images=images, annotations=people))
    assert [(image.image_id, len(image.people)) for image in dataset] == [(3, 3)]
    assert len(dataset.remarks) == 1


@pytest.mark.parametrize(
    ("category", "skeleton"),
    [
        ({"name": 5}, ("5", ("top", "end"), ((0, 1),))),
        ({"name": None}, ("category 1", ("top", "end"), ((0, 1),))),
        ({"id": "1"}, ("stick", ("top", "end"), ((0, 1),))),
        ({"keypoints": ["leg", "leg"]}, ("stick", ("leg", "leg_2"), ((0, 1),))),
        ({"keypoints": [1, None]}, ("stick", ("1", "keypoint_1"), ((0, 1),))),
        ({"keypoints": "top, end"}, ("stick", ("top", "end"), ((0, 1),))),
        ({"skeleton": [["top", "end"]]}, ("stick", ("top", "end"), ((0, 1),))),
        ({"skeleton": [[0, 1]]}, ("stick", ("top", "end"), ((0, 1),))),
        ({"skeleton": [["1", 2.0], [1, 9], [1], "x", [1, 1]]}, ("stick", ("top", "end"), ((0, 1),))),
        ({"skeleton": None}, ("stick", ("top", "end"), ())),
        ({"skeleton": "none"}, ("stick", ("top", "end"), ())),
        ({"posecore": {"flip_pairs": [[0, 0]]}}, ("stick", ("top", "end"), ((0, 1),))),
    ],
)
def test_coco_an_odd_category_costs_nobody(tmp_path: Path, category: Any, skeleton: Any) -> None:
    entry = {"id": 1, "name": "stick", "keypoints": ["top", "end"], "skeleton": [[1, 2]], **category}
    dataset = read_coco(coco_file(tmp_path, categories=[entry]))
    assert dataset.people == 1
    found = dataset.skeleton
    assert (found.name, found.keypoints, found.edges) == skeleton


def test_coco_is_found_with_pictures_elsewhere(tmp_path: Path) -> None:
    coco_file(tmp_path / "set" / "annotations")
    (tmp_path / "set" / "annotations" / "a.png").rename(picture(tmp_path / "set" / "images" / "a.png"))
    (tmp_path / "set" / "annotations" / "captions.json").write_text('{"images": [], "annotations": []}')
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 1
    assert "no category" in dataset.problems[0].reason


def test_yolo_without_visibility_and_with_lists(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "train" / "a.png", (100, 50))
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 .5 .5 .2 .4 .5 .5 0 0\n")
    (tmp_path / "labels" / "train" / "lost.txt").write_text("0 .5 .5 .2 .4 .5 .5 0 0\n")
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 2]\ntrain: [/somewhere/else/images/train]\nnames: {0: rod}\n")
    dataset = read_yolo(tmp_path)
    person = dataset.images[0].people[0]
    assert person.labels.tolist() == [Label.VISIBLE, Label.UNLABELLED]
    assert person.keypoints[0].tolist() == [50, 25]
    assert person.box == pytest.approx((40, 15, 60, 35))
    assert [problem.place for problem in dataset.problems] == ["lost.txt"]


def test_yolo_seventeen_keypoints_without_names_are_coco(tmp_path: Path) -> None:
    flip = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    picture(tmp_path / "train" / "images" / "a.png")
    (tmp_path / "data.yaml").write_text(f"kpt_shape: [17, 3]\nflip_idx: {flip}\ntrain: ../train/images\n")
    assert read_yolo(tmp_path / "data.yaml").skeleton == COCO_17


def test_dataloop_flat_points_and_visibility(tmp_path: Path) -> None:
    def point(name: str, x: float, parent: str | None = None, attributes: Any = None) -> dict[str, Any]:
        system = {"system": {"parentId": parent}} if parent else {}
        return {
            "type": "point", "label": name, "coordinates": {"x": x, "y": 5, "z": 0}, "metadata": system,
            "attributes": attributes,
        }  # fmt: skip

    item = {
        "filename": "/items/a.png",
        "annotations": [
            {"type": "pose", "id": "p", "label": "person", "coordinates": {"templateId": "t", "instanceId": "i"}},
            point("nose", 1, "p", ["visible"]),
            point("left_eye", 2, "p", {"1": "not-visible"}),
            point("right_eye", 3, "p", []),
            point("left_ear", 4, "elsewhere", ["visible"]),
            point("nose", 40),
            point("left_eye", 41),
        ],
    }
    picture(tmp_path / "items" / "a.png")
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "a.json").write_text(json.dumps(item))
    dataset = read_dataloop(tmp_path / "json")
    assert dataset.skeleton == COCO_17
    posed, flat = dataset.images[0].people
    assert posed.labels[:4].tolist() == [Label.VISIBLE, Label.HIDDEN, Label.UNLABELLED, Label.UNLABELLED]
    assert flat.labels[:2].tolist() == [Label.VISIBLE, Label.VISIBLE]
    assert "'elsewhere'" in dataset.problems[0].reason
    assert dataset.images[0].ignore


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        (["Visible"], V), ({"1": "visible"}, V), ({"visibility": True, "cut": False}, V), (["Not visible"], H),
        ({"visible": False}, U), ({"cut": True}, U), ([], U), (None, U),
    ],
)  # fmt: skip
def test_dataloop_visibility_in_any_words(tmp_path: Path, attributes: Any, label: Label) -> None:
    picture(tmp_path / "a.png")
    child = {"metadata": {"system": {"parentId": 7}}, "attributes": attributes}
    entries = [
        {"id": 7, "type": "pose", "label": "person"},
        {"type": "point", "label": "nose", "coordinates": {"x": "3", "y": 4}, **child},
        {"type": "point", "label": "left_eye", "coordinates": {"x": 5, "y": 4}, **child, "attributes": ["visible"]},
    ]
    system = {"width": "wide", "height": 48}
    item = {"filename": "a.png", "annotations": entries, "metadata": {"system": system, "user": None}}
    (tmp_path / "a.json").write_text(json.dumps(item))
    dataset = read_dataloop(tmp_path / "a.json")
    assert dataset.images[0].people[0].labels[:2].tolist() == [label, V]
    assert not dataset.problems


def test_mirror_images_from_names() -> None:
    names = ["Left Hip", "Right Hip", "LKnee", "RKnee", "ankle_l", "ankle_r", "nose", "lip"]
    assert mirror_pairs(names) == ((0, 1), (2, 3), (4, 5))
    assert skeleton_of("x", [name.replace("_", "-").title() for name in LSP_14.keypoints]) == LSP_14


@pytest.mark.parametrize(
    "names",
    [
        ("nose", "earL", "earR"),
        ("nose", "elbowFL", "elbowFR", "kneeBL", "kneeBR"),
        ("nose", "frontLeftPaw", "frontRightPaw", "hindLeftPaw", "hindRightPaw"),
        ("L_F_paw", "R_F_paw", "L_H_paw", "R_H_paw", "tail"),
        ("LF", "RF", "LR", "RR"),
        ("front_l_paw", "front_r_paw"),
        ("lhip", "rhip", "nose"),
        ("Knie_links", "Knie_rechts"),
        ("genou gauche", "genou droit", "main gauche", "main droite"),
        ("LFT_EYE", "RGT_EYE"),
        ("左肩", "右肩", "鼻"),
        ("spine1", "spine2", "l_hand", "r_hand"),
        ("wing.left.tip", "wing.right.tip"),
        ("vasen_polvi", "oikea_polvi"),
        ("левоеколено", "правоеколено", "нос1"),
        ("LewaReka", "PrawaReka"),
        ("왼무릎", "오른무릎"),
        ("rodilla_izq", "rodilla_der"),
        ("C7", "T10", "LASI", "RASI"),
    ],
)
def test_sides_in_many_spellings(names: tuple[str, ...]) -> None:
    skeleton = skeleton_of("x", names)
    single = [name for index, name in enumerate(names) if skeleton.side(index) == "middle"]
    assert skeleton.sides_known
    assert not set(single) - {"nose", "tail", "鼻", "нос1", "spine1", "spine2", "C7", "T10"}
    assert all(left < right for left, right in skeleton.flip_pairs)


@pytest.mark.parametrize(
    "names",
    [
        tuple(str(number) for number in range(1, 18)),
        ("a", "b", "c", "d"),
        ("l", "m", "q", "r"),
        ("keypoint_0", "keypoint_1"),
        ("p1", "p2", "p3"),
        ("nose", "ear 1", "ear 2"),
        ("nose", "ear_a", "ear_b"),
        ("nose", "left_ear", "right_ear", "hornL"),
        ("eskuineko_belauna", "ezkerreko_belauna"),
        ("left_eye", "right_eye", "face-0", "face-1", "face-2"),
        ("left_eye", "right_eye", "knee_a", "knee_b"),
        ("hip_l", "hip_r", "foot1", "foot2", "spine1", "spine2"),
        ("LL", "LR", "RL", "RR"),
    ],
)
def test_sides_that_names_do_not_tell(names: tuple[str, ...]) -> None:
    assert not skeleton_of("x", names).sides_known
    assert skeleton_of("x", names, (), ()).sides_known


def test_names_that_have_no_sides_are_known() -> None:
    for names in (("top", "end"), ("beak", "tail", "crown"), ("tip",)):
        assert skeleton_of("x", names).sides_known
    assert unnamed_skeleton("x", 17).keypoints == COCO_17.keypoints
    assert not unnamed_skeleton("x", 17).sides_known
    assert unnamed_skeleton("x", 17, COCO_17.flip_pairs).sides_known


@pytest.mark.parametrize("target", ["coco", "roboflow", "yolo"])
@pytest.mark.parametrize("count", [4, 17])
@pytest.mark.parametrize("answered", [True, False])
def test_whether_sides_are_known_is_kept(tmp_path: Path, target: Format, count: int, answered: bool) -> None:
    pairs = (COCO_17.flip_pairs if count == 17 else ((0, 1),)) if answered else None
    skeleton = unnamed_skeleton("dots", count, pairs)
    person = Person(np.ones((count, 2), np.float32), np.full(count, 2, np.uint8), (0, 0, 9, 9), 40.0)
    image = AnnotatedImage(picture(tmp_path / "a.png"), (64, 48), (person,), 1)
    read = open_dataset(WRITERS[target](PoseDataset("dots", skeleton, (image,)), tmp_path / "out"))
    assert read.skeleton.sides_known == answered
    assert read.skeleton.keypoints == skeleton.keypoints
    assert read.skeleton.flip_pairs == skeleton.flip_pairs


def test_pictures_turned_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=exif)
    assert picture_size(tmp_path / "turned.jpg") == (48, 64)


def test_coco_dict_is_what_pycocotools_reads(custom: PoseDataset, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    path = tmp_path / "labels.json"
    path.write_text(json.dumps(coco_dict(custom)))
    coco = COCO(str(path))
    assert sorted(coco.getImgIds()) == [0, 1, 2, 3]
    assert coco.loadAnns(1)[0]["num_keypoints"] == 2
