"""Labels as labelme, CVAT and DeepLabCut keep them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posecore.data.annotations import Label, PoseDataset
from posecore.data.detect import detect_format, open_dataset
from posecore.data.library import Library
from posecore.errors import DataError
from posecore.skeleton import COCO_17

_NAMES = COCO_17.keypoints
_SIZE = (200, 160)


def picture(path: Path, size: tuple[int, int] = _SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 90, np.uint8))
    return path


def point(name: str, x: float, y: float, group: object = None, **more: Any) -> dict[str, Any]:
    return {"label": name, "points": [[x, y]], "shape_type": "point", "group_id": group, "flags": {}, **more}


def box(name: str, region: Sequence[float], group: object = None) -> dict[str, Any]:
    x0, y0, x1, y1 = region
    return {"label": name, "points": [[x1, y1], [x0, y0]], "shape_type": "rectangle", "group_id": group, "flags": {}}


def labelme(folder: Path, stem: str, shapes: Sequence[Any], **more: Any) -> Path:
    """A file of labelme with its picture beside it."""
    picture(folder / f"{stem}.jpg")
    file = folder / f"{stem}.json"
    size = {"imageWidth": _SIZE[0], "imageHeight": _SIZE[1]}
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{stem}.jpg",
        "imageData": None,
        **size,
    }
    file.write_text(json.dumps({**content, **more}))
    return file


def everybody(dataset: PoseDataset) -> list[dict[str, tuple[float, float, int]]]:
    """What is labelled of each person, by name."""
    names = dataset.skeleton.keypoints
    return [
        {
            names[at]: (float(person.keypoints[at, 0]), float(person.keypoints[at, 1]), int(person.labels[at]))
            for at in np.flatnonzero(person.labelled)
        }
        for image in dataset
        for person in image.people
    ]


def reasons(dataset: PoseDataset) -> str:
    return "\n".join(f"{one.file.name} {one.place}: {one.reason}" for one in dataset.problems)


# --- labelme ---------------------------------------------------------------------------------------------------------


def test_people_of_labelme_by_group_and_by_box(tmp_path: Path) -> None:
    labelme(
        tmp_path / "one",
        "grouped",
        [
            point("nose", 20, 30, 1),
            point("left_wrist", 25, 60, 1, flags={"occluded": True}),
            box("person", (10, 10, 60, 120), 1),
            point("nose", 120, 30, 2, description="hidden"),
            box("ignore", (150, 0, 190, 40)),
        ],
    )
    labelme(
        tmp_path / "two",
        "boxed",
        [
            box("person", (0, 0, 90, 150)),
            box("person", (100, 0, 199, 150)),
            point("nose", 30, 20),
            point("nose", 130, 20),
        ],
    )
    labelme(tmp_path, "alone", [point("nose", 50, 50), point("right_knee", 60, 90)])
    labelme(tmp_path, "nobody", [])
    assert detect_format(tmp_path) == "labelme"
    dataset = open_dataset(tmp_path)
    assert not dataset.problems
    assert everybody(dataset) == [
        {"nose": (50, 50, 2), "right_knee": (60, 90, 2)},
        {"nose": (20, 30, 2), "left_wrist": (25, 60, 1)},
        {"nose": (120, 30, 1)},
        {"nose": (30, 20, 2)},
        {"nose": (130, 20, 2)},
    ]
    by_name = {image.path.name: image for image in dataset}
    assert by_name["grouped.jpg"].ignore == ((150, 0, 190, 40),)
    assert by_name["grouped.jpg"].people[0].box == (10, 10, 60, 120)
    assert by_name["boxed.jpg"].people[1].box == (100, 0, 199, 150)
    assert (by_name["nobody.jpg"].people, by_name["nobody.jpg"].ignore) == ((), ())


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ([point("nose", 9, 9), point("nose", 90, 9)], "two points are called 'nose'"),
        ([point("nose", 9, 9, 1), point("Nose", 90, 9, 1)], "two points are called 'Nose'"),
        ([box("a", (0, 0, 60, 60)), box("b", (5, 5, 99, 99)), point("nose", 30, 30)], "lies in 2 regions"),
        ([box("a", (0, 0, 60, 60)), box("b", (70, 5, 99, 99)), point("nose", 120, 120)], "lies in no region"),
    ],
)
def test_whose_a_point_is_is_never_guessed(tmp_path: Path, shapes: list[Any], why: str) -> None:
    labelme(tmp_path, "odd", shapes)
    labelme(tmp_path, "good", [point("nose", 50, 50)])
    dataset = open_dataset(tmp_path)
    assert [image.path.name for image in dataset] == ["good.jpg"]
    assert why in reasons(dataset)
    assert dataset.problems[0].file.name == "odd.json"


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (point("nose", float("nan"), 3), "x is nan"),
        ({**point("nose", 3, 3), "points": []}, "0 positions"),
        ({**point("nose", 3, 3), "points": [[1, 2, 3]]}, "x and y"),
        ({**point("", 3, 3)}, "the label must be a text"),
        ({**point("nose", 3, 3), "group_id": [1]}, "group_id must be a number"),
        ("nose", "an object with named fields"),
    ],
)
def test_a_shape_that_cannot_be_read_costs_that_shape(tmp_path: Path, shape: Any, why: str) -> None:
    file = labelme(tmp_path, "a", [shape, point("left_eye", 40, 40)])
    dataset = open_dataset(file)
    assert everybody(dataset) == [{"left_eye": (40, 40, 2)}]
    assert why in reasons(dataset)
    assert "shapes[0]" in reasons(dataset)


def test_names_of_other_machines_and_folders_of_their_own(tmp_path: Path) -> None:
    shapes = [point("nose", 50, 50)]
    labelme(tmp_path / "x", "a", shapes, imagePath="C:\\photos\\a.jpg")
    labelme(tmp_path / "y", "a", shapes, imagePath="a.JPG")
    (tmp_path / "labels").mkdir()
    picture(tmp_path / "images" / "b.jpg")
    (tmp_path / "labels" / "b.json").write_text(
        json.dumps({"shapes": shapes, "imagePath": "..\\images\\b.jpg", "imageData": None})
    )
    dataset = open_dataset(tmp_path)
    found = sorted(image.path.relative_to(tmp_path).as_posix() for image in dataset)
    assert found == ["images/b.jpg", "x/a.jpg", "y/a.jpg"]
    assert not dataset.problems
    assert {image.size for image in dataset} == {_SIZE}


def test_a_copy_of_the_picture_in_the_file_is_passed_over(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    file = labelme(tmp_path, "a", [point("nose", 3, 4)], imageData="A" * 20_000_000)
    for place in (file, tmp_path):
        assert everybody(open_dataset(place)) == [{"nose": (3, 4, 2)}]


def test_labels_for_a_smaller_copy_are_scaled(tmp_path: Path) -> None:
    labelme(tmp_path, "a", [point("nose", 25, 40)], imageWidth=100, imageHeight=80)
    dataset = open_dataset(tmp_path)
    assert everybody(dataset)[0]["nose"] == pytest.approx((50.5, 80.5, 2))
    assert "scaled" in str(dataset.remarks[0])


def test_a_set_of_labelme_in_the_library(tmp_path: Path) -> None:
    labelme(tmp_path / "set", "a", [point("nose", 50, 50), point("tail", 90, 50)])
    stored = Library(tmp_path / "library").add("mine", tmp_path / "set")
    assert stored.origin == "labelme"
    assert everybody(stored.dataset()) == [{"nose": (50, 50, 2), "tail": (90, 50, 2)}]


# --- CVAT ------------------------------------------------------------------------------------------------------------

_SVG = (
    '<line x1="1" data-type="edge" data-node-from="2" data-node-to="1"></line>'
    '<circle r="1" data-type="element node" data-node-id="1" data-label-name="nose"></circle>'
    '<circle r="1" data-type="element node" data-node-id="2" data-label-name="left_eye"></circle>'
)
_META = (
    "<meta><task><labels><label><name>person</name><type>skeleton</type><svg>"
    + escape(_SVG)
    + "</svg></label>"
    + "".join(
        f"<label><name>{n}</name><type>points</type><parent>person</parent></label>" for n in ("nose", "left_eye")
    )
    + "</labels><original_size><width>200</width><height>160</height></original_size></task></meta>"
)


def part(name: str, x: float, y: float, **more: object) -> str:
    fields = {"label": name, "points": f"{x},{y}", "outside": 0, "occluded": 0, **more}
    return f"<points {' '.join(f'{key}={quoteattr(str(value))}' for key, value in fields.items())}/>"


def cvat(folder: Path, body: str, meta: str = _META) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "annotations.xml"
    file.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{body}</annotations>'
    )
    return file


def image(name: str, shapes: str, **more: object) -> str:
    fields = {"id": 0, "name": name, "width": _SIZE[0], "height": _SIZE[1], **more}
    return f"<image {' '.join(f'{key}={quoteattr(str(value))}' for key, value in fields.items())}>{shapes}</image>"


def test_skeletons_points_and_boxes_of_cvat(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / "images" / f"{name}.jpg")
    skeleton = part("left_eye", 30, 20, occluded=1) + part("nose", 20, 30)
    away = part("nose", 0, 0, outside=1) + part("left_eye", 0, 0, outside=1)
    half = part("nose", 120, 30) + part("left_eye", 0, 0, outside=1)
    around = '<box label="person" xtl="100" ytl="10" xbr="180" ybr="150" occluded="0"/>'
    body = image(
        "a.jpg",
        "".join(f'<skeleton label="person">{one}</skeleton>' for one in (skeleton, away, half)) + around,
        subset="Train",
    )
    body += image(
        "b.jpg", part("nose", 50, 50, group_id=3) + part("left_eye", 60, 45, group_id=3) + part("nose", 150, 9)
    )
    body += image("c.jpg", '<box label="ignore" xtl="1" ytl="2" xbr="30" ybr="40"/><tag label="day"/>', subset="val")
    file = cvat(tmp_path, body)
    for place in (file, tmp_path):
        dataset = open_dataset(place)
        assert everybody(dataset) == [
            {"nose": (20, 30, 2), "left_eye": (30, 20, 1)},
            {"nose": (120, 30, 2)},
            {"nose": (50, 50, 2), "left_eye": (60, 45, 2)},
            {"nose": (150, 9, 2)},
        ]
        assert dataset.images[0].people[1].box == (100, 10, 180, 150)
        assert dataset.images[2].ignore == ((1, 2, 30, 40),)
        assert [one.split for one in dataset] == ["train", None, "val"]
        assert dataset.skeleton.keypoints == ("nose", "left_eye")
        assert not dataset.problems


def test_labels_of_cvat_for_a_larger_picture_are_scaled(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", (_SIZE[0] // 2, _SIZE[1] // 2))
    skeleton = f'<skeleton label="person">{part("nose", 99.5, 49.5)}</skeleton>'
    cvat(tmp_path, image("a.jpg", skeleton))
    assert everybody(open_dataset(tmp_path)) == [{"nose": (49.5, 24.5, 2)}]


def test_sizes_that_cvat_writes_are_taken(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    cvat(tmp_path, image("a.jpg", f'<skeleton label="person">{part("nose", 20, 30)}</skeleton>'))
    assert not open_dataset(tmp_path).remarks


def test_frames_of_a_video_of_cvat(tmp_path: Path) -> None:
    for number in (0, 2):
        picture(tmp_path / "images" / f"frame_{number:06d}.PNG")
    frames = "".join(
        f'<skeleton frame="{number}" keyframe="1" outside="0">{part("nose", 20 + number, 30)}</skeleton>'
        for number in range(3)
    )
    gone = f'<skeleton frame="3" outside="1">{part("nose", 1, 1)}</skeleton>'
    cvat(tmp_path, f'<track id="0" label="person">{frames}{gone}</track>')
    dataset = open_dataset(tmp_path)
    assert everybody(dataset) == [{"nose": (20, 30, 2)}, {"nose": (22, 30, 2)}]
    assert "frame_000001 is missing" in reasons(dataset)
    assert len(dataset.problems) == 1


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ('<points label="nose" points="1,2;3,4"/>', "2 points called 'nose'"),
        ('<points label="nose" points="1,x"/>', "a number of pixels"),
        ('<points label="nose" points="1,2,3"/>', "positions must be"),
        ('<box label="person" xtl="1" ytl="nan" xbr="3" ybr="4"/>', "a number of pixels"),
    ],
)
def test_a_shape_of_cvat_that_cannot_be_read(tmp_path: Path, shapes: str, why: str) -> None:
    picture(tmp_path / "a.jpg")
    cvat(tmp_path, image("a.jpg", shapes + f'<skeleton label="person">{part("nose", 20, 30)}</skeleton>'))
    dataset = open_dataset(tmp_path)
    assert everybody(dataset) == [{"nose": (20, 30, 2)}]
    assert why in reasons(dataset)
    assert "a.jpg" in reasons(dataset)


def test_what_is_in_utf_16_is_recognised_and_said(tmp_path: Path) -> None:
    file = cvat(tmp_path, image("a.jpg", ""))
    file.write_text(file.read_text(), encoding="utf-16")
    with pytest.raises(DataError, match="is not a text file in UTF-8 but in UTF-16"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<annotations><meta/><image", "is not valid XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations><meta/></annotations>', "DOCTYPE"),
        ("<annotations><meta/></annotations>", "has no keypoints"),
    ],
)
def test_files_of_cvat_that_cannot_be_used(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "annotations.xml"
    file.write_text(text)
    with pytest.raises(DataError, match=why):
        open_dataset(file)


# --- DeepLabCut ------------------------------------------------------------------------------------------------------


def table(folder: Path, rows: Sequence[Sequence[object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "CollectedData_me.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    return file


def test_a_table_of_deeplabcut(tmp_path: Path) -> None:
    """Of one animal, the picture's name in one column as older versions write it."""
    folder = tmp_path / "labeled-data" / "clip"
    for name in ("img1.png", "img2.png"):
        picture(folder / name)
    head: list[list[object]] = [
        ["scorer", *["me"] * 4],
        ["bodyparts", "snout", "snout", "tail", "tail"],
        ["coords", "x", "y", "x", "y"],
    ]
    rows: list[list[object]] = [
        ["labeled-data/clip/img1.png", 10.5, 20, "", ""],
        ["labeled-data\\clip\\img2.png", "", "", "nan", "nan"],
    ]
    file = table(folder, head + rows)
    for place in (file, tmp_path):
        dataset = open_dataset(place)
        assert everybody(dataset) == [{"snout": (10.5, 20, 2)}]
        assert [one.waits for one in dataset] == [False, True], "what nobody labelled is not background"
        assert dataset.skeleton.keypoints == ("snout", "tail")
        assert not dataset.problems


