"""The sets that posecore keeps: nothing is lost on the way in, on the way out, or when two write at once."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from posecore.cli.library import app
from posecore.data.annotations import Label, Person, PoseDataset
from posecore.data.archives import ZipLimits
from posecore.data.coco import read_coco
from posecore.data.detect import WRITERS, Format, open_dataset
from posecore.data.held import Memo
from posecore.data.library import Library, StoredSet
from posecore.data.naming import suggested_names
from posecore.data.pictures import PictureCarrier
from posecore.data.skeleton_draft import SkeletonDraft, edited_rows
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError, SkeletonError
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import Proposal
from posecore.labelling.skeletons import change_skeleton
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from posecore.training.config import make_config
from posecore.training.sources import read_source

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STICK = Skeleton("stick", ("top", "end", "left_x", "right_x"), ((0, 1),), ((2, 3),))


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 150)).save(path)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "datasets")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO folder of six small pictures."""
    folder = tmp_path_factory.mktemp("drawn")
    write_dataset(folder, 6, seed=3, size=(160, 120))
    return folder


@pytest.fixture
def sticks(library: Library, tmp_path: Path) -> StoredSet:
    """Six pictures that wait for labels."""
    return library.create("sticks", [picture(tmp_path / "in" / f"{i}.png") for i in range(6)], STICK)


def stick(
    x: float = 10.0, labels: tuple[Label, ...] = (Label.VISIBLE, Label.HIDDEN, Label.UNLABELLED, Label.ABSENT)
) -> Person:
    kinds = np.array(labels, np.uint8)
    known = (kinds == Label.VISIBLE) | (kinds == Label.HIDDEN)
    xy = np.array([[x, 20.5], [30.125, 7], [12, 13], [14, 15]], np.float32)
    return Person(np.where(known[:, None], xy, np.nan).astype(np.float32), kinds, (5.0, 1.0, 40.5, 30.25), 321.5)


def same(a: Person, b: Person) -> bool:
    return (
        np.array_equal(a.labels, b.labels)
        and np.allclose(a.keypoints, b.keypoints, atol=1e-3, equal_nan=True)
        and np.allclose(a.box, b.box, atol=1e-3)
        and a.area == pytest.approx(b.area, abs=1e-3)
        and (a.crowd, a.category) == (b.crowd, b.category)
    )


def left_behind(library: Library) -> list[str]:
    """Everything in the library's folder but its locks."""
    return [] if not library.folder.is_dir() else [p.name for p in library.folder.iterdir() if p.name != ".locks"]


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as out:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            out.write(file, file.relative_to(folder))
    return target


# --- adding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", list(WRITERS))
@pytest.mark.parametrize("as_zip", [False, True])
def test_every_format_comes_in_whole(
    library: Library, drawn: Path, tmp_path: Path, format: Format, as_zip: bool
) -> None:
    original = open_dataset(drawn)
    written = WRITERS[format](original, tmp_path / "written")
    source = zipped(written, tmp_path / "set.zip") if as_zip else written
    stored = library.add("set", source)
    assert not stored.problems
    read = stored.dataset()
    assert [len(image.people) for image in read] == [len(image.people) for image in original]
    assert read.skeleton == COCO_17
    for image, before in zip(read, original, strict=True):
        assert image.path.read_bytes() == before.path.read_bytes()
        for person, old in zip(image.people, before.people, strict=True):
            assert np.allclose(person.keypoints[old.labelled], old.keypoints[old.labelled], atol=0.02)
    # The folder is an ordinary one, whatever it was made from.
    assert len(open_dataset(stored.folder)) == len(read_coco(stored.labels)) == 6
    assert source.exists()


@pytest.mark.parametrize("format", list(WRITERS))
def test_export_and_back(library: Library, drawn: Path, tmp_path: Path, format: Format) -> None:
    stored = library.add("set", drawn)
    stored.set_split(0.3, 1)
    again = library.add("again", stored.export(tmp_path / f"{format}.zip", format))
    assert again.parts() == stored.parts()
    assert again.dataset().people == stored.dataset().people
    assert stored.export(tmp_path / "folder", format).is_dir()


