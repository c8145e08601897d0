"""Evaluations that are kept: read back as they were, compared picture by picture, refused when damaged or newer."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from posecore.errors import DataError, SettingsError, StorageError
from posecore.evaluation import saved as saved_module
from posecore.evaluation.paired import compare
from posecore.evaluation.paired_report import paired_html
from posecore.evaluation.saved import SavedEvaluations
from posecore.evaluation.summary import Measured, summarise
from posecore.skeleton import COCO_17
from tests.evaluation_support import evaluation, whole


@pytest.fixture(scope="module")
def first() -> Measured:
    return summarise(replace(evaluation([8.0] * 10, missing=0.2), model="before", dataset="set"), weights="abc")


@pytest.fixture(scope="module")
def second() -> Measured:
    return summarise(replace(evaluation([3.0] * 10, seed=1), model="after", dataset="set"))


def test_what_is_kept_is_read_back_as_it_was(tmp_path: Path, first: Measured) -> None:
    kept = SavedEvaluations(tmp_path)
    saved = kept.save(first)
    assert saved.name == "before-on-set"
    assert kept.save(first).name == "before-on-set-2"
    back = kept.get("before-on-set").measured()
    assert back.summary == first.summary
    assert back.summary.provenance.weights == "abc"
    for one in fields(back.values):
        found, kept_as = (np.asarray(getattr(values, one.name)) for values in (back.values, first.values))
        if one.name == "similarity":  # in half the digits
            np.testing.assert_allclose(found, kept_as, rtol=1e-6)
        else:
            np.testing.assert_array_equal(found, kept_as)


def test_the_list_is_renamed_and_cleared(tmp_path: Path, first: Measured, second: Measured) -> None:
    kept = SavedEvaluations(tmp_path)
    kept.save(first)
    kept.save(second, "good")
    assert {one.name: one.head.named for one in kept.all() if one.head} == {"good": True, "before-on-set": False}
    base = kept.rename("before-on-set", "base")
    assert base.head is not None
    assert (base.name, base.head.named) == ("base", True)
    with pytest.raises(DataError, match="already"):
        kept.rename("base", "Good")
    with pytest.raises(DataError, match="cannot be called"):
        kept.save(first, "../out")
    with pytest.raises(DataError, match="did you mean 'good'"):
        kept.get("goode")
    kept.remove("good")
    assert [one.name for one in kept.all()] == [one.name for one in tmp_path.iterdir()] == ["base"]


def test_unnamed_ones_go_first_and_named_ones_never(
    tmp_path: Path, first: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = SavedEvaluations(tmp_path)
    kept.save(first, "mine")
    size = sum(file.stat().st_size for file in (tmp_path / "mine").iterdir())
    monkeypatch.setattr(saved_module, "UNNAMED", 3)
    for _ in range(5):
        kept.save(first)
    assert len(kept.all()) == 4
    monkeypatch.setenv("POSECORE_EVALUATIONS_GB", str(2.5 * size / 1e9))
    kept.save(first)
    assert len(kept.all()) == 2
    assert "mine" in {one.name for one in kept.all()}
    monkeypatch.setenv("POSECORE_EVALUATIONS_GB", str(1.5 * size / 1e9))
    with pytest.raises(StorageError, match="remove some"):
        kept.save(first)
    monkeypatch.setenv("POSECORE_EVALUATIONS_GB", "much")
    with pytest.raises(SettingsError, match="gigabytes"):
        kept.save(first)


def test_what_cannot_be_read_does_not_go_by_itself(
    tmp_path: Path, first: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of somebody's choice stands in the head, which only a newer posecore may read."""
    kept = SavedEvaluations(tmp_path)
    head = kept.save(first, "mine").folder / "head.json"
    head.write_text(json.dumps({**json.loads(head.read_text()), "schema": 99}))
    monkeypatch.setattr(saved_module, "UNNAMED", 1)
    for _ in range(2):
        kept.save(first)
    assert sorted(one.name for one in kept.all()) == ["before-on-set", "mine"]


@pytest.mark.parametrize("file", ["head.json", "summary.json", "values.npz"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"PK\x03\x04rubbish", b'{"schema": 1}'])
def test_damage_is_one_sentence(tmp_path: Path, first: Measured, file: str, damage: bytes) -> None:
    kept = SavedEvaluations(tmp_path)
    folder = kept.save(first, "one").folder
    (folder / file).write_bytes(damage)
    with pytest.raises(DataError, match=r"^The evaluation 'one' is damaged and cannot be read: remove it[^\n]*\.$"):
        kept.get("one").measured()
    assert [one.name for one in kept.all()] == ["one"]
    kept.remove("one")


