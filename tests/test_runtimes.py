"""Runtimes: what a graph is, and that every runtime says what PyTorch says."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from posecore.errors import MissingExtraError, SettingsError
from posecore.families import family_of
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.runtimes.converting import ConversionError, Job, convert
from posecore.runtimes.engines import ENGINES, Compiled, Engine, openvino_model
from posecore.runtimes.graph import Graph
from posecore.runtimes.kept import graphs_folder
from posecore.runtimes.runner import Runner, settle
from posecore.settings import build_settings

#: Architecture, (height, width) of the input, settings.
NETWORKS: tuple[tuple[str, tuple[int, int], dict[str, Any]], ...] = (
    ("movenet-mobilenet_v3-small", (64, 96), {}),
    ("posenet-mobilenet_v1-050", (65, 97), {"output_stride": 8, "dilation": "tfjs"}),
    ("openpose-mobilenet_v2_small", (64, 96), {"stages": 2, "flip": True, "scales": "0.5, 1"}),
)


def graph_of(architecture: str, **settings: object) -> Graph:
    """A small network with random weights, as a graph."""
    family = family_of(architecture)
    torch.manual_seed(0)
    network = family.build(architecture, family.skeleton).eval().requires_grad_(False)
    return Graph(family, network, build_settings(family.network_settings(architecture), settings))


@pytest.mark.parametrize(("architecture", "size", "settings"), NETWORKS)
def test_a_graph_is_the_network_with_its_settings(
    architecture: str, size: tuple[int, int], settings: dict[str, object]
) -> None:
    """Bytes as cameras give them are the same as numbers; an exported program says the same as the network."""
    graph = graph_of(architecture, **settings)
    pixels = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        outputs = graph(pixels.float())
        from_bytes = graph(pixels)
    program = torch.export.export(graph, (pixels,)).module()
    exported = program(pixels)
    assert list(exported) == list(outputs)
    for name, values in outputs.items():
        torch.testing.assert_close(from_bytes[name], values)
        torch.testing.assert_close(exported[name], values, rtol=1e-4, atol=1e-4)


# --- choosing, with a runtime made of nothing but PyTorch ------------------------------------------------------------


class Pretended(Engine):
    """Keeps the network's weights in a file and computes with those; ``error`` is added in bfloat16."""

    name = "openvino"
    extra = "openvino"
    error = 0.0
    made = 0
    settings: dict[str, Any]

    def installed(self) -> bool:
        return True

    def check_installed(self) -> None:
        pass

    def version(self) -> str:
        return "1"

    def precisions(self) -> tuple[str, ...]:
        return ("bfloat16", "float32")

    def convert(self, graph: Graph, pixels: torch.Tensor, folder: Path) -> None:
        torch.save({"state": graph.network.state_dict(), "settings": self.settings}, folder / "graph")

    def load(self, folder: Path, precision: str, threads: int) -> Compiled:
        kept = torch.load(folder / "graph", weights_only=True)
        graph = graph_of(ARCHITECTURE, **kept["settings"])
        graph.network.load_state_dict(kept["state"])
        error = self.error if precision == "bfloat16" else 0.0
        return lambda pixels: [value.numpy() + error for value in graph(torch.from_numpy(pixels)).values()]


