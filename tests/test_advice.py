"""Which model to take: by measured figures, for what somebody wants."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from posecore.cli import app
from posecore.zoo import list_models, model_info
from posecore.zoo.advice import NEEDS, PEOPLE, Advice, advise, better_than
from posecore.zoo.guide import guide


@pytest.fixture(autouse=True)
def _only_shipped(home: Path) -> None:
    """Nothing is downloaded."""


@pytest.mark.parametrize(("people", "need"), list(product(PEOPLE, NEEDS)))
def test_the_best_measured_model_comes_first_and_something_is_always_here(people: str, need: str) -> None:
    found = advise(people, need)  # type: ignore[arg-type]
    assert [one.ap for one in found] == sorted((one.ap for one in found), reverse=True)
    assert any(one.info.available for one in found)
    for one in found:
        figures = guide().figures[one.info.name]
        assert one.ap == (figures.crops if people == "one" else figures.full)
        assert f"AP {one.ap:.3f}" in one.why


def test_needs_leave_out_what_does_not_meet_them() -> None:
    exact, live, inside = (advise("several", need) for need in ("exact", "live", "inside"))
    assert {one.info.name for one in live} | {one.info.name for one in inside} <= {one.info.name for one in exact}
    assert exact[0].info.stages, "two stages are the most exact for several people"
    assert not any(one.info.stages for one in live)
    assert all(guide().networks[one.info.architecture].quick for one in live)
    assert all(guide().networks[(one.info.stages or (one.info,))[0].architecture].inside for one in inside)
    assert advise("one", "exact")[0].info.architecture == "movenet-thunder"
    assert not {"movenet-thunder", "movenet-lightning"} & {one.info.architecture for one in exact}


def test_better_ones_of_this_machine_are_named_first() -> None:
    info = model_info("posenet-mobilenet_v1-075.posecore")
    found = [
        Advice(replace(info, name=name, available=here), ap, "")
        for name, here, ap in (("a", False, 0.4), ("b", True, 0.3), ("c", True, 0.2), ("d", False, 0.1))
    ]
    assert better_than(found, "a") is None
    assert better_than(found, "unknown") is None
    assert better_than(found, "b") is found[0]
    assert better_than(found, "d") is found[1]


def test_the_command_says_which_model_to_take() -> None:
    runner = CliRunner()
    said = runner.invoke(app, ["models", "--people", "one", "--json"])
    rows = json.loads(said.output)
    assert [row["name"] for row in rows] == [one.info.name for one in advise("one", "exact")]
    assert {row["here"] for row in rows if row["name"] in {info.name for info in list_models() if info.available}} == {
        True
    }
    said = runner.invoke(app, ["models", "--need", "live"])
    assert said.exit_code == 0
    assert said.output.index("movenet-multipose") < said.output.index("posenet-mobilenet_v1-075.posecore")
    assert "posecore evaluate" in said.output