def test_absent_and_unlabelled_stay_apart(library: Library, sticks: StoredSet) -> None:
    sticks.set_people(1, [stick()])
    (person,) = Library(library.folder).get("sticks").image(1).people
    assert person.labels.tolist() == [Label.VISIBLE, Label.HIDDEN, Label.UNLABELLED, Label.ABSENT]


def test_published_two_keypoint_set(library: Library, reference: Path) -> None:
    stored = library.add("glue", reference / "annotations" / "yolo_pose" / "glue-stick-dataset-3")
    assert len(stored.skeleton) == 2
    assert stored.parts() == {"test": 1, "train": 1, "val": 1}
    # Training's usual number of keypoints would let nobody pass.
    assert stored.sources().train[0].pack.min_keypoints == 1


def test_published_eighteen_keypoints(library: Library, reference: Path, tmp_path: Path) -> None:
    labels = json.loads((reference / "annotations" / "roboflow_coco_keypoints.json").read_text())
    (tmp_path / "in").mkdir()
    labels["images"] = labels["images"][:2]
    kept = {image["id"] for image in labels["images"]}
    labels["annotations"] = [entry for entry in labels["annotations"] if entry["image_id"] in kept]
    for image in labels["images"]:
        picture(tmp_path / "in" / image["file_name"], (image["width"], image["height"]))
    (tmp_path / "in" / "_annotations.coco.json").write_text(json.dumps(labels))
    stored = library.add("eighteen", tmp_path / "in")
    assert stored.origin == "Roboflow COCO"
    assert len(stored.skeleton) == 18
    assert ("LHip", "RHip") in [tuple(stored.skeleton.keypoints[i] for i in p) for p in stored.skeleton.flip_pairs]
    other = suggested_names(stored.skeleton.keypoints)
    assert other["LAnkle"] == "left_ankle"
    assert "Hips" not in other