@pytest.fixture
def pretended(home: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """The only runtime beside PyTorch, converting at once and here; ``made`` counts how often."""
    engine = Pretended()

    def convert_here(job: Any, network: nn.Module, folder: Path, stop: threading.Event) -> Path:
        engine.made += 1
        engine.settings = job.settings
        family = family_of(job.architecture)
        settings = build_settings(family.network_settings(job.architecture), job.settings)
        (folder / "graph").mkdir()
        engine.convert(Graph(family, network, settings), torch.zeros(1, *job.size, 3), folder / "graph")
        return folder / "graph"

    monkeypatch.delenv("POSECORE_RUNTIME", raising=False)
    monkeypatch.setattr(Runner, "worth", 0)
    monkeypatch.setattr("posecore.runtimes.runner.convert", convert_here)
    for name in list(ENGINES):
        monkeypatch.delitem(ENGINES, name)
    monkeypatch.setitem(ENGINES, engine.name, engine)
    monkeypatch.setattr("posecore.runtimes.ways.processor_flags", frozenset)
    return engine


ARCHITECTURE = "posenet-mobilenet_v1-050"
SETTINGS: dict[str, Any] = {"input_size": 65}


def model(**options: Any) -> PoseModel:
    """The same small network every time."""
    torch.manual_seed(0)
    family = family_of(ARCHITECTURE)
    return PoseModel("small.test", family, ARCHITECTURE, family.build(ARCHITECTURE), "test", device="cpu", **options)


def picture(seed: int = 0) -> np.ndarray[Any, Any]:
    """Noise."""
    return np.random.default_rng(seed).integers(0, 256, (65, 65, 3), np.uint8)


def computed(made: PoseModel, **settings: Any) -> str:
    """How the model computes a picture now."""
    return made.fields(picture(), **SETTINGS, **settings).provenance.computed


def settled(made: PoseModel, **settings: Any) -> str:
    """How it does once everything is ready."""
    first = computed(made, **settings)
    assert first.startswith("torch")
    settle()
    return computed(made, **settings)


def test_the_first_picture_waits_for_nothing_and_later_ones_are_as_exact(pretended: Pretended) -> None:
    """PyTorch computes until the graph is ready; fields and poses say what computed them and are the same."""
    made = model()
    before = made.fields(picture(), **SETTINGS)
    settle()
    after = made.fields(picture(), **SETTINGS)
    assert before.provenance.computed == "torch float32"
    assert after.provenance.computed.startswith("openvino") or "openvino" not in made.runner.said()[0]
    assert before.provenance.key == after.provenance.key
    for one, other in zip(before.maps, after.maps, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-3, atol=1e-3)
    poses = made.decode(after)
    assert poses.made_by is not None
    assert poses.made_by.computed == after.provenance.computed
    assert Poses.from_json(poses.to_json()).made_by.computed == after.provenance.computed


def test_a_way_that_finds_something_else_is_not_taken(pretended: Pretended) -> None:
    """The next choice is, and why is said."""
    pretended.error = 2.0
    made = model()
    settled(made)
    (said,) = made.runner.said()
    assert "not openvino bfloat16: " in said
    assert "bfloat16" not in computed(made)


def test_a_few_pictures_convert_nothing(pretended: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that looks at one picture is not held up; a video is worth a conversion."""
    monkeypatch.setattr(Runner, "worth", 10)
    made = model()
    computed(made)
    settle()
    assert pretended.made == 0
    made.fields([picture(seed) for seed in range(Runner.worth)], **SETTINGS)
    settle()
    assert pretended.made == 1


def test_what_is_told_is_done_or_refused(pretended: Pretended) -> None:
    """A runtime that is named computes from the first picture on, in the precision that is named."""
    made = model()
    assert computed(made, runtime="openvino", precision="float32") == "openvino float32"
    assert computed(made, runtime="torch", precision="bfloat16") == "torch bfloat16"
    with pytest.raises(SettingsError, match="float16"):
        computed(made, runtime="openvino", precision="float16")
    with pytest.raises(SettingsError, match="choose bfloat16"):
        computed(made, runtime="torch", precision="float16")
    pretended.precisions = lambda: ("float32",)  # type: ignore[method-assign]
    assert computed(model(), runtime="openvino") == "openvino float32"


def test_a_runtime_that_is_not_installed_is_named_with_its_extra(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` does without."""
    monkeypatch.delenv("POSECORE_RUNTIME", raising=False)
    monkeypatch.setattr("posecore.extras.find_spec", lambda name: None)
    monkeypatch.setattr(Runner, "worth", 0)
    with pytest.raises(MissingExtraError, match=r"posecore\[openvino\]"):
        computed(model(), runtime="openvino")
    assert settled(model()).startswith("torch")


def test_a_second_start_uses_what_the_first_one_kept(pretended: Pretended) -> None:
    """Other weights, settings or sizes do not."""
    told = {"runtime": "openvino", "precision": "float32"}
    computed(model(), **told)
    computed(model(), **told)
    assert pretended.made == 1
    computed(model(), **told, output_stride=8)
    other = model()
    with torch.no_grad():
        next(iter(other.network.parameters())).add_(1)
    computed(other, **told)
    assert pretended.made == 3


@pytest.mark.parametrize("damage", ["cut", "note", "gone"])
def test_a_damaged_graph_is_made_again(pretended: Pretended, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    told = {"runtime": "openvino", "precision": "float32"}
    computed(model(), **told)
    (entry,) = graphs_folder().iterdir()
    if damage == "cut":
        whole = (entry / "graph").read_bytes()
        (entry / "graph").write_bytes(whole[: len(whole) // 2])
    elif damage == "note":
        (entry / "about.json").write_text("{")
    else:
        (entry / "graph").unlink()
    assert computed(model(), **told) == "openvino float32"
    assert pretended.made == 2
    assert "damaged" in caplog.text
    assert computed(model(), **told) == "openvino float32"
    assert pretended.made == 2


def test_a_graph_that_goes_while_it_is_loaded_is_made_again(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"runtime": "openvino", "precision": "float32"}
    computed(model(), **told)
    (entry,) = graphs_folder().iterdir()
    load = pretended.load

    def late(folder: Path, precision: str, threads: int) -> Compiled:
        shutil.rmtree(entry, ignore_errors=True)
        return load(folder, precision, threads)

    monkeypatch.setattr(pretended, "load", late)
    assert computed(model(), **told) == "openvino float32"
    assert pretended.made == 2


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_in_nobodys_way(
    pretended: Pretended, reason: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The graph serves this process, and the log says why it is not kept."""

    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("posecore.runtimes.kept.write_json", refuse)
    assert computed(model(), runtime="openvino", precision="float32") == "openvino float32"
    assert "not kept" in caplog.text
    assert "POSECORE_HOME" in caplog.text


def test_a_home_that_cannot_be_made(pretended: Pretended, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.write_text("a file where the folder should be")
    assert computed(model(), runtime="openvino", precision="float32") == "openvino float32"
    assert "not kept" in caplog.text


def test_kept_graphs_stay_within_bounds(pretended: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used for longest goes first; the newest stays even where it is too much alone."""
    monkeypatch.setattr("posecore.runtimes.kept.LIMIT", 1)
    for stride in (8, 16):
        computed(model(), runtime="openvino", precision="float32", output_stride=stride)
    assert len(list(graphs_folder().iterdir())) == 1


def test_sessions_share_one_graph(pretended: Pretended) -> None:
    """Threads that ask for it at once convert it once."""
    made = model()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: computed(made, runtime="openvino", precision="float32"), range(8)))
    assert set(found) == {"openvino float32"}
    assert pretended.made == 1


def test_only_some_input_sizes_stay_ready(pretended: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.runtimes.runner.PLACES", 2)
    made = model()
    for side in (65, 81, 97):
        made.fields(picture(), input_size=side)
    settle()
    assert len(made.runner.said()) == 2
    monkeypatch.setattr("posecore.runtimes.runner.MOST_BYTES", 1)
    made.fields(picture(), input_size=97)
    assert len(made.runner.said()) == 1


def test_a_conversion_that_fails_is_said(pretended: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` goes on with PyTorch; who named the runtime is told."""

    def fail(*_: object) -> None:
        raise ConversionError("It could not be converted")

    monkeypatch.setattr("posecore.runtimes.runner.convert", fail)
    made = model()
    assert settled(made) == "torch float32"
    assert "It could not be converted" in made.runner.said()[0]
    with pytest.raises(SettingsError, match="choose runtime 'torch'"):
        computed(made, runtime="openvino", precision="float32")


def test_posecore_runtime_says_what_auto_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(model()) == "torch float32"
    monkeypatch.setenv("POSECORE_RUNTIME", "abacus")
    with pytest.raises(SettingsError, match="POSECORE_RUNTIME is 'abacus'"):
        computed(model())


# --- the real ones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(("architecture", "size", "settings"), NETWORKS[1:2])
def test_a_runtime_says_what_pytorch_says(
    name: str, architecture: str, size: tuple[int, int], settings: dict[str, object], tmp_path: Path
) -> None:
    """Converted as in use, in a process of its own."""
    pytest.importorskip(name)
    if name == "onnxruntime":
        pytest.importorskip("onnxscript")
    graph = graph_of(architecture, **settings)
    family = family_of(architecture)
    full = build_settings(family.network_settings(architecture), settings).model_dump()
    folder = convert(Job(name, architecture, family.skeleton, full, size), graph.network, tmp_path, threading.Event())
    pixels = np.random.default_rng(1).uniform(0, 255, (1, *size, 3)).astype(np.float32)
    with torch.inference_mode():
        expected = graph(torch.from_numpy(pixels))
    found = ENGINES[name].load(folder, "float32", 1)(pixels)
    for value, wanted in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(value, wanted.numpy(), rtol=1e-3, atol=1e-3)


def test_openvino_tells_nobody() -> None:
    """Its telemetry is never loaded."""
    pytest.importorskip("openvino_telemetry")
    code = (
        "import sys; from posecore.runtimes.engines import openvino_module; openvino_module(); "
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_conversion_that_fails_leaves_logging_as_it_was() -> None:
    pytest.importorskip("openvino")
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with pytest.raises(Exception, match=r"."):
        openvino_model(torch.nn.Module())
    assert (root.level, list(root.handlers)) == before


def test_a_conversion_ends_with_the_process_that_wants_it() -> None:
    """Its input is a pipe of that process, which closes however the process ends."""
    code = "import threading, posecore.runtimes.converting as c; c._end_with_parent()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 1
