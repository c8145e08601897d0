"""Tables of the documentation that commands renew, and what goes into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.false_people import drawn_places, line, pictures_of_nobody, without_people
from benchmarks.portraits import GRACE_HOPPER, distances
from benchmarks.portraits import line as portrait
from benchmarks.tables import printed, renewed, rows_of
from posecore import load_model
from posecore.data.detect import open_dataset
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError
from posecore.skeleton import COCO_17
from posecore.zoo.guide import guide
from tests.pose_support import poses_from

PAGE = """# Page

<!-- table figures -->

| model | set | AP |
|---|---|---|
| a | x | 0.1 |
| b | x | 0.2 |

Words after it.

| another | table |
|---|---|
| a | 1 |
"""


def test_a_renewed_table_keeps_what_was_not_measured_again() -> None:
    rows = [{"model": "a", "set": "x", "AP": "0.3"}, {"model": "a", "set": "y", "AP": "0.4"}]
    text = renewed(PAGE, "figures", rows, ("model", "set"))
    assert "| a | x | 0.3 |\n| a | y | 0.4 |\n| b | x | 0.2 |\n\nWords after it." in text
    assert text.replace("| a | x | 0.3 |\n| a | y | 0.4 |", "| a | x | 0.1 |") == PAGE


def test_new_columns_are_empty_where_nothing_was_measured() -> None:
    text = renewed(PAGE, "figures", [{"model": "b", "PCK": "0.5"}], ("model",))
    assert "| model | set | AP | PCK |\n|---|---|---|---|\n| a | x | 0.1 | – |\n| b | x | 0.2 | 0.5 |\n" in text


def test_a_table_begins_where_there_was_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table new -->\nWords.\n", "utf-8")
    printed(({"model": name, "AP": 1} for name in "ab"), page, "new")
    table = "| model | AP |\n|---|---|\n| a | 1 |\n| b | 1 |\n"
    assert page.read_text("utf-8") == f"<!-- table new -->\n\n{table}\nWords.\n"
    assert capsys.readouterr().out == table


def test_a_page_without_the_table_is_refused() -> None:
    with pytest.raises(DataError, match="no table 'other'"):
        renewed(PAGE, "other", [{"model": "a"}], ("model",))


def test_presets_are_what_the_page_calls_better_on_whole_pictures() -> None:
    page = Path(__file__).parent.parent / "docs/evidence.md"
    words = {"AP": "Find more", "F1": "Fewer mistakes"}
    # Compared with a threshold that has not been its default since, as the page says below the table.
    compared_with_another = "openpose-mobilenet_v2_small.tfpose"
    measured = {
        (row["model"], words[row["goal"]]): (
            dict(_named_value(part) for part in row["found"].split(", ")),
            _before_and_after(row["precision"]),
            _before_and_after(row["recall"]),
        )
        for row in rows_of(page.read_text("utf-8"), "tuned")
        if (row["protocol"], row["verdict"]) == ("full", "better") and row["model"] != compared_with_another
    }
    presets = {
        (model, one.word): (dict(one.settings), one.precision, one.recall)
        for model, some in guide().presets.items()
        for one in some
    }
    assert presets == measured
    assert sum(map(len, guide().presets.values())) == len(presets), "a model has a word twice"


def _named_value(text: str) -> tuple[str, float]:
    name, value = text.split()
    return name, float(value)


def _before_and_after(cell: str) -> tuple[float, ...]:
    return tuple(float(value) for value in cell.split(" → "))


def test_false_people_are_those_that_the_model_shows_by_itself(tmp_path: Path) -> None:
    empty = drawn_places(tmp_path, 3)
    model = load_model("posenet-mobilenet_v1-075", device="cpu", input_size=161)
    shown = [len(model(image.path)) for image in empty.images]
    row = line(model, empty)
    assert str(row["false people per 100 pictures"]).startswith(f"{100 * sum(shown) / 3:.1f} (")
    assert row["pictures with any"] == f"{100 * sum(map(bool, shown)) / 3:.0f} %"
    assert pictures_of_nobody(tmp_path / "images").images[0].ignore == ()


def test_only_pictures_known_to_be_empty_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every picture"):
        without_people(open_dataset(write_dataset(tmp_path, 1, size=(96, 96), people=1)))


def test_distances_of_a_portrait_are_parts_of_nose_to_shoulders() -> None:
    xy = np.zeros((2, 17, 2), np.float32)
    for joint, place in GRACE_HOPPER.items():
        xy[1, COCO_17.keypoints.index(joint)] = place
    middle = np.mean([GRACE_HOPPER["left_shoulder"], GRACE_HOPPER["right_shoulder"]], 0)
    length = np.linalg.norm(middle - GRACE_HOPPER["nose"])
    xy[1, COCO_17.keypoints.index("left_shoulder")] += (0.2 * length, 0)
    scores = np.ones((2, 17), np.float32)
    scores[1, COCO_17.keypoints.index("left_eye")] = 0
    poses = poses_from(xy, scores, [0.1, 0.9], COCO_17, (512, 600))
    found = distances(poses.filter(keypoint_threshold=0.5), GRACE_HOPPER)
    assert found["left_eye"] == float("inf")
    assert found["left_shoulder"] == pytest.approx(0.2, abs=0.01)
    assert found["nose"] == found["right_eye"] == found["right_shoulder"] == 0
    row = portrait("m", poses.filter(keypoint_threshold=0.5), GRACE_HOPPER)
    assert (row["people"], row["left eye"], row["right"]) == (2, "–", "3 of 5")
    assert set(distances(poses.select([]), GRACE_HOPPER).values()) == {float("inf")}