def test_pictures_alone_wait_for_labels(library: Library, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a" / "1.png")
    picture(tmp_path / "in" / "b" / "1.png")
    stored = library.add("bare", zipped(tmp_path / "in", tmp_path / "in.zip"))
    assert (len(stored.dataset()), stored.labelled()) == (2, 0)
    stored.set_people(1, [])
    assert stored.labelled() == 1
    assert not stored.image(1).waits
    assert stored.image(2).waits
    stored.set_people(1, [], done=False)
    assert stored.labelled() == 0


def test_a_picture_that_two_entries_share(library: Library, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    entries = [{"id": i, "file_name": "a.png", "width": 64, "height": 48} for i in (1, 2)]
    labels = {"images": entries, "annotations": [], "categories": [{"id": 1, "name": "x", "keypoints": ["a"]}]}
    (tmp_path / "in" / "labels.json").write_text(json.dumps(labels))
    for name, source in (("folder", tmp_path / "in"), ("zip", zipped(tmp_path / "in", tmp_path / "in.zip"))):
        stored = library.add(name, source)
        assert len(stored.dataset()) == 1
        assert all(image.path.is_file() for image in stored.dataset())


def test_damaged_pictures_are_listed(library: Library, drawn: Path, tmp_path: Path) -> None:
    written = WRITERS["coco"](open_dataset(drawn), tmp_path / "written")
    pictures = sorted((written / "images").iterdir())
    pictures[0].write_text("no picture")
    picture(pictures[1], (99, 98))
    pictures[2].unlink()
    stored = library.add("set", written)
    assert len(stored.dataset()) == 3
    reasons = " ".join(problem.reason for problem in stored.problems)
    assert "not a picture" in reasons
    assert "99 × 98 pixels, but labelled for 160 × 120" in reasons
    assert "missing" in reasons
    assert len(stored.problems) == 3
    assert Library(library.folder).get("set").problems == stored.problems


def test_drawn_people(library: Library) -> None:
    seen: list[tuple[int, int]] = []
    stored = library.add_synthetic("drawn", 2, 7, progress=lambda done, count: seen.append((done, count)))
    assert seen == [(1, 2), (2, 2)]
    assert (len(stored.dataset()), stored.labelled(), stored.skeleton) == (2, 2, COCO_17)


# --- what must not get in --------------------------------------------------------------------------------------------


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("annotations.json", b"0" * 60_000_000)


def traversal(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("../../escaped.json", "{}")


def absolute(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("/tmp/posecore-escaped.json", "{}")


def nested(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("inner.zip", b"PK\x05\x06" + bytes(18))


def labels_alone(path: Path) -> None:
    labels = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [],
        "categories": [{"id": 1, "name": "stick", "keypoints": ["top"], "skeleton": []}],
    }
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("labels.json", json.dumps(labels))


def no_zip(path: Path) -> None:
    path.write_bytes(b"this is no zip")


def cut_off(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a.txt", "words" * 100)
    path.write_bytes(path.read_bytes()[:-30])


def nothing(path: Path) -> None:
    with zipfile.ZipFile(path, "w"):
        pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bomb, "times its size"),
        (traversal, "leads out of the folder"),
        (absolute, "leads out of the folder"),
        (nested, "another zip, inner.zip; unpack it"),
        (labels_alone, "a.png is missing"),
        (no_zip, "cannot be unpacked"),
        (cut_off, "cannot be unpacked"),
        (nothing, "holds no labels that are known"),
    ],
)
def test_refused_with_nothing_left(
    library: Library, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "bad.zip")
    before = sorted(path for path in tmp_path.rglob("*") if library.folder not in path.parents)
    with pytest.raises(DataError, match=message) as error:
        library.add("bad", tmp_path / "bad.zip")
    assert ".adding" not in str(error.value)
    assert left_behind(library) == []
    after = sorted(path for path in tmp_path.rglob("*") if library.folder not in path.parents)
    assert after in (before, sorted([*before, library.folder]))
    assert not Path("/tmp/posecore-escaped.json").exists()


def test_limits_are_kept(library: Library, drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more than the 3 allowed"):
        library.add("set", zipped(drawn, tmp_path / "set.zip"), limits=ZipLimits(files=3))
    assert left_behind(library) == []


def test_names_of_zips_without_the_utf8_mark(library: Library, drawn: Path, tmp_path: Path) -> None:
    """As some programs write them: names in UTF-8 without saying so."""
    written = WRITERS["coco"](open_dataset(drawn), tmp_path / "written")
    name = "Bär 汉.jpg"
    stand_in = "q" * (len(name.encode()) - 4) + ".jpg"
    labels = json.loads((written / "annotations.json").read_text())
    (written / "images" / labels["images"][0]["file_name"]).rename(written / "images" / stand_in)
    labels["images"][0]["file_name"] = name
    (written / "annotations.json").write_text(json.dumps(labels))
    path = zipped(written, tmp_path / "set.zip")
    data = path.read_bytes()
    assert data.count(stand_in.encode()) == 2
    path.write_bytes(data.replace(stand_in.encode(), name.encode()))
    stored = library.add("set", path)
    assert not stored.problems
    assert name in [image.path.name for image in stored.dataset()]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\0b", "ü", "x" * 65, "-x", "con\n"])
def test_unsafe_names(library: Library, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be called"):
        library.create(name, [picture(tmp_path / "a.png")], STICK)
    with pytest.raises(DataError, match="There is no set"):
        library.get(name)
    assert left_behind(library) == []


def test_a_name_is_given_once(library: Library, sticks: StoredSet, tmp_path: Path) -> None:
    for name in ("sticks", "STICKS"):
        with pytest.raises(DataError, match="already"):
            library.create(name, [picture(tmp_path / "a.png")], STICK)
    assert library.unused_name("sticks") == "sticks-2"
    assert library.unused_name("../../ö!") == "pictures"


@given(st.text(max_size=80))
@FEW
def test_any_text_gives_a_usable_name(library: Library, text: str) -> None:
    library.check_name(library.unused_name(text))


def test_full_disk(library: Library, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring = PictureCarrier.bring
    brought: list[Any] = []

    def run_out(carrier: PictureCarrier, source: Path, folder: Path) -> Path:
        if len(brought) == 2:
            error = DataError(f"{source} cannot be brought.")
            raise error from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        brought.append(source)
        return bring(carrier, source, folder)

    monkeypatch.setattr(PictureCarrier, "bring", run_out)
    with pytest.raises(DataError, match=r"is full; free some space.* Nothing was added\."):
        library.add("set", drawn)
    assert len(brought) == 2
    assert left_behind(library) == []


def test_no_room_is_noticed_before_copying(library: Library, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(DataError, match="free some space"):
        library.add("set", drawn)
    with pytest.raises(DataError, match="free some space"):
        library.add_synthetic("other", 10, 0)
    assert left_behind(library) == []


def test_full_disk_while_labelling_keeps_what_there_was(sticks: StoredSet, monkeypatch: pytest.MonkeyPatch) -> None:
    sticks.set_people(1, [stick()])
    before = sticks.labels.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"full; free some space.*Nothing was changed"):
        sticks.set_people(1, [stick(), stick()])
    assert sticks.labels.read_bytes() == before
    assert not list(sticks.folder.glob(".*"))
    assert len(sticks.image(1).people) == 1


# --- the list --------------------------------------------------------------------------------------------------------


def test_newest_first_and_a_broken_one_does_not_hide_the_others(library: Library, sticks: StoredSet) -> None:
    library.add_synthetic("drawn", 1, 0)
    (library.folder / "broken").mkdir()
    (library.folder / "broken" / "annotations.json").write_text("{")
    (library.folder / "empty").mkdir()
    found = {stored.name: stored for stored in library.all()}
    assert set(found) == {"drawn", "sticks", "broken", "empty"}
    assert [name for name in found if not found[name].broken] == ["drawn", "sticks"]
    assert "not valid JSON" in found["broken"].broken
    assert "annotations.json is missing" in str(found["empty"].problems[0].reason)
    with pytest.raises(DataError, match=r"there are: .*drawn"):
        library.get("other")


def test_a_lost_note_costs_only_the_title(library: Library, sticks: StoredSet) -> None:
    sticks.set_title("  Sticks of\n mine ")
    assert library.get("sticks").title == "Sticks of mine"
    (sticks.folder / "dataset.json").write_text("[]")
    assert library.get("sticks").title == "sticks"
    assert len(library.get("sticks").dataset()) == 6


def test_removed_is_gone(library: Library, sticks: StoredSet) -> None:
    library.remove("sticks")
    assert left_behind(library) == []
    with pytest.raises(DataError):
        sticks.set_people(1, [])
    assert left_behind(library) == []


# --- changing --------------------------------------------------------------------------------------------------------

people = st.lists(
    st.tuples(
        st.floats(0, 63, width=32),
        st.lists(st.sampled_from(list(Label)), min_size=4, max_size=4),
        st.sampled_from(["person", "bird"]),
    ),
    max_size=3,
)


@given(people, st.integers(1, 6))
@FEW
def test_people_are_read_as_they_were_set(sticks: StoredSet, given: list[Any], image_id: int) -> None:
    wanted = [replace(stick(x, tuple(labels)), category=category) for x, labels, category in given]
    others = {image.image_id: image.people for image in sticks.dataset() if image.image_id != image_id}
    sticks.set_people(image_id, wanted)
    # As this library remembers it, and as somebody else reads it from the disk.
    for read in (sticks, StoredSet(sticks.folder)):
        image = read.image(image_id)
        assert len(image.people) == len(wanted)
        assert all(same(a, b) for a, b in zip(image.people, wanted, strict=True))
        assert not image.waits
        for number, before in others.items():
            assert all(same(a, b) for a, b in zip(read.image(number).people, before, strict=True))


def test_people_that_do_not_fit_are_refused(sticks: StoredSet) -> None:
    before = sticks.labels.read_bytes()
    short = Person(np.zeros((3, 2), np.float32), np.full(3, 2, np.uint8), (0, 0, 9, 9), 30.0)
    for wrong, message in (
        (short, "has 3 keypoints, the set 4"),
        (replace(stick(), keypoints=np.full((4, 2), np.nan, np.float32)), "no position"),
        (replace(stick(), box=(5, 5, 5, 9)), "box"),
    ):
        with pytest.raises(DataError, match=message):
            sticks.set_people(1, [stick(), wrong])
    with pytest.raises(DataError, match="no picture 99"):
        sticks.set_people(99, [])
    assert sticks.labels.read_bytes() == before


def _label(folder: Path, image_ids: range) -> None:
    stored = StoredSet(folder)
    for image_id in image_ids:
        stored.set_people(image_id, [stick(float(image_id))])


def test_two_processes_lose_nothing_of_each_other(library: Library, tmp_path: Path) -> None:
    stored = library.create("many", [picture(tmp_path / "in" / f"{i}.png") for i in range(24)], STICK)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_label, args=(stored.folder, range(start, 25, 2))) for start in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert stored.labelled() == 24
    assert all(same(image.people[0], stick(float(image.image_id))) for image in stored.dataset())


def test_a_file_that_did_not_change_is_read_once(sticks: StoredSet, monkeypatch: pytest.MonkeyPatch) -> None:
    sticks.set_people(2, [stick()])
    first = sticks.dataset()
    assert sticks.dataset() is first
    monkeypatch.setattr("posecore.data.journal.load_json", lambda path: pytest.fail("read again"))
    assert sticks.dataset() is first


@given(st.integers(0, 12), st.integers(0, 8), st.integers(0, 99))
@FEW
def test_split_keeps_all_pictures_and_repeats(sticks: StoredSet, val: int, test: int, seed: int) -> None:
    try:
        sticks.set_split(val / 20, seed, test / 20)
    except DataError as error:
        assert val + test > 18 or "would get none" in str(error)  # noqa: PT017
        return
    parts = sticks.parts()
    assert sum(parts.values()) == 6
    assert set(parts) == {"train"} | ({"val"} if val else set()) | ({"test"} if test else set())
    before = [image.split for image in sticks.dataset()]
    sticks.set_split(val / 20, seed, test / 20)
    assert [image.split for image in sticks.dataset()] == before


def test_training_reads_the_sources_without_the_library(library: Library, drawn: Path, tmp_path: Path) -> None:
    stored = library.add("set", drawn)
    stored.set_split(0.34, 0)
    config = make_config(
        {
            "name": "x",
            "model": {"architecture": "posenet-mobilenet_v1-050"},
            "data": stored.sources()._asdict(),
        }
    )
    train = [read_source(source, Path("/nowhere"), tmp_path) for source in config.data.train]
    held = [read_source(source, Path("/nowhere"), tmp_path) for source in config.data.validation]
    assert [len(part) for part in (*train, *held)] == [4, 2]
    assert not {image.path for image in train[0]} & {image.path for image in held[0]}


def test_a_set_says_no_more_about_packing_than_it_must_and_what_it_is(sticks: StoredSet) -> None:
    (source,) = sticks.sources().train
    assert source.pack.model_fields_set == {"min_keypoints"}
    assert source.format == "coco"
    assert source.stored is not None
    assert source.stored.name == "sticks"
    assert sticks.sources().train == (source,)
    sticks.set_people(1, [stick()])
    (changed,) = sticks.sources().train
    assert changed.stored is not None
    assert changed.stored.content != source.stored.content


def test_the_format_of_a_set_of_ours_is_not_looked_for_again(
    library: Library, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = library.add("set", drawn).sources().train
    monkeypatch.setattr("posecore.data.detect.detect_format", lambda path: pytest.fail(f"{path} was looked at"))
    assert len(read_source(source, Path("/nowhere"), tmp_path)) == 6


def test_nobody_in_the_part_for_validation(sticks: StoredSet) -> None:
    assert sticks.sources().validation == ()
    sticks.set_split(0.5, 0)
    train = next(image.image_id for image in sticks.dataset() if image.split == "train")
    assert sticks.sources() == ((), ())
    sticks.set_people(train, [stick()])
    assert [source.split for source in sticks.sources().train] == ["train"]
    assert sticks.sources().validation == ()


# --- the skeleton ----------------------------------------------------------------------------------------------------


def test_sets_that_are_merely_listed_push_none_out_of_memory(tmp_path: Path) -> None:
    empty = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}]}
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        (folder / "images").mkdir(parents=True)
        (folder / "annotations.json").write_text(json.dumps(empty))
    memo = Memo(most=2)
    first = StoredSet(folders[0], memo).dataset()
    for folder in folders:
        StoredSet(folder, memo)
    assert StoredSet(folders[0], memo).dataset() is first
    for folder in folders[1:]:
        StoredSet(folder, memo).dataset()
    assert StoredSet(folders[0], memo).dataset() is not first


def test_renaming_keeps_labels_by_place(sticks: StoredSet) -> None:
    sticks.set_people(1, [stick()])
    other = Skeleton("stick", ("tip", "foot", "left_y", "right_y"), ((0, 1), (1, 2)), ((2, 3),), (0.1, 0.2, 0.3, 0.4))
    sticks.set_skeleton(other)
    read = StoredSet(sticks.folder)
    assert replace(read.skeleton, name="stick") == other
    assert same(read.image(1).people[0], stick())


def test_adding_and_removing_keypoints_goes_by_name(sticks: StoredSet) -> None:
    sticks.set_people(1, [stick()])
    sticks.set_skeleton(Skeleton("stick", ("end", "top", "new"), ((0, 1),)))
    (person,) = StoredSet(sticks.folder).image(1).people
    assert person.labels.tolist() == [Label.HIDDEN, Label.VISIBLE, Label.UNLABELLED]
    assert person.keypoints[1].tolist() == [10.0, 20.5]
    assert sticks.image(2).waits


def test_a_new_keypoint_takes_no_labels_of_another_that_was_deleted(sticks: StoredSet) -> None:
    """The number stays the same, so that places do not tell."""
    sticks.set_people(1, [stick()])
    draft = replace(SkeletonDraft.of(STICK), lines=())
    sticks.set_skeleton(draft.with_names(["foot", "left_x", "right_x", "tip"], [1, 2, 3, None]).mapping())
    (person,) = StoredSet(sticks.folder).image(1).people
    assert person.labels.tolist() == [Label.HIDDEN, Label.UNLABELLED, Label.ABSENT, Label.UNLABELLED]
    assert person.keypoints[0].tolist() == [30.125, 7.0]
    with pytest.raises(DataError, match="changed meanwhile"):
        sticks.set_skeleton(draft.mapping())


def test_proposals_go_when_keypoints_change_their_places(sticks: StoredSet) -> None:
    desk = LabelDesk(sticks)
    desk.propose(1, [Proposal(stick(), 0.5)])
    draft = SkeletonDraft.of(STICK)
    change_skeleton(sticks, draft.with_names(["tip", *STICK.keypoints[1:]], range(4)).mapping())
    assert desk.progress().proposals == 1
    moved = SkeletonDraft.of(sticks.skeleton).with_names(["end", "left_x", "right_x", "new"], [1, 2, 3, None])
    change_skeleton(sticks, replace(moved, lines=()).mapping())
    assert desk.progress().proposals == 0


def test_renamed_keypoints_keep_their_labels_though_others_are_deleted() -> None:
    draft = replace(SkeletonDraft.of(STICK), lines=())
    assert draft.with_names(["foot", "end"], [1, 0]).mapping().sources == ((1,), (0,))
    # What is called as a deleted one takes its labels; as one that was renamed, none.
    assert draft.with_names(["end", "top"], [1, None]).mapping().sources == ((1,), (0,))
    assert draft.with_names(["foot", "end"], [1, None]).mapping().sources == ((1,), ())


def test_pairs_against_the_names_are_kept(library: Library, sticks: StoredSet) -> None:
    """Names say nothing of these pairs, so that the file has to."""
    odd = Skeleton("odd", ("a", "b", "c", "d"), ((0, 1),), ((0, 3), (1, 2)), (0.1, 0.2, 0.3, 0.4))
    sticks.set_skeleton(odd)
    assert StoredSet(sticks.folder).skeleton == odd
    changed = replace(COCO_17, edges=((0, 1),))
    library.create("coco", [sticks.image(1).path], changed)
    assert Library(library.folder).get("coco").skeleton == changed
    assert open_dataset(sticks.folder).skeleton == odd


def test_pictures_whose_file_is_gone_keep_their_labels(sticks: StoredSet) -> None:
    sticks.set_people(1, [stick()])
    hidden = sticks.image(1).path.rename(sticks.folder / "away.png")
    assert len(StoredSet(sticks.folder).dataset()) == 5
    sticks.set_skeleton(replace(STICK, keypoints=("a", "b", "left_c", "right_c")))
    sticks.set_split(0.5, 0)
    hidden.rename(sticks.pictures / "0.png")
    assert same(StoredSet(sticks.folder).image(1).people[0], stick())


def test_draft_follows_renamed_keypoints() -> None:
    draft = SkeletonDraft.of(STICK).with_names(("tip", "end", "left_x", "right_x"), (0, 1, 2, 3))
    assert draft.lines == (("tip", "end"),)
    gone = draft.with_names(("tip", "left_x", "right_x"), (0, 2, 3))
    assert (gone.lines, gone.pairs) == ((), (("left_x", "right_x"),))
    assert gone.skeleton().keypoints == ("tip", "left_x", "right_x")


def test_draft_swaps_names_without_mixing_them_up() -> None:
    draft = SkeletonDraft.of(STICK).with_names(("end", "top", "left_x", "right_x"), (0, 1, 2, 3))
    assert draft.lines == (("end", "top"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": (("left_x", "top"),)}, "mirrors 'left_x' as 'top'"),
        ({"pairs": (("left_x", "right_x"), ("right_x", "top"))}, "two left/right pairs"),
        ({"pairs": (("left_x", None),)}, "pair in row 1 lacks an end"),
        ({"pairs": ()}, "mirrors 'left_x' as itself"),
        ({"lines": (("top", "top"),)}, "to itself"),
        ({"lines": (("top", "end"), ("end", "top"))}, "two lines"),
        ({"lines": (("top", "gone"),)}, "no keypoint"),
        ({"names": ("top", "", "left_x", "right_x")}, "Keypoint 2 has no name"),
        ({"names": ("top", "top", "left_x", "right_x"), "lines": ()}, "more than once"),
    ],
)
def test_draft_says_what_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises((SkeletonError, DataError), match=message):
        replace(SkeletonDraft.of(STICK), **change).skeleton()


@pytest.mark.parametrize("skeleton", [COCO_17, OPENPOSE_18, STICK])
def test_untouched_draft_is_the_skeleton(skeleton: Skeleton) -> None:
    draft = SkeletonDraft.of(skeleton)
    assert draft.skeleton() == skeleton
    assert set(draft.paired_by_names().skeleton().flip_pairs) == set(skeleton.flip_pairs)
    assert draft.with_known_names().names == skeleton.keypoints


def test_edited_rows() -> None:
    base = [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}]
    changes = {"edited_rows": {0: {"b": 9}, 2: {"a": None}}, "added_rows": [{"a": 7}], "deleted_rows": [1]}
    assert edited_rows(base, changes) == [
        (0, {"a": 1, "b": 9}),
        (2, {"a": None, "b": 6}),
        (None, {"a": 7, "b": None}),
    ]


def test_names_that_are_only_spelled_differently() -> None:
    names = ("Nose", "LHip", "hip_r", "leftKnee", "Knee-Right", "l_ankle", "Spine", "left_wrist", "LWrist")
    assert suggested_names(names) == {
        "Nose": "nose",
        "LHip": "left_hip",
        "hip_r": "right_hip",
        "leftKnee": "left_knee",
        "Knee-Right": "right_knee",
        "l_ankle": "left_ankle",
    }
    draft = SkeletonDraft.of(Skeleton("x", names)).with_known_names()
    assert draft.names[1] == "left_hip"


def test_dataset_types(sticks: StoredSet) -> None:
    dataset = sticks.dataset()
    assert isinstance(dataset, PoseDataset)
    assert all(image.path.is_absolute() and image.path.is_file() for image in dataset)


def test_commands(home: Path, drawn: Path) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert "no set yet" in run("list")
    assert "6 pictures (COCO)" in run("add", "mine", drawn)
    assert (home / "datasets" / "mine" / "annotations.json").is_file()
    (home / "datasets" / "broken").mkdir()
    listed = run("list")
    assert "not split" in listed
    assert "problem: broken" in listed
    refused = CliRunner().invoke(app, ["add", "mine", str(drawn)])
    assert isinstance(refused.exception, DataError)
    CliRunner().invoke(app, ["remove", "mine"], input="n\n")
    assert (home / "datasets" / "mine").is_dir()
    run("remove", "mine", "--yes")
    assert not (home / "datasets" / "mine").exists()
