"""Choosing a labelled set: parts, sets without labels, and the drawn one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.library import Library
from posecore.data.synthetic import sample
from posecore.skeleton import COCO_17
from posecore.ui.shared.sets.labelled_set import part_of
from tests.app_support import as_read, jpeg


def page() -> None:
    from posecore.ui.shared.sets.labelled_set import pick_labelled_set

    chosen = pick_labelled_set()
    import streamlit as st

    st.text("nothing" if chosen is None else chosen.name)


def test_parts_are_chosen_and_a_set_without_labels_is_refused(home: Path, tmp_path: Path) -> None:
    library = Library(home / "datasets")
    library.add_synthetic("drawn", 4, 0).set_split(0.5, 0)
    (tmp_path / "one.jpg").write_bytes(jpeg(60, 40))
    library.create("waiting", [tmp_path / "one.jpg"], COCO_17)
    app = AppTest.from_function(page, default_timeout=30).run()
    assert as_read(app.warning[0].value).startswith("None of these pictures is labelled yet")
    assert app.text[0].value == "nothing"
    app.selectbox(key="dataset").set_value("drawn").run()
    assert app.text[0].value == "drawn/val"
    app.segmented_control(key="labelled_set_part_drawn").set_value("all").run()
    assert app.text[0].value == "drawn"
    app.selectbox(key="dataset").set_value("@drawn").run()
    assert app.text[0].value == "@drawn"
    assert not app.exception


def test_drawn_people_are_drawn_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SAMPLE_PICTURES", 2)
    first = sample.sample_people()
    assert (len(first), first.name) == (2, "Drawn people")
    assert first.people > 0
    stamp = (sample.sample_folder() / "annotations.json").stat().st_mtime_ns
    sample.sample_people()
    assert (sample.sample_folder() / "annotations.json").stat().st_mtime_ns == stamp


def test_a_part_is_its_pictures() -> None:
    image = AnnotatedImage(Path("a.jpg"), (4, 4), (), 1, split="val")
    dataset = PoseDataset("set", COCO_17, (image, replace(image, image_id=2, split=None)))
    assert [one.image_id for one in part_of(dataset, "val")] == [1]
    assert part_of(dataset, None) is dataset
