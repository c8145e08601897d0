"""Charts of Tune: two scales whose ticks are round and lie beside each other."""

from __future__ import annotations

import pytest

from posecore.evaluation.tuning import Shown
from posecore.evaluation.unlabelled import Agreed
from posecore.settings import Control
from posecore.ui.tune.charts import agreement_curves, round_step, shown_curves

CONTROL = Control("pose_threshold", "Pose threshold", "", "float", 0.25, minimum=0.0, maximum=1.0, step=0.01)


@pytest.mark.parametrize(
    ("least", "step"), [(0, 1), (0.16, 0.2), (0.2, 0.2), (0.21, 0.25), (0.3, 0.5), (3.4, 5), (7, 10), (10, 10)]
)
def test_steps_are_round_and_large_enough(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_ticks_of_both_scales_lie_beside_each_other_and_hold_all_curves() -> None:
    agreed = [Agreed(6, 0.3, 4, 5, 1), Agreed(6, None, 0, 0, 9)]
    shown = [Shown(6, 17, 204, 0), Shown(6, 0, 0, 6)]
    for chart in (
        agreement_curves(CONTROL, [0.1, 0.9], agreed, 0.25),
        shown_curves(CONTROL, [0.1, 0.9], shown, 0.25),
    ):
        axes = {"y": chart.layout.yaxis, "y2": chart.layout.yaxis2}
        assert [axis.range[1] / axis.dtick for axis in axes.values()] == pytest.approx([5.1, 5.1])
        for line in chart.data:
            assert all(value <= axes[line.yaxis].range[1] for value in line.y if value is not None)
    assert agreement_curves(CONTROL, [0.1], agreed[:1], 0.25).layout.yaxis.range == (0, pytest.approx(1.02))
