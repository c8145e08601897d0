"""Tuning on kept fields: the same answers as running everything again, bounds that hold, and gains that are real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecore import load_model
from posecore.data.annotations import PoseDataset
from posecore.data.detect import open_dataset
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError, SettingsError
from posecore.evaluation import measure, predict, protocol_settings
from posecore.evaluation.field_sets import FieldFolder, FieldSet, keep_fields
from posecore.evaluation.tuning import (
    Bench,
    Goal,
    Survey,
    figures_of,
    grid,
    sweep,
    sweep_two,
    tunable,
    tune,
    tune_among,
)
from posecore.fields import Fields
from posecore.model import PoseModel

NAMES = ("posenet-mobilenet_v1-075", "movenet-lightning", "openpose-mobilenet_thin")
SMALL: dict[str, dict[str, Any]] = {
    "posenet-mobilenet_v1-075": {"input_size": 161},
    "movenet-lightning": {"input_size": 128},
    "openpose-mobilenet_thin": {"input_size": 160},
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    labels = write_dataset(tmp_path_factory.mktemp("drawn"), 12, seed=3, size=(160, 160))
    return open_dataset(labels)


@pytest.fixture(scope="module", params=NAMES)
def kept(request: pytest.FixtureRequest, people: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    model = load_model(request.param)
    network, decode = protocol_settings(model, "full", SMALL[request.param])
    fields = keep_fields(model, people.images, "full", network, folder=tmp_path_factory.mktemp("fields"))
    return model, fields, network, decode


def bench_of(kept: tuple[PoseModel, FieldSet, Any, Any], people: PoseDataset) -> Bench:
    model, fields, _, decode = kept
    return Bench(model, fields, people.skeleton, decode)


def test_settings_that_only_hide(kept: tuple[PoseModel, FieldSet, Any, Any]) -> None:
    model, fields, _, decode = kept
    names = model.decode_settings_class.filters
    for _, one in fields:
        shown = model.decode(one, **{**decode, **dict.fromkeys(names, 0.0)})
        for value in (0.05, 0.2, 0.4):
            thresholds = dict.fromkeys(names, value)
            again = model.decode(one, **{**decode, **thresholds})
            hidden = shown.filter(**thresholds)
            # Who are most people may differ: those beyond are the weakest.
            assert np.array_equal(again.keypoints, hidden.keypoints, equal_nan=True)
            assert np.array_equal(again.scores, hidden.scores)


def test_figures_are_those_of_running_the_network(
    kept: tuple[PoseModel, FieldSet, Any, Any], people: PoseDataset
) -> None:
    model, _, network, decode = kept
    bench = bench_of(kept, people)
    for changes in ({}, {"keypoint_threshold": 0.3}, {"pose_threshold": 0.3, "keypoint_threshold": 0.1}):
        predictions = predict(model, people, "full", network, {**decode, **changes})
        expected = measure(predictions, "full", people.skeleton, model.skeleton)
        found = bench.figures(changes)
        for name in ("AP", "AR"):
            assert getattr(found, name) == pytest.approx(expected.precision[name], abs=1e-9)
        assert found.people == expected.people


def test_kept_fields_are_found_again_and_damaged_ones_made_anew(people: PoseDataset, tmp_path: Path) -> None:
    model = load_model(NAMES[0])
    network, _ = protocol_settings(model, "full", SMALL[NAMES[0]])
    some = people.images[:3]
    first = [fields for _, fields in keep_fields(model, some, "full", network, folder=tmp_path)]
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:1000])
    stamps = {file: file.stat().st_ino for file in files[1:]}
    again = [fields for _, fields in keep_fields(model, some, "full", network, folder=tmp_path)]
    assert {file: file.stat().st_ino for file in files[1:]} == stamps
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(a.values, b.values) for a, b in zip(one.maps, other.maps, strict=True))


def test_what_was_not_used_for_longest_goes(
    people: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(NAMES[0])
    network, _ = protocol_settings(model, "full", SMALL[NAMES[0]])
    monkeypatch.setenv("POSECORE_FIELDS_GB", "0")
    keep_fields(model, people.images[:2], "full", network, folder=tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 2, "what is in use stays"
    keep_fields(model, people.images[2:3], "full", network, folder=tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    together = FieldFolder(tmp_path)
    for some in (people.images[:2], people.images[1:3]):
        keep_fields(model, some, "full", network, folder=together)
    assert len(list(tmp_path.glob("*.npz"))) == 3, "what is needed together stays together"
    monkeypatch.setenv("POSECORE_FIELDS_GB", "much")
    with pytest.raises(SettingsError, match="POSECORE_FIELDS_GB"):
        keep_fields(model, people.images[:2], "full", network, folder=tmp_path)


@pytest.fixture(scope="module")
def analysed(people: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, Fields]]:
    model = load_model(NAMES[0])
    network, _ = protocol_settings(model, "full", SMALL[NAMES[0]])
    return list(keep_fields(model, people.images, "full", network, folder=tmp_path_factory.mktemp("fields")))


@pytest.fixture(scope="module")
def bench(people: PoseDataset, analysed: list[tuple[Any, Fields]]) -> Bench:
    model = load_model(NAMES[0])
    _, decode = protocol_settings(model, "full", SMALL[NAMES[0]])
    return Bench(model, analysed, people.skeleton, decode)


def test_hiding_more_finds_fewer(bench: Bench) -> None:
    swept = sweep(bench, "pose_threshold", [0.0, 0.2, 0.4, 0.6, 1.0])
    assert all(one.poses >= other.poses for one, other in pairwise(swept))
    assert swept[-1].poses == 0
    assert swept[-1].precision is None
    rows = sweep_two(bench, "pose_threshold", "keypoint_threshold", ([0.1, 0.5], [0.0, 0.3, 0.9]))
    assert [len(row) for row in rows] == [3, 3]
    assert rows[0][0] == bench.figures({"pose_threshold": 0.1, "keypoint_threshold": 0.0})


def test_a_bad_start_is_mended_and_the_other_half_says_so(bench: Bench, people: PoseDataset) -> None:
    poor = bench.fixed_at({**bench.fixed, "pose_threshold": 0.95})
    tuned = tune(poor, Goal("F1"), ["pose_threshold", "keypoint_threshold"], trials=40)
    assert 0 < len(tuned.trials) <= 40
    assert tuned.chosen == max((one.figures for one in tuned.trials), key=lambda figures: figures.f1 or 0.0)
    assert (tuned.confirmed.f1 or 0) > (tuned.before.f1 or 0)
    assert tuned.gain.high > 0
    assert "pose_threshold" in tuned.verdict
    assert tuned.confirmed.pictures + tuned.chosen.pictures == len(people)


def test_of_several_networks_the_best_one_is_taken(bench: Bench) -> None:
    poor = bench.fixed_at({**bench.fixed, "pose_threshold": 0.95})
    steps: list[None] = []
    among = tune_among([poor, bench, poor], poor, Goal("F1"), [], advance=lambda: steps.append(None))
    tuned = among.tuned
    assert (among.place, len(steps)) == (1, 3)
    assert [one.figures == tuned.chosen for one in among.best] == [False, True, False]
    assert (tuned.confirmed.f1 or 0) > (tuned.before.f1 or 0)
    same = tune_among([bench], bench, Goal("F1"), []).tuned
    assert same.confirmed == same.before == tuned.confirmed
    assert not same.certain


def test_a_search_keeps_its_bound_and_repeats_itself(bench: Bench) -> None:
    goal = Goal("false people", 0.0)
    found = [tune(bench, goal, ["pose_threshold"], trials=30, seed=4) for _ in range(2)]
    assert found[0].settings == found[1].settings
    assert found[0].chosen.false_per_100 == 0
    allowed = [one.figures.recall or 0 for one in found[0].trials if one.figures.false_per_100 == 0]
    assert found[0].chosen.recall == max(allowed)


def test_values_keep_ranges_and_steps(bench: Bench) -> None:
    names = [one.name for one in tunable(bench.model)]
    tuned = tune(bench, Goal("AP"), names, trials=12)
    for trial in tuned.trials:
        bench.model.decode_settings(**trial.settings)


def test_a_search_can_be_ended(bench: Bench) -> None:
    count = iter(range(100))

    def advance() -> None:
        if next(count) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(bench, Goal("AP"), ["pose_threshold"], trials=50, advance=advance)


class Gone:
    """A set whose pictures have nobody on them."""

    def __init__(self, inner: FieldSet | list[Any]) -> None:
        self.inner = inner

    def __iter__(self) -> Iterator[tuple[Any, Fields]]:
        for view, fields in self.inner:
            yield replace(view, image=replace(view.image, people=())), fields


def test_a_grid_keeps_to_the_setting(bench: Bench) -> None:
    for control in tunable(bench.model):
        values = grid(control, 7)
        assert len(values) == len(set(values)) > 1
        for value in values:
            bench.model.decode_settings(**{control.name: value})
        if control.kind != "choice":
            assert (values[0], values[-1]) == (control.minimum, control.maximum)


def test_what_settings_show_without_labels(bench: Bench, analysed: list[tuple[Any, Fields]]) -> None:
    survey = Survey(bench.model, analysed)
    for threshold in (0.0, 0.2, 0.6):
        settings = {**bench.fixed, "pose_threshold": threshold, "keypoint_threshold": 0.3}
        decoded = [bench.model.decode(fields, **settings) for _, fields in analysed]
        shown = survey.shown(settings)
        assert shown.people == sum(map(len, decoded))
        assert shown.joints == sum(int(poses.present.sum()) for poses in decoded)
        assert shown.empty == sum(not len(poses) for poses in decoded)
        assert shown.pictures == len(analysed)
    people, joints = survey.scores(settings)
    assert len(people) > shown.people
    assert len(joints) == 17 * len(people)


def test_what_cannot_be_tuned(bench: Bench, people: PoseDataset, analysed: list[tuple[Any, Fields]]) -> None:
    with pytest.raises(SettingsError, match="nothing to search over"):
        tune(bench, Goal(), ["stride"])
    with pytest.raises(SettingsError, match="no goal"):
        Goal("speed")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="from 0 to 1"):
        Goal("precision", 3)
    nobody = Bench(bench.model, Gone(analysed), people.skeleton, bench.fixed)
    with pytest.raises(DataError, match="people on them"):
        tune(nobody, Goal(), ["pose_threshold"])
    figures = nobody.figures({})
    assert figures.AP is None
    assert figures.recall is None


def test_nothing_at_all() -> None:
    assert figures_of([]).precision is None