def test_a_file_cut_short_and_one_of_a_newer_posecore(tmp_path: Path, first: Measured) -> None:
    kept = SavedEvaluations(tmp_path)
    folder = kept.save(first, "one").folder
    whole_file = (folder / "values.npz").read_bytes()
    (folder / "values.npz").write_bytes(whole_file[: len(whole_file) // 2])
    with pytest.raises(DataError, match="damaged"):
        kept.get("one").measured()
    head = json.loads((folder / "head.json").read_text())
    (folder / "head.json").write_text(json.dumps({**head, "schema": 99, "unknown": 1}))
    assert "newer posecore (layout 99" in kept.get("one").broken
    assert kept.all()[0].created > 0


def test_paired_differences(first: Measured, second: Measured) -> None:
    found = compare(first, second)
    assert (found.pictures, found.remarks) == (10, ())
    by_name = {one.name: one for one in found.figures}
    assert {"AP", "AR", "AP_medium", "PCK@0.2", "OKS"} <= by_name.keys()
    for name in ("AP50", "AP75", "AR50", "AR75"):
        assert by_name[name].before == pytest.approx(first.summary.figures[name].value)
        assert (by_name[name].low or 0) <= by_name[name].change <= (by_name[name].high or 0)
    for name in ("AP", "PCK@0.2", "OKS"):
        assert by_name[name].before == pytest.approx(first.summary.figures[name].value)
        assert by_name[name].after == pytest.approx(second.summary.figures[name].value)
        assert not by_name[name].may_be_chance
        assert (by_name[name].low or 0) <= by_name[name].change <= (by_name[name].high or 0)
    assert [one.name for one in found.keypoints] == list(COCO_17.keypoints)
    itself = compare(first, first)
    assert all(one.change == 0 and one.may_be_chance for one in (*itself.figures, *itself.keypoints))


def test_a_comparison_as_a_page(first: Measured, second: Measured) -> None:
    found = replace(compare(first, second), remarks=("Mind <this>.",))
    page = paired_html(found, ("one", "<two>"))
    assert "<title>one → &lt;two&gt;</title>" in page
    assert "Mind &lt;this&gt;." in page
    change = next(one.change for one in found.figures if one.name == "AP75")
    assert f"{change:+.3f}" in page
    assert page.count("<svg") == 2
    assert all(name in page for name in COCO_17.keypoints)
    assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]*", "", page)


def test_only_pictures_with_the_same_labels_are_compared(first: Measured) -> None:
    more = summarise(replace(evaluation([8.0] * 14, missing=0.2), model="more", dataset="larger"))
    found = compare(first, more)
    assert found.pictures == 10
    assert "Compared on the 10 pictures that both have" in found.remarks[0]
    others = summarise(replace(evaluation([8.0] * 3, people=1), dataset="others"))
    with pytest.raises(DataError, match="no picture with the same labels in common"):
        compare(first, others)
    with pytest.raises(DataError, match="whole pictures"):
        compare(first, summarise(whole(evaluation([8.0] * 10))))


def test_empty_pictures_groups_and_worst_cases() -> None:
    found = summarise(whole(evaluation([4.0] * 8, missing=0.2), empty=4, ghosts=1)).summary
    assert found.empty is not None
    assert (found.empty.pictures, found.empty.per_100.value) == (4, 25.0)
    ((score, per_100),) = found.empty.by_score
    assert score == pytest.approx(0.3, abs=1e-4)
    assert per_100 == 25.0
    for groups in found.groups.values():
        assert sum(one.people for one in groups) == found.people
    assert [one.name for one in found.groups["size"] if one.people] == ["32 to 96 px"]
    assert [one.name for one in found.groups["keypoints"]] == ["1 to 5", "6 to 10", "11 to 15", "16 to 17"]
    # Both people of a picture have one box.
    assert found.groups["crowding"][-1].people == found.people
    assert found.worst[0].what == "not found"
    assert [one.what for one in found.worst].count("nobody") == 1
    oks = [one.oks for one in found.worst if one.oks is not None]
    assert oks == sorted(oks)
    none_found = summarise(whole(evaluation([4.0] * 8), empty=10)).summary.empty
    assert none_found is not None
    assert (none_found.per_100.value, none_found.per_100.low) == (0.0, 0.0)
    assert none_found.per_100.high == pytest.approx(36.9, abs=0.1)


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_anywhere_and_a_single_picture(tmp_path: Path, count: int) -> None:
    one = whole(evaluation([5.0] * count), empty=3 * (1 - count), ghosts=1)
    saved = SavedEvaluations(tmp_path).save(summarise(one))
    summary = saved.summary()
    assert summary.figures["AP"].low is None
    assert (summary.figures["AP"].value is None) == (count == 0)
    assert (summary.empty is None) == (count == 1)
    again = saved.measured()
    assert [one.name for one in compare(again, again).figures] == [
        *("AP", "AP50", "AP75", "AP_medium", "AR", "AR50", "AR75", "AR_medium", "OKS")
    ] * count


def test_other_settings_of_one_model_are_told() -> None:
    found = whole(evaluation([5.0] * 6))
    first, second = (
        summarise(replace(found, settings={"output_stride": stride, "mode": "multi"})) for stride in (16, 8)
    )
    assert compare(first, second).remarks == ("The same model with other output_stride 16 → 8.",)


def test_figures_tell_how_far_they_are_and_end_when_told() -> None:
    told: list[float] = []
    found = whole(evaluation([4.0] * 8), empty=2)
    summarise(found, tell=told.append)
    assert told == sorted(told)
    assert len(told) > 100
    assert told[-1] <= 1
    late = [share for share in told if share > 0.5]

    def end(share: float) -> None:
        if share > 0.5:
            told.append(share)
            raise DataError("Enough.")

    told.clear()
    with pytest.raises(DataError, match="Enough"):
        summarise(found, tell=end)
    assert told == late[:1]
