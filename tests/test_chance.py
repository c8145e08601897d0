"""Whether a difference between two models is more than chance: against known differences and exact figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecore.evaluation import Interval, difference_intervals, measure
from posecore.evaluation.chance import _measured, figures_on, intervals, paired_differences
from posecore.evaluation.values import values_of
from posecore.skeleton import COCO_17
from tests.evaluation_support import evaluation


def test_every_picture_drawn_once_gives_the_figures_of_coco() -> None:
    found = evaluation(np.linspace(1, 12, 15).tolist(), people=3, missing=0.2)
    draws = _measured(values_of(found), np.arange(15), np.ones((2, 15)))
    assert 0.1 < (found.precision["AP"] or 0) < 0.9
    for name in ("ap", "ar"):
        assert draws[name] == pytest.approx(found.precision[name.upper()], abs=1e-9)


def test_pictures_drawn_twice_count_twice() -> None:
    """Doubling every picture changes nothing, and drawing one alone gives its own figures."""
    found = evaluation([4.0, 20.0], people=3)
    alone = evaluation([4.0], people=3)
    draws = _measured(values_of(found), np.arange(2), np.array([(1.0, 1.0), (2.0, 2.0), (1.0, 0.0)]))
    assert draws["ap"][0] == pytest.approx(draws["ap"][1], abs=0.02)
    assert draws["ap"][2] == pytest.approx(alone.precision["AP"], abs=1e-9)
    assert draws["ar"][2] == pytest.approx(alone.precision["AR"], abs=1e-9)


def test_a_model_beside_itself_has_changed_nothing() -> None:
    found = evaluation([8.0] * 10)
    assert difference_intervals(found, found) == {name: Interval(0.0, 0.0) for name in ("ap", "ar", "pck", "oks")}


def test_whole_pictures_have_intervals_but_no_share_of_correct_joints() -> None:
    crops = evaluation([8.0] * 10)
    whole = measure([replace(item, answers=None) for item in crops.predictions], "full", COCO_17, COCO_17)
    assert intervals(crops).keys() == {"ap", "ar", "oks", "pck"}
    found = intervals(whole)
    assert found.keys() == {"ap", "ar", "oks"}
    assert found["ap"].low <= (whole.precision["AP"] or 0) <= found["ap"].high


@pytest.mark.parametrize(("pictures", "told"), [(5, False), (6, True), (40, True)])
def test_a_gain_everywhere_is_more_than_chance_unless_there_are_few_pictures(pictures: int, told: bool) -> None:
    worse, better = evaluation([14.0] * pictures), evaluation([3.0] * pictures, seed=1)
    intervals = difference_intervals(worse, better)
    assert set(intervals) == {"ap", "ar", "pck", "oks"}
    assert all(interval.holds_zero != told for interval in intervals.values())
    turned = difference_intervals(better, worse)
    for name, interval in intervals.items():
        assert (-turned[name].high, -turned[name].low) == pytest.approx((interval.low, interval.high))


def test_gains_on_some_pictures_and_losses_on_others_are_chance() -> None:
    noise = [3.0, 14.0] * 8
    intervals = difference_intervals(evaluation(noise), evaluation(noise[::-1]))
    assert all(interval.low < 0 < interval.high for interval in intervals.values())


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Two models that are equally good: 0 lies outside in about one of twenty comparisons."""
    outside = 0
    for trial in range(60):
        before = evaluation([9.0] * 12, people=1, seed=2 * trial)
        after = evaluation([9.0] * 12, people=1, seed=2 * trial + 1)
        outside += not difference_intervals(before, after)["oks"].holds_zero
    assert outside <= 9


def test_figures_by_size_and_keypoint_and_on_some_of_the_pictures() -> None:
    first, second = evaluation([4.0] * 8), evaluation([9.0] * 10, seed=3)
    before, after = (values_of(one, ("all", "medium", "large")) for one in (first, second))
    found = paired_differences(before, after)
    assert {"ap", "ap_medium", "similarity_0", "similarity_16", "pck"} <= found.keys()
    # Everybody is of medium size.
    assert found["ap_medium"].high < 0
    assert "ap_large" not in found
    assert found["similarity_3"].high < 0
    on_shared = figures_on(after, before.pictures)
    shared = replace(second, predictions=second.predictions[:8])
    assert on_shared["ap"] == pytest.approx(figures_on(values_of(shared), np.arange(8))["ap"], abs=1e-9)
    assert on_shared["oks"] == pytest.approx(values_of(second).oks[:16].mean())
    nothing = paired_differences(before, values_of(replace(second, predictions=())))
    assert nothing == {}
