"""Work spread over workers: each piece once, whatever happens to them, and results that go on."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from filelock import FileLock
from PIL import Image
from typer.testing import CliRunner, Result

from posecore.cli import app, loading, main
from posecore.cli import spread as spread_options
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.errors import DataError, MissingExtraError, PosecoreError, SettingsError
from posecore.evaluation import evaluate
from posecore.model import PoseModel
from posecore.poses import MadeBy, Poses
from posecore.skeleton import COCO_17
from posecore.spreading.choosing import check_cluster, open_workers
from posecore.spreading.evaluating import EvaluationOrder, SpreadPrediction
from posecore.spreading.handing_out import hand_out
from posecore.spreading.packing import pack, settled
from posecore.spreading.parts import PartFolder, Seen, facts_of, list_failures
from posecore.spreading.pictures import Order
from posecore.spreading.sources import contents, find_sources, local_copy
from posecore.spreading.workers import Lost, Processes
from tests.spreading_support import Doubling, HereWorkers, Unopened, small_model

RUNNER = CliRunner()
SMALL = ("--model", "any", "--input-size", 97)


# --- handing out ---------------------------------------------------------------------------------------------------


def by_task(handed: Iterator[tuple[int, Sequence[Any], list[Any]]]) -> dict[int, list[Any]]:
    return {number: results for number, _, results in handed}


def noted(folder: Path) -> list[int]:
    return sorted(int(line) for path in folder.glob("*.txt") for line in path.read_text().split())


def test_every_task_is_done_once_and_few_wait(tmp_path: Path) -> None:
    workers = HereWorkers(Doubling(tmp_path), 3)
    asked: list[int] = []

    def tasks() -> Iterator[list[int]]:
        for number in range(20):
            asked.append(number)
            yield [number, number + 100]

    handed = hand_out(workers, tasks())
    next(handed)
    assert len(asked) == 3, "no more is taken than there are workers"
    results = by_task(handed)
    assert results == {number: [2 * number, 2 * number + 200] for number in range(1, 20)}
    assert workers.most_waiting == 3


def test_what_fails_costs_none_of_the_others(tmp_path: Path) -> None:
    results = by_task(hand_out(HereWorkers(Doubling(tmp_path, fails=5)), [[4, 5, 6], [7]]))
    assert results[1] == [14]
    assert (results[0][0], results[0][2]) == (8, 12)
    assert results[0][1] == Lost("ValueError: this number cannot be doubled")


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    workers = Processes(Doubling(tmp_path, kills=8), 2)
    try:
        results = by_task(hand_out(workers, [[number] for number in range(16)]))
    finally:
        workers.close()
    assert results == {number: [2 * number] for number in range(16)}
    assert noted(tmp_path) == list(range(16)), "nothing was done twice"


def test_a_process_that_dies_while_it_is_free_is_replaced(tmp_path: Path) -> None:
    workers = Processes(Doubling(tmp_path), 2)
    try:
        for worker in (0, 1):
            workers.send(worker, [worker])
        answers = dict(workers.receive() for _ in (0, 1))
        assert answers == {0: [0], 1: [2]}
        first = multiprocessing.active_children()[0]
        first.kill()
        first.join()
        for worker in (0, 1):
            workers.send(worker, [worker])
        assert dict(workers.receive() for _ in (0, 1)) == answers
    finally:
        workers.close()


def test_what_kills_every_worker_is_left_out_and_said(tmp_path: Path) -> None:
    workers = Processes(Doubling(tmp_path, kills=1, always=True), 1)
    try:
        results = by_task(hand_out(workers, [[0, 1], [2]]))
    finally:
        workers.close()
    assert results[1] == [4]
    assert results[0][0] == 0
    assert results[0][1].died
    assert "SIGKILL" in results[0][1].reason


def test_a_process_that_ends_before_it_has_read_a_large_job_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text("raise SystemExit(7)")
    main_module = ModuleType("__main__")
    main_module.__file__ = str(program)
    monkeypatch.setitem(sys.modules, "__main__", main_module)
    job = Doubling(tmp_path / ("x" * 1_000_000))
    with pytest.raises(PosecoreError, match="could not begin: its process ended with exit code 7"):
        list(hand_out(Processes(job, 2), [[1], [2]]))


def test_workers_that_cannot_begin_end_the_run() -> None:
    workers = Processes(Unopened(), 1)
    try:
        with pytest.raises(PosecoreError, match="there is no such model here"):
            by_task(hand_out(workers, [[1]]))
    finally:
        workers.close()


@pytest.mark.parametrize("text", ["processes:0", "processes:x", "processes:-1"])
def test_a_number_of_processes_is_one(text: str) -> None:
    with pytest.raises(SettingsError, match="processes from 1"):
        check_cluster(text)


def test_without_ray_auto_means_processes_and_an_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posecore.spreading.choosing.installed", lambda extra: False)
    monkeypatch.setattr("posecore.extras.installed", lambda extra: False)
    said: list[str] = []
    workers = open_workers("auto", Doubling(tmp_path), 1, say=said.append)
    assert isinstance(workers, Processes)
    assert workers.count == 1
    assert "posecore[cluster]" in said[0]
    with pytest.raises(MissingExtraError, match=r"posecore\[cluster\]"):
        open_workers("ray://there:10001", Doubling(tmp_path), 1)


# --- sources -------------------------------------------------------------------------------------------------------


def test_folders_patterns_and_lists_name_sources(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "notes.md", "deep/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("# mine\n\nb.png\ndeep\n")

    def names(*texts: object, recursive: bool = False) -> list[str]:
        found = find_sources(map(str, texts), recursive, {".jpg", ".png"}, "picture")
        return [str(Path(one).relative_to(tmp_path)) for one in found]

    assert names(tmp_path) == ["a.jpg", "b.png"]
    assert names(tmp_path, recursive=True) == ["a.jpg", "b.png", "deep/c.jpg"]
    assert names(tmp_path / "*.png", tmp_path) == ["b.png", "a.jpg"]
    assert names(tmp_path / "list.txt") == ["b.png", "deep/c.jpg"]
    with pytest.raises(PosecoreError, match="names no picture"):
        names(tmp_path / "nothing*.jpg")


def test_addresses_are_listed_and_read() -> None:
    system = fsspec.filesystem("memory")
    for name in ("/shots/a.jpg", "/shots/deep/b.JPG", "/shots/notes.md"):
        system.pipe_file(name, name.encode())
    found = find_sources(["memory://shots"], True, {".jpg"}, "picture")
    assert found == ["memory:///shots/a.jpg", "memory:///shots/deep/b.JPG"]
    assert find_sources(["memory://shots/*.jpg"], False, {".jpg"}, "picture") == found[:1]
    assert contents(found[1]) == b"/shots/deep/b.JPG"
    with local_copy(found[0]) as path:
        assert path.read_bytes() == b"/shots/a.jpg"
        assert path.name == "a.jpg"
    assert not path.exists()
    with pytest.raises(PosecoreError, match=r"memory://shots/none\.jpg cannot be read"):
        contents("memory://shots/none.jpg")


def test_an_address_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DataError, match=r"posecore\[buckets\]"):
        find_sources(["s3://bucket/a/"], False, {".jpg"}, "picture")


# --- models on their way ---------------------------------------------------------------------------------------------


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PoseModel:
    loaded = small_model()
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: loaded)
    return loaded


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def picture(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (90, 120, 3), np.uint8)


@pytest.mark.usefixtures("threads")
def test_a_packed_model_answers_as_before() -> None:
    loaded = small_model()
    packed = pack(loaded, "auto")
    other = packed.unpack()
    assert torch.get_num_threads() == 1
    network = settled(loaded, {"input_size": 97})
    assert (network["runtime"], network["precision"], network["input_size"]) == ("torch", "float32", 97)
    assert settled(loaded, {"precision": "bfloat16"})["precision"] == "bfloat16"
    first, second = (one(picture(), **network) for one in (loaded, other))
    assert len(first) == 3
    assert first.keypoints.tobytes() == second.keypoints.tobytes()
    assert first.made_by == second.made_by
    other_version = type(packed)(packed.data, packed.device, "0.0.1")
    with pytest.raises(SettingsError, match=r"posecore 0\.0\.1"):
        other_version.unpack()


# --- parts -----------------------------------------------------------------------------------------------------------


def seen(source: str, people: int, seed: int = 0) -> Seen:
    poses = small_poses(people, seed)
    return Seen(source, poses)


def small_poses(people: int, seed: int = 0) -> Poses:
    rng = np.random.default_rng(seed)
    keypoints = rng.normal(50, 20, (people, 17, 2)).astype(np.float32)
    scores = rng.random((people, 17)).astype(np.float32)
    keypoints[:, 3] = np.nan
    scores[:, 3] = 0
    made_by = MadeBy("1.0", "m", "w", f"p{seed}", None, {"input_size": 97}, {"max_poses": 3}, "torch float32")
    empty = Poses.empty(COCO_17, (120, 90))
    return replace(
        empty, keypoints=keypoints, keypoint_scores=scores, scores=scores.mean(1) if people else scores[:, 0],
        made_by=made_by,
    )  # fmt: skip


def facts(**changed: Any) -> dict[str, Any]:
    poses = small_poses(0)
    assert poses.made_by is not None
    return {**facts_of(poses.made_by, poses.skeleton), "files": {}, **changed}


def test_parts_give_back_what_was_put_in(tmp_path: Path) -> None:
    parts = PartFolder(tmp_path, facts())
    written = [seen("a", 2, 1), seen("b", 0, 2), Seen("c", None, "too small"), seen("d", 1, 3)]
    parts.add(parts.next_number(), written)
    again = PartFolder(tmp_path, facts())
    assert again.done == {"a", "b", "d"}
    read = dict(again.rows({"a", "b", "d"}))
    for one in written:
        if one.poses is not None:
            assert read[one.source].to_dict() == one.poses.to_dict()
            assert read[one.source].made_by == one.poses.made_by
            assert read[one.source].keypoints.tobytes() == one.poses.keypoints.tobytes()
    assert parts.totals({"a", "d"}) == (2, 3)
    table = pq.read_table(tmp_path / "people")
    assert table.num_rows == 3
    assert table["left_ear_x"].null_count == 3
    stated = json.loads(pq.read_schema(tmp_path / "people" / "part-000000.parquet").metadata[b"posecore"])
    assert (stated["format"], stated["version"], stated["model"]) == ("posecore.people", 1, "m")
    assert stated["network_settings"] == {"input_size": 97}


def test_what_failed_is_listed_and_tried_again(tmp_path: Path) -> None:
    parts = PartFolder(tmp_path, facts())
    parts.add(0, [seen("a", 1), Seen("=b", None, "too small")])
    assert parts.failures() == [("=b", "too small")]
    list_failures(tmp_path, parts.failures())
    assert "'=b" in (tmp_path / "failed.csv").read_text()
    again = PartFolder(tmp_path, facts())
    assert again.next_number() == 1
    again.add(1, [seen("=b", 1)])
    assert not again.failures()
    list_failures(tmp_path, [])
    assert not (tmp_path / "failed.csv").exists()
    assert [source for source, _ in again.rows({"a", "=b"})] == ["a", "=b"]


def test_people_of_a_part_that_was_not_finished_go(tmp_path: Path) -> None:
    parts = PartFolder(tmp_path, facts())
    parts.add(0, [seen("a", 2)])
    parts.add(1, [seen("b", 2)])
    (tmp_path / "pictures" / "part-000001.parquet").unlink()
    assert PartFolder(tmp_path, facts()).done == {"a"}
    assert pq.read_table(tmp_path / "people").num_rows == 2


def test_results_made_otherwise_are_not_mixed(tmp_path: Path) -> None:
    PartFolder(tmp_path, facts()).add(0, [seen("a", 1)])
    with pytest.raises(DataError, match="other weights or settings"):
        PartFolder(tmp_path, facts(decode_settings={"max_poses": 4}))
    (tmp_path / "pictures" / "part-000000.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="is damaged"):
        PartFolder(tmp_path, facts())


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shots = tmp_path / "shots"
    (shots / "deep").mkdir(parents=True)
    for index in range(19):
        name = shots / ("deep" if index % 5 == 4 else "") / f"{index:02}.png"
        Image.fromarray(picture(index)).save(name)
    return shots


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, threads: None) -> list[HereWorkers]:
    """No processes: workers of the command work in this one."""
    opened: list[HereWorkers] = []

    def open_here(text: str, job: Order, *_: Any) -> HereWorkers:
        opened.append(HereWorkers(job))
        return opened[-1]

    monkeypatch.setattr(spread_options, "open_workers", open_here)
    return opened


def run(*arguments: object) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


def test_spread_writes_what_one_process_writes(
    model: PoseModel, here: list[HereWorkers], folder: Path, tmp_path: Path
) -> None:
    formats = ("--save", "json,csv,coco,annotations,png", "-r", "--runtime", "torch", "--precision", "float32")
    torch.set_num_threads(1)
    alone = run("image", folder, "-o", tmp_path / "alone", *formats, *SMALL)
    assert alone.exit_code == 0, alone.output
    spread = run("image", folder, "-o", tmp_path / "spread", "--cluster", "processes:2", *formats, *SMALL)
    assert spread.exit_code == 0, spread.output
    assert "57 people in 19 of 19 pictures" in spread.output.replace("\n", " ")
    assert files(tmp_path / "spread") == files(tmp_path / "alone")
    assert here[0].closed


def test_going_on_does_only_what_is_left_and_ends_the_same(
    model: PoseModel, here: list[HereWorkers], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("-r", "--save", "png,coco", "--cluster", "processes", *SMALL)
    run("image", folder, "-o", tmp_path / "whole", *arguments)
    out = tmp_path / "out"
    add = PartFolder.add

    def killed(self: PartFolder, number: int, pictures: Sequence[Seen]) -> None:
        if number == 1:
            raise SystemExit(9)
        add(self, number, pictures)

    with monkeypatch.context() as patch:
        patch.setattr(PartFolder, "add", killed)
        run("image", folder, "-o", out, *arguments)
    assert not (out / "coco_results.json").exists()
    (out / "people" / ".part-000009.parquet.0123.part").write_bytes(b"half")
    (folder / "00.png").rename(tmp_path / "gone.png")
    run("image", folder, "-o", out, *arguments)
    (tmp_path / "gone.png").rename(folder / "00.png")
    result = run("image", folder, "-o", out, *arguments)
    assert "19 files of 19 had been done before" in result.output.replace("\n", " ")
    assert files(out) == files(tmp_path / "whole")
    for kind in ("people", "pictures"):
        for path in (tmp_path / "whole" / kind).iterdir():
            assert (out / kind / path.name).read_bytes() == path.read_bytes()


def test_bad_pictures_are_listed_and_the_rest_is_done(
    model: PoseModel, here: list[HereWorkers], folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    out = tmp_path / "out"
    result = run("image", folder, "-o", out, "--cluster", "processes", *SMALL)
    assert result.exit_code == 1
    assert "16 of 17 pictures" in " ".join(result.output.split())
    assert "bad.jpg" in (out / "failed.csv").read_text()
    Image.fromarray(picture()).save(folder / "bad.jpg")
    result = run("image", folder, "-o", out, "--cluster", "processes", *SMALL)
    assert result.exit_code == 0, result.output
    table = pq.read_table(out / "pictures")
    assert sorted(table["source"].to_pylist()) == sorted(map(str, folder.glob("*.*")))
    assert not (out / "failed.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--save", "parquet"), "add --cluster processes"),
        (("--cluster", "processes:none"), "processes from 1"),
        (("--cluster", "processes", "--save", "gif"), "unknown format gif"),
    ],
)
def test_mistakes_are_sentences(
    model: PoseModel,
    folder: Path,
    tmp_path: Path,
    arguments: Sequence[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["posecore", "image", str(folder), *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (1, 2)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_two_runs_do_not_share_a_folder(
    model: PoseModel, here: list[HereWorkers], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".posecore.lock"), pytest.raises(PosecoreError, match="Another run"):
        run("image", folder, "-o", tmp_path / "out", "--cluster", "processes", *SMALL)


# --- evaluations ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("protocol", ["crops", "full"])
def test_evaluations_are_those_of_one_process(folder: Path, protocol: Any) -> None:
    torch.set_num_threads(1)
    people = np.random.default_rng(1).uniform(10, 80, (11, 17, 2)).astype(np.float32)
    seen = np.full(17, Label.VISIBLE, np.uint8)
    labelled = [
        AnnotatedImage(path, (120, 90), (Person(one, seen, (10, 10, 80, 80), 4900.0),), number)
        for number, (path, one) in enumerate(zip(sorted(folder.glob("*.png")), people, strict=False))
    ]
    labelled[3].path.write_bytes(b"no picture")
    dataset = PoseDataset("set", COCO_17, tuple(labelled))
    loaded = small_model()
    settings = {"input_size": 65}
    alone = evaluate(loaded, dataset, protocol, settings)
    opened: list[HereWorkers] = []

    def workers_for(order: EvaluationOrder, most: int) -> HereWorkers:
        opened.append(HereWorkers(order))
        return opened[-1]

    told: list[int] = []
    predicting = SpreadPrediction("cpu", workers_for)
    spread = evaluate(loaded, dataset, protocol, settings, advance=lambda: told.append(1), predicting=predicting)
    assert opened[0].closed
    assert len(told) == len(dataset)
    assert {**spread.to_dict(), "seconds": 0} == {**alone.to_dict(), "seconds": 0}
    assert len(spread.problems) == 1
    for one, other in zip(alone.predictions, spread.predictions, strict=True):
        assert one.image is other.image
        assert one.poses.keypoints.tobytes() == other.poses.keypoints.tobytes()
        assert one.poses.scores.tobytes() == other.poses.scores.tobytes()


# --- Ray -------------------------------------------------------------------------------------------------------------


def test_ray_does_the_same_and_survives_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra cluster)")
    workers = open_workers("auto", Doubling(tmp_path, kills=8, fails=5), 2)
    assert "Ray of this machine" in workers.words
    try:
        results = by_task(hand_out(workers, [[number] for number in range(12)]))
    finally:
        workers.close()
    assert results.pop(5)[0] == Lost("ValueError: this number cannot be doubled")
    assert results == {number: [2 * number] for number in range(12) if number != 5}
    assert noted(tmp_path) == [number for number in range(12) if number != 5], "nothing was done twice"


def test_ray_workers_that_cannot_begin_end_the_run() -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra cluster)")
    workers = open_workers("auto", Unopened(), 1)
    try:
        with pytest.raises(PosecoreError, match="there is no such model here"):
            by_task(hand_out(workers, [[1]]))
    finally:
        workers.close()