def test_a_project_of_deeplabcut_has_everybody_once(tmp_path: Path) -> None:
    """Though its copies for training, and another scorer, tell the same pictures."""
    folder = tmp_path / "labeled-data" / "clip"
    rows: list[list[object]] = [["scorer", "me", "me"], ["bodyparts", "snout", "snout"], ["coords", "x", "y"]]
    rows.append(["labeled-data/clip/img1.png", 10.5, 20])
    picture(folder / "img1.png")
    table(folder, rows)
    (folder / "CollectedData_you.csv").write_text((folder / "CollectedData_me.csv").read_text())
    table(tmp_path / "training-datasets" / "iteration-0", rows)
    (tmp_path / "config.yaml").write_text("scorer: me\nbodyparts:\n- snout\n")
    dataset = open_dataset(tmp_path)
    assert everybody(dataset) == [{"snout": (10.5, 20, 2)}]
    assert [one.count for one in dataset.remarks] == [1, 1]
    (folder / "CollectedData_me.csv").write_text("scorer;me;me\nbodyparts;a;a\ncoords;x;y\n")
    with pytest.raises(DataError, match="with semicolons"):
        open_dataset(folder / "CollectedData_me.csv")


def test_several_animals_of_deeplabcut(tmp_path: Path) -> None:
    """The picture's name in three columns, as newer versions write it."""
    picture(tmp_path / "labeled-data" / "clip" / "img1.png")
    file = table(
        tmp_path / "labeled-data" / "clip",
        [
            ["scorer", "", "", *["me"] * 6],
            ["individuals", "", "", *["one"] * 2, *["two"] * 2, *["single"] * 2],
            ["bodyparts", "", "", *["snout"] * 4, *["corner"] * 2],
            ["coords", "", "", *["x", "y"] * 3],
            ["labeled-data", "clip", "img1.png", 10, 20, 90, 60, 150, 100],
        ],
    )
    dataset = open_dataset(file)
    assert everybody(dataset) == [{"snout": (10, 20, 2)}, {"snout": (90, 60, 2)}]
    assert "keypoints of another skeleton" in reasons(dataset)
    assert len(dataset.images[0].ignore) == 1


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([["scorer", "net"], ["bodyparts", "nose"], ["coords", "likelihood"], ["0", 1]], "what a network found"),
        ([["scorer", "me"], ["a.png", 1]], "no rows “bodyparts” and “coords”"),
    ],
)
def test_tables_that_are_no_labels(tmp_path: Path, rows: list[list[object]], why: str) -> None:
    with pytest.raises(DataError, match=why):
        open_dataset(table(tmp_path, rows), "deeplabcut")


