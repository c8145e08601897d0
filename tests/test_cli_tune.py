"""``posecore tune``, the settings file it writes, and what ``posecore evaluate`` says beyond figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from posecore.cli import app
from posecore.cli.evaluate import save_sheet
from posecore.data.annotations import AnnotatedImage
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError
from posecore.evaluation import PicturePoses, measure
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.shipped import shipped
from posecore.skeleton import COCO_17
from tests.spreading_support import HereWorkers

runner = CliRunner()
MODEL = ["--model", "posenet-mobilenet_v1-075", "--input-size", "161"]


def invoke(command: str, *arguments: str | Path) -> tuple[int, str]:
    result = runner.invoke(app, [command, *map(str, arguments)])
    return result.exit_code, f"{result.output}{result.exception or ''}"


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("drawn"), 8, seed=3, size=(160, 160))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_HOME", str(tmp_path / "home"))


def test_tuned_settings_go_into_other_commands(labels: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "settings.json"
    code, said = invoke(
        "tune", *MODEL, "--annotations", labels, "--trials", "12", "--goal", "precision", "--json", file
    )
    assert code == 0, said
    assert "kept apart" in said
    settings = json.loads(file.read_text())["settings"]
    assert settings["input_size"] == 161
    figures = tmp_path / "figures.json"
    arguments = ("--model", MODEL[1], "--annotations", labels, "--protocol", "full", "--json", figures)
    code, said = invoke("evaluate", *arguments, "--settings", file, "--pose-threshold", "0.01")
    assert code == 0, said
    used = json.loads(figures.read_text())["settings"]
    assert used == {**used, **settings, "pose_threshold": 0.01}, "flags go before the file"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"strid": 8}', "no setting 'strid'"),
        ('{"limit": 1}', "no setting 'limit'"),
        ('{"mode": ["multi"]}', "mode is a number, a word"),
        ("[1]", "names and values"),
        ("{", "no settings can be read"),
    ],
)
def test_files_that_hold_no_settings(labels: Path, tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    code, said = invoke("evaluate", *MODEL, "--annotations", labels, "--settings", file)
    assert code != 0
    assert part in said


def test_the_input_is_as_large_as_where_the_settings_go(labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def keep(model: PoseModel, images: object, protocol: str, network: dict[str, Any], **_: object) -> None:
        asked.append({"usual": model.network_defaults.model_dump()["input_size"], **network})
        raise DataError("enough")

    monkeypatch.setattr("posecore.cli.tune.keep_fields", keep)
    code, said = invoke("tune", "--model", "openpose-mobilenet_thin.posecore", "--annotations", labels)
    assert (code, "enough" in said) == (1, True), said
    assert asked[0]["input_size"] == asked[0]["usual"] == 224
    assert (asked[0]["runtime"], asked[0]["precision"]) == ("torch", "float32")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--results", "found.json", "--pose-threshold", "0.2"], "--results takes no --pose-threshold"),
        (["--results", "found.json", "--sheet", "sheet.txt"], "sheet.txt must end in .png"),
    ],
)
def test_options_that_could_have_no_effect_are_refused(labels: Path, words: list[str], part: str) -> None:
    code, said = invoke("evaluate", "--annotations", labels, *words)
    assert code != 0
    assert part in said


def test_a_sheet_of_nobody(tmp_path: Path) -> None:
    empty = PicturePoses(AnnotatedImage(tmp_path / "a.png", (9, 9), (), 1), Poses.empty(COCO_17, (9, 9)))
    save_sheet(measure([empty], "full", COCO_17, COCO_17), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--search", "output-stride"], "nothing to search over"),
        (["--goal", "precision", "--bound", "7"], "give a number from 0 to 1"),
        (["--cluster", "processes:none"], "processes from 1"),
    ],
)
def test_what_cannot_be_tuned_is_said_before_the_work(
    labels: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], part: str
) -> None:
    monkeypatch.setattr("posecore.cli.tune.keep_fields", None)
    code, said = invoke("tune", *MODEL, "--annotations", labels, *words)
    assert code != 0
    assert part in said


def test_network_settings_are_chosen_among_those_that_are_quick_enough(labels: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    arguments: tuple[str | Path, ...] = (*MODEL, "--annotations", labels, "--trials", "4", "--json", file)
    code, said = invoke("tune", *arguments, "--each", "input_size=97,129", "--fps", "0.01")
    assert code == 0, said
    assert "Input 97×97" in said
    assert "Pictures a second" in said
    assert all(f"input_size {side} " in said for side in (97, 129))
    settings = json.loads(file.read_text())["settings"]
    assert settings["input_size"] in (97, 129)
    code, said = invoke("tune", *arguments, "--fps", "1e9")
    assert code != 0
    assert "With none of these settings" in said
    code, said = invoke("tune", *arguments, "--each", "pose_threshold=0.1,0.2")
    assert code != 0
    assert "no network setting" in said


def test_workers_find_the_settings_that_one_process_finds(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    chosen: list[str | Path] = [*MODEL, "--annotations", labels, "--trials", "4", "--json", file]
    chosen += ["--each", "input_size=97,161"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    code, said = invoke("tune", *chosen)
    assert code == 0, said
    alone = file.read_text(), figures_in(said)
    orders: list[Any] = []

    def open_here(text: str, job: Any, *_: Any) -> HereWorkers:
        orders.append(job)
        return HereWorkers(job)

    monkeypatch.setattr("posecore.cli.spread.open_workers", open_here)
    monkeypatch.setenv("POSECORE_HOME", str(tmp_path / "another"))
    code, said = invoke("tune", *chosen, "--cluster", "processes:2")
    torch.set_num_threads(threads)
    assert code == 0, said
    assert "torch in float32" in said
    assert [network["input_size"] for network in orders[0].networks] == [161, 97]
    assert (file.read_text(), figures_in(said)) == alone
    assert len(values_in(tmp_path / "home")) == 16
    assert values_in(tmp_path / "another") == values_in(tmp_path / "home")


def values_in(home: Path) -> dict[str, list[bytes]]:
    """Every value of the fields that are kept, by file."""
    kept = ((file.name, Fields.load(file)) for file in (home / "fields").glob("*.npz"))
    return {name: [one.values.tobytes() for one in fields.maps] for name, fields in kept}


def figures_in(said: str) -> list[str]:
    """What was chosen and how good it is; what time it takes is left out."""
    return [
        line for line in said.splitlines() if line.startswith(("chosen on", "kept apart", "… before", "Use", "Keep"))
    ]


def test_evaluate_tells_kinds_of_errors_and_intervals(labels: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    code, said = invoke("evaluate", *MODEL, "--annotations", labels, "--json", file)
    assert code == 0, said
    assert "inversion" in said
    report = json.loads(file.read_text())
    assert set(report["errors"]["shares"]) == {"good", "jitter", "inversion", "swap", "miss"}
    assert sum(report["errors"]["shares"].values()) == pytest.approx(1.0)
    low, high = report["intervals"]["ap"]
    assert low <= report["AP"] <= high


def test_evaluate_measures_results_of_other_programs(labels: Path, tmp_path: Path) -> None:
    truth = json.loads(labels.read_text())
    results = [{**one, "category_id": 1, "score": 0.9} for one in truth["annotations"]]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    file = tmp_path / "figures.json"
    code, said = invoke("evaluate", "--results", path, "--annotations", labels, "--json", file)
    assert code == 0, said
    assert json.loads(file.read_text())["AP"] == pytest.approx(1.0)
    code, said = invoke("evaluate", "--annotations", labels)
    assert code != 0
    assert "--model NAME, --weights FILE or --results FILE" in said


def test_evaluations_are_kept_compared_and_exported(labels: Path, tmp_path: Path) -> None:
    code, said = invoke("evaluate", *MODEL, "--annotations", labels, "--save", "base")
    assert code == 0, said
    assert "Kept as base" in said
    code, said = invoke("evaluate", *MODEL, "--annotations", labels, "--save", "Base")
    assert code != 0
    assert "already" in said
    page, again = tmp_path / "report.html", tmp_path / "again.json"
    code, said = invoke("evaluate", *MODEL, "--annotations", labels, "--output-stride", "8", "--html", page)
    assert code == 0, said
    text = page.read_text()
    assert "<svg" in text
    assert "data:image/jpeg;base64," in text
    assert not re.search(r'(src|href)="(?!data:|#)', text), "asks nobody for anything"
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    code, said = invoke("evaluations", "list", "--json")
    names = [one["name"] for one in json.loads(said)]
    assert code == 0
    assert len(names) == 2
    other = next(name for name in names if name != "base")
    page = tmp_path / "differences.html"
    code, said = invoke("evaluations", "compare", "base", other, "--json", again, "--html", page)
    assert code == 0, said
    assert {one["name"] for one in json.loads(again.read_text())["figures"]} >= {"AP", "AP50", "AR", "OKS"}
    assert f"<h1>base → {other}</h1>" in page.read_text()
    code, said = invoke("evaluations", "export", "base", "--json", again)
    assert code == 0, said
    assert json.loads(again.read_text())["provenance"]["settings"]["input_size"] == 161
    for command in (("show", "base"), ("rename", other, "wide"), ("list",), ("remove", "base", "wide")):
        code, said = invoke("evaluations", *command)
        assert code == 0, said
    code, said = invoke("evaluations", "show", "base")
    assert code != 0
    assert "No evaluation is kept yet" in said


def test_weights_are_named_by_their_path(labels: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(next(shipped("weights").glob("posenet-*.safetensors")).read_bytes())
    code, said = invoke(
        "evaluate", "--model", own, "--input-size", "161", "--annotations", labels, "--limit", "1", "--no-save"
    )
    assert code == 0, said
    code, said = invoke("evaluate", "--model", tmp_path / "nowhere.safetensors", "--annotations", labels)
    assert code != 0
    assert "There is no" in said
    foreign = tmp_path / "own.npz"
    foreign.write_text("nothing")
    code, said = invoke("evaluate", "--model", foreign, "--annotations", labels)
    assert code != 0
    assert "does not say which network it is for" in said
