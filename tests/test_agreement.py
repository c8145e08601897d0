"""How far results agree without labels: pairs, distances, people whom only some have, and what is drawn of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from posecore.data.people import AREA_OF_BOX
from posecore.drawing.differences import ONE_SIDED, draw_beside, draw_seen, seen_by_each
from posecore.errors import SettingsError
from posecore.evaluation.agreement import agreement, joint_differences, pose_similarity, same_people
from posecore.evaluation.comparing import (
    Column,
    Compared,
    Look,
    column_table,
    disagreement,
    joint_table,
    pair_table,
    parse_column,
    picture_table,
)
from posecore.evaluation.comparison_report import most_different, report_files
from posecore.evaluation.unlabelled import Flicker, agreed, flicker
from posecore.poses import Poses
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton
from tests.pose_support import poses_from

SIZE = (400, 300)


def people(*corners: tuple[float, float], side: float = 80, seed: int = 0) -> Poses:
    """People of the same figure, their boxes' top left corners at ``corners``."""
    figure = np.random.default_rng(seed).uniform(0, side, (17, 2))
    figure[:2] = np.array([[0, 0], [side, side]])
    keypoints = np.array([figure + corner for corner in corners], np.float32).reshape(-1, 17, 2)
    count = len(corners)
    return poses_from(keypoints, np.full((count, 17), 0.9), np.linspace(0.9, 0.5, count), COCO_17, SIZE)


def test_agreement_of_many_pictures() -> None:
    alone, both, nobody = people((0, 0)), people((0, 0), (200, 100)), people()
    found = agreed([(alone, both), (both, both), (nobody, nobody)])
    assert (found.pictures, found.both, found.only_first, found.only_second) == (3, 3, 0, 1)
    assert found.score == pytest.approx((0.5 + 1 + 1) / 3)
    assert agreed([]).score is None


def test_what_flickers_in_a_clip() -> None:
    alone, both, nobody = people((0, 0)), people((0, 0), (200, 100)), people()
    assert flicker([both] * 4) == Flicker(3, 0.0, 0.0)
    # One of two comes and goes: half of the people at two of three steps.
    found = flicker([both, alone, both, both])
    assert (found.steps, found.joints) == (3, 0.0)
    assert found.people == pytest.approx(2 / 6)
    found = flicker([alone, without_joint(alone, 3), alone])
    assert found.people == 0.0
    assert found.joints == pytest.approx(2 / 34)
    assert flicker([nobody, nobody]) == Flicker(1, None, None)
    assert flicker([]) == Flicker(0, None, None)


def without_joint(poses: Poses, joint: int) -> Poses:
    keypoints = poses.keypoints.copy()
    keypoints[:, joint] = np.nan
    return replace(poses, keypoints=keypoints)


def everything(length: int) -> NDArray[np.bool_]:
    return np.ones(length, bool)


def test_the_same_result_agrees_wholly() -> None:
    poses = people((0, 0), (200, 100))
    found = agreement(poses, poses)
    assert found.score == pytest.approx(1)
    assert found.pairs.tolist() == [[0, 0], [1, 1]]
    assert np.nanmax(found.distances) == 0


def test_similarity_is_oks_with_the_mean_of_both_areas() -> None:
    first, second = people((0, 0)), people((3, 4))
    sigmas = np.array(COCO_17.sigmas)
    expected = np.exp(-25 / (2 * (2 * sigmas) ** 2 * AREA_OF_BOX * 80 * 80)).mean()
    assert pose_similarity(first, second, everything(17))[0, 0] == pytest.approx(expected, rel=1e-6)
    assert np.allclose(agreement(first, second).distances, 5, atol=1e-4)


def test_the_order_makes_no_difference() -> None:
    first, second = people((0, 0), (150, 60)), people((150, 66), (4, 0), (300, 200), side=90)
    one, other = agreement(first, second), agreement(second, first)
    assert one.score == pytest.approx(other.score)
    assert one.pairs[:, ::-1].tolist() == sorted(other.pairs.tolist(), key=lambda pair: pair[1])


def test_people_whom_only_one_has() -> None:
    found = agreement(people((0, 0), (200, 100)), people((201, 100), (100, 200)))
    assert found.pairs.tolist() == [[1, 0]]
    assert (found.only_first.tolist(), found.only_second.tolist()) == ([0], [1])
    assert found.people == 3
    assert found.score == pytest.approx(found.similarity[0] / 3)


def test_nobody_in_any_and_nobody_in_one() -> None:
    nobody = Poses.empty(COCO_17, SIZE)
    assert agreement(nobody, nobody).score == 1
    assert agreement(people((0, 0)), nobody).score == 0
    assert agreement(nobody, people((0, 0))).only_second.tolist() == [0]


def test_a_joint_that_only_one_has_counts_as_different() -> None:
    poses = people((0, 0))
    found = agreement(poses, without_joint(poses, 5))
    assert found.score == pytest.approx(16 / 17)
    assert np.isnan(found.distances[0, 5])
    assert found.one_sided[0].tolist() == [0] * 5 + [1] + [0] * 11
    assert agreement(without_joint(poses, 5), without_joint(poses, 5)).score == pytest.approx(1)


def test_people_without_any_joint_are_no_pair() -> None:
    lost = replace(people((0, 0)), keypoints=np.full((1, 17, 2), np.nan))
    found = agreement(lost, lost)
    assert not len(found.pairs)
    assert found.score == 0


