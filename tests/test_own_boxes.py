"""Boxes of a visitor's own as the finder of people in the app."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from posecore.data.box_files import Box, GivenBoxes, read_boxes
from posecore.drawing import DrawingOptions
from posecore.errors import DataError
from posecore.families.movenet import MOVENET
from posecore.model import PoseModel
from posecore.two_stage import BoxedModel
from posecore.ui.explore.settings import Settings
from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.pictures.own_boxes import (
    OwnBoxes,
    boxes_csv,
    from_address,
    sentences_about,
    to_address,
    typed_boxes,
)
from tests.app_support import forget_everything, forward_passes, open_app, words

CLOSER = "movenet-lightning.posecore"
ONE, TWO = Box((10, 20, 40, 80)), Box((50.5, 0, 90, 60), 0.4)


def source(name: str) -> Source:
    return Source(f"key of {name}", name, name, lambda: np.zeros((9, 9, 3), np.uint8))


PICTURES = [source("a.jpg"), source("b.jpg")]
A, B = (one.key for one in PICTURES)


def given(**boxes: list[Box]) -> GivenBoxes:
    return GivenBoxes(Path("boxes.csv"), {f"{name}.jpg": some for name, some in boxes.items()})


def test_boxes_belong_to_the_picture_that_they_name() -> None:
    assert OwnBoxes(given(b=[ONE])).of(PICTURES) == {A: (), B: (ONE,)}
    assert OwnBoxes(given(b=[ONE]), {A: (TWO,), B: ()}).of(PICTURES) == {A: (TWO,), B: ()}
    elsewhere = OwnBoxes(given(c=[ONE]), {A: (TWO,)})
    assert elsewhere.of(PICTURES) == {A: (TWO,), B: ()}
    with pytest.raises(DataError, match="is of a picture that was given"):
        elsewhere.placed(PICTURES)
    assert OwnBoxes().of(PICTURES) == {A: (), B: ()}


def test_pictures_of_one_name_do_not_share_boxes() -> None:
    twice = [*PICTURES, Source("another a", "a.jpg", "a.jpg", PICTURES[0].read)]
    mine = OwnBoxes(given(a=[ONE], b=[TWO]))
    assert mine.of(twice) == {A: (), B: (TWO,), "another a": ()}
    placed = mine.placed(twice)
    assert placed is not None
    assert "could be any of 2 pictures, 1/a.jpg or 3/a.jpg" in sentences_about(placed)[0]


def test_a_file_counts_for_the_pictures_that_it_names(home: Path) -> None:
    mine = OwnBoxes(given(a=[TWO]), {A: (), B: (TWO,)})
    mine.take(
        "C:\\shots\\new.csv", b"picture,x,y,w,h\na.jpg,10,20,30,60\na.jpg,1,1,0,5\ngone.jpg,1,2,30,40\n", PICTURES
    )
    assert mine.of(PICTURES) == {A: (ONE,), B: (TWO,)}
    placed = mine.placed(PICTURES)
    assert placed is not None
    assert str(placed.file) == "new.csv"
    said = sentences_about(placed)
    assert said[0].startswith("line 3: it is 0 pixels wide")
    assert "gone.jpg" in said[1]
    assert len(said) == 2


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("shots.csv", b"picture,x,y\na.jpg,1,2\n", r"^shots\.csv has picture, x, y: there is no column w"),
        ("shots.json", b"{", r"^shots\.json is not valid JSON"),
        ("shots.json", json.dumps([{"image_id": 1, "bbox": [1, 2, 3]}]).encode(), r"^shots\.json has no box that can"),
        ("shots.parquet", b"PAR1 not at all", r"^shots\.parquet "),
    ],
)
def test_bad_files_get_a_sentence_and_nothing_is_lost(home: Path, name: str, content: bytes, why: str) -> None:
    known = given(a=[TWO])
    mine = OwnBoxes(known, {B: (ONE,)})
    with pytest.raises(DataError, match=why) as error:
        mine.take(name, content, PICTURES)
    assert "posecore-visitor" not in str(error.value)
    assert (mine.file, mine.drawn) == (known, {B: (ONE,)})


def test_an_address_brings_boxes_back() -> None:
    for boxes in ((), (ONE,), (ONE, TWO)):
        assert from_address(to_address(boxes)) == boxes
    assert to_address(None) == to_address([ONE] * 31)
    for said in (to_address(None), "", "1,2,3", "1,2,3,-4", "a,b,c,d", "10,20,30,40;"):
        assert from_address(said) is None
    assert from_address("10,20,30,60") == (ONE,)


def test_typed_rows_become_boxes() -> None:
    table = pd.DataFrame(
        [(10, 20, 30, 60, None), (None, None, None, None, 1.0), (50.5, 0, 39.5, 60, 0.4)],
        columns=["Left", "Top", "Width", "Height", "Score"],
    )
    assert typed_boxes(table) == (ONE, TWO)
    table.loc[1, "Left"] = 5
    with pytest.raises(DataError, match=r"Row 2 is no box: its y is not given"):
        typed_boxes(table)


def test_boxes_that_are_taken_away_are_read_again(tmp_path: Path) -> None:
    content = boxes_csv(PICTURES, {A: (ONE, TWO), B: ()})
    assert list(pd.read_csv(io.BytesIO(content)).columns) == ["picture", "x", "y", "w", "h", "score"]
    path = tmp_path / "boxes.csv"
    path.write_bytes(content)
    assert dict(read_boxes(path).boxes) == {"a.jpg": [ONE, TWO]}


def test_settings_look_at_the_boxes_of_each_picture(home: Path) -> None:
    forget_everything()
    torch.manual_seed(0)
    name = "movenet-lightning"
    closer = PoseModel(name, MOVENET, name, MOVENET.build(name), "0" * 16, device="cpu")
    shots = [Source(one, one, one, lambda: np.full((90, 120, 3), 70, np.uint8)) for one in ("one.jpg", "two.jpg")]
    outside = Box((-50, 0, -10, 40))
    boxes = {"one.jpg": (TWO, ONE, outside), "two.jpg": (outside,)}
    settings = Settings(BoxedModel(closer), {"input_size": 64}, {}, DrawingOptions(), boxes=boxes)
    one, two = (settings.analyse(shot) for shot in shots)
    assert [view.score for view in one.fields.close_ups] == [ONE.score, TWO.score]
    assert len(two.fields.close_ups) == len(two.poses) == 0
    assert forward_passes() == 2
    fewer = replace(settings, boxes={"one.jpg": (ONE,)})
    assert fewer.key != settings.key
    assert len(fewer.analyse(shots[0]).fields.close_ups) == 1
    assert forward_passes() == 2
    wanted = BoxedModel(closer).look_in([shots[0].read()], [[ONE, TWO]], input_size=64)[0]
    assert wanted.provenance.settings == one.fields.provenance.settings


def test_boxes_are_looked_at_in_the_app(home: Path) -> None:
    forget_everything()
    app = open_app(
        query={"model": CLOSER, "boxes": "40,100,120,250;300,80,120,280", "input_size": "64"}, menu_Boxes=True
    )
    assert app.selectbox(key="where_choice").value == "own"
    assert "2 boxes" in words(app)
    assert forward_passes() == 2
    assert len(app.selectbox(key="stage_choice").options) == 2
    app.button(key="boxes_undo").click().run()
    assert not app.exception
    assert app.query_params["boxes"] == "40,100,120,250"
    assert "1 box" in words(app)
    assert forward_passes() == 2
    app.selectbox(key="sample").select("Grace Hopper").run()
    assert "No boxes on this picture yet" in words(app)
    assert app.query_params["boxes"] == "own"
    app.file_uploader[0].upload("mine.csv", b"picture,x,y,w,h\ngrace_hopper.jpg,80,20,380,560\n")
    app.run()
    assert not app.exception
    assert "mine.csv" in words(app)
    assert forward_passes() == 3
    app.selectbox(key="where_choice").set_value("found").run()
    assert not app.exception
    assert "boxes" not in app.query_params
    assert not app.file_uploader