# --- all of them -----------------------------------------------------------------------------------------------------

_places = st.tuples(st.integers(1, 199), st.integers(1, 159), st.sampled_from([Label.HIDDEN, Label.VISIBLE]))
_person = st.dictionaries(st.sampled_from(_NAMES), _places, min_size=1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=st.lists(_person, min_size=1, max_size=4, unique_by=lambda one: tuple(sorted(one.items()))))
def test_whoever_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, people: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    labelme(
        folder / "labelme",
        "a",
        [
            point(name, x, y, group, flags={"occluded": flag == Label.HIDDEN})
            for group, person in enumerate(people)
            for name, (x, y, flag) in person.items()
        ],
    )
    picture(folder / "cvat" / "a.jpg")
    skeletons = [
        "".join(part(name, x, y, occluded=int(flag == Label.HIDDEN)) for name, (x, y, flag) in person.items())
        for person in people
    ]
    cvat(folder / "cvat", image("a.jpg", "".join(f'<skeleton label="p">{one}</skeleton>' for one in skeletons)), "")
    for kind in ("labelme", "cvat"):
        dataset = open_dataset(folder / kind)
        assert not dataset.problems
        assert everybody(dataset) == [
            {
                name: tuple(map(float, one))
                for name, one in sorted(person.items(), key=lambda item: dataset.skeleton.keypoints.index(item[0]))
            }
            for person in people
        ]