@pytest.mark.parametrize("skeleton", [OPENPOSE_18, LSP_14])
def test_skeletons_differ(skeleton: Skeleton) -> None:
    poses = people((0, 0), (200, 100))
    found = agreement(poses, poses.to_skeleton(skeleton))
    assert found.score == pytest.approx(1)
    back = agreement(poses.to_skeleton(skeleton), poses)
    assert back.score == pytest.approx(1)


def test_the_same_person_has_one_number_in_all_columns() -> None:
    columns = [people((0, 0)), people((200, 100), (2, 0)), people((200, 103), (100, 200))]
    assert [own.tolist() for own in same_people(columns)] == [[0], [1, 0], [1, 2]]
    assert same_people([]) == []
    assert [len(own) for own in same_people([Poses.empty(COCO_17, SIZE), people((0, 0))])] == [0, 1]


def test_differences_by_joint_over_pictures() -> None:
    first = people((0, 0))
    moved = first.keypoints.copy()
    moved[0, 9] += (6, 8)
    pictures = [agreement(first, replace(first, keypoints=moved)), agreement(first, without_joint(first, 9))]
    wrist = joint_differences(pictures)[9]
    assert (wrist.joint, wrist.both, wrist.only_first, wrist.only_second) == ("left_wrist", 1, 1, 0)
    assert wrist.median == pytest.approx(10, abs=1e-4)
    assert joint_differences([]) == []
    assert joint_differences([agreement(first, Poses.empty(COCO_17, SIZE))])[0].median is None


def test_frames_say_who_is_found_by_whom() -> None:
    columns = [people((60, 60)), Poses.empty(COCO_17, SIZE)]
    has, lacks = seen_by_each(columns, same_people(columns))
    assert (has.alone.tolist(), len(has.missing)) == ([True], 0)
    assert lacks.missing.tolist() == has.poses.boxes().tolist()
    grey = np.full((300, 400, 3), 128, np.uint8)
    framed = [int((draw_seen(grey, seen) == ONE_SIDED).all(-1).sum()) for seen in (has, lacks)]
    assert framed[0] > framed[1] > 100, "a full frame and a dashed one"
    both = seen_by_each([people((60, 60))] * 2, same_people([people((60, 60))] * 2))
    assert not (draw_seen(grey, both[0]) == ONE_SIDED).all(-1).any()


def test_columns_beside_each_other() -> None:
    poses = people((60, 60))
    (seen,) = seen_by_each([poses], same_people([poses]))
    drawn = draw_beside(np.full((300, 400, 3), 128, np.uint8), [("A one", seen), ("B two", "It failed.")], 200)
    assert drawn.shape[1] == 2 * 200 + 2
    assert drawn.shape[0] > 150


def compared() -> list[Compared]:
    one, two, nobody = people((0, 0)), people((3, 4), (200, 100)), Poses.empty(COCO_17, SIZE)
    return [
        Compared("same.png", (Look(one, 10), Look(one, 20))),
        Compared("=more.png", (Look(one, 30), Look(two, 40))),
        Compared("none.png", (Look(nobody, 5), Look(nobody, 5))),
        Compared("broken.png", (Look(one, 5), Look(None, error="Too small."))),
    ]


COLUMNS = [Column("a"), Column("b", {"pose_threshold": 0.3})]


def test_tables() -> None:
    every = compared()
    pictures = picture_table(every, COLUMNS)
    assert pictures["picture"].tolist() == ["same.png", "'=more.png", "none.png", "broken.png"]
    assert pictures["not found by all"].tolist() == [0, 1, 0, 0]
    assert pictures["problem"].tolist() == ["", "", "", "B: Too small."]
    (pair,) = pair_table(every, COLUMNS).to_dict("records")
    assert (pair["pictures"], pair["people of both"], pair["only the second"]) == (3, 2, 1)
    columns = column_table(every, COLUMNS, ["One", "Two"]).to_dict("records")
    assert [(row["pictures"], row["people"], row["median ms"]) for row in columns] == [(4, 3, 7.5), (3, 3, 20.0)]
    assert columns[1]["settings"] == "pose_threshold=0.3"
    assert joint_table(every, 0, 1)["median px"].tolist() == [2.5] * 17


def test_pictures_on_which_columns_disagree_come_first() -> None:
    every = compared()
    assert most_different(every) == [1, 0, 2, 3]
    assert disagreement(every[2]) == 0
    assert disagreement(every[3]) is None


def test_the_report_needs_nothing_else() -> None:
    files = report_files(COLUMNS, ["One <b>", "Two"], compared(), lambda place: b"jpeg%d" % place)
    page = files["report.html"].decode()
    assert "One &lt;b&gt;" in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert "http" not in page
    rows = files["keypoints.csv"].decode().splitlines()
    assert len(rows) == 1 + 17 * (3 + 3)


def test_a_column_as_text() -> None:
    assert parse_column("run:mine@pose-threshold=0.3, mode=single") == (
        "run:mine",
        {"pose_threshold": "0.3", "mode": "single"},
    )
    assert str(Column("a", {"pose_threshold": 0.3})) == "a@pose_threshold=0.3"
    assert parse_column("a+b") == ("a+b", {})
    for wrong in ("a@", "@pose_threshold=1", "a@pose_threshold", "a@=1"):
        with pytest.raises(SettingsError):
            parse_column(wrong)
