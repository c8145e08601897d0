"""Finding, fetching, checking and loading weights."""

from __future__ import annotations

import dataclasses
import http.server
import json
import multiprocessing
import pickle
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from posecore.cli import app
from posecore.errors import SettingsError, UnknownModelError, WeightsError
from posecore.families import family_of
from posecore.runs import Registry, run_folder
from posecore.skeleton import COCO_17, Skeleton
from posecore.zoo import (
    add_model,
    default_model,
    fetch_model,
    list_models,
    load_model,
    load_weights,
    model_info,
    read_header,
    remove_model,
    resolve_name,
    save_weights,
    verify_model,
)
from posecore.zoo.catalog import catalog
from posecore.zoo.fetch import location, sibling
from posecore.zoo.formats import FORMATS
from posecore.zoo.own_files import EXPORT_WEIGHTS
from tests.test_tfjs import graph_files, published, variable_files, write

# Entries whose checksums the catalogue does not know, so that made-up files may stand in for them.
GRAPH = "posenet-mobilenet_v1-100.google_float"
GRAPH_FOLDER = "tfjs-models/savedmodel/posenet/mobilenet/float/100"
GRAPH_SHARD = f"{GRAPH_FOLDER}/group1-shard1of1.bin"
VARIABLES = "posenet-mobilenet_v1-050.google_v1"
VARIABLES_FOLDER = "tfjs-models/weights/posenet/mobilenet_v1_050"
# One whose checksums it knows.
KNOWN = "posenet-mobilenet_v1-050.google_quant2"
KNOWN_JSON = "tfjs-models/savedmodel/posenet/mobilenet/quant2/050/model-stride16.json"

SMALL = "posenet-mobilenet_v1-050"


class Site:
    """A web server whose files and faults a test chooses.

    Attributes:
        files: Path → contents.
        failures: Path → how many more times it answers 503.
        broken: Paths whose transfer breaks off half-way.
        requests: Path (with query) → times asked for.
        held: Path that is answered only after ``go_on``; ``asked`` tells that somebody waits for it.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failures: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.held = ""
        self.asked, self.go_on = threading.Event(), threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: Any) -> None:
                """Tests stay silent."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mirror"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path = request.path.removeprefix("/mirror/")
        self.requests[path] += 1
        if path == self.held:
            self.asked.set()
            self.go_on.wait(60)
        if path not in self.files:
            request.send_error(404)
        elif self.failures[path] > 0:
            self.failures[path] -= 1
            request.send_error(503)
        else:
            data = self.files[path]
            request.send_response(200)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[: len(data) // 2] if path in self.broken else data)


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that mirrors the publisher; no waiting between attempts."""
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", site.url)
    monkeypatch.setattr("posecore.transfer.time", SimpleNamespace(sleep=lambda seconds: None))
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def graph() -> tuple[dict[str, bytes], dict[str, torch.Tensor]]:
    tensors, state = published("posenet-mobilenet_v1-100")
    files = graph_files(tensors)
    files["model-stride16.json"] = files.pop("model.json")
    return {f"{GRAPH_FOLDER}/{name}": data for name, data in files.items()}, state


@pytest.fixture(scope="module")
def variables() -> tuple[dict[str, bytes], dict[str, torch.Tensor]]:
    tensors, state = published(SMALL, old=True)
    return {f"{VARIABLES_FOLDER}/{name}": data for name, data in variable_files(tensors).items()}, state


def small_network(seed: int = 0, skeleton: Skeleton = COCO_17, fused: bool = True) -> torch.nn.Module:
    torch.manual_seed(seed)
    return family_of(SMALL).build(SMALL, skeleton, fused)


def left_behind(home: Path) -> list[str]:
    """Files in the cache other than models, pins and the (empty) locks."""
    files = (path for path in home.rglob("*") if path.is_file())
    kept = set(home.glob("weights/*.safetensors")) | {home / "weights/pins.json"}
    return [str(path) for path in files if path not in kept and path.suffix != ".lock"]


class Bar:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int | None]] = []
        self.said: list[str] = []

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        self.calls.append((done_bytes, total_bytes))

    def say(self, text: str) -> None:
        self.said.append(text)


# The catalogue and names


def test_catalogue_is_sound() -> None:
    names = [entry.name for entry in catalog()]
    assert len(set(names)) == len(names)
    for entry in catalog():
        for source in entry.sources:
            assert source.format in FORMATS
            assert "{" not in source.url
            assert source.url.startswith("https://")
        assert entry.licence
        assert entry.source
        known = [file.size for file in entry.sources[0].files.values()]
        assert not known or None in known or sum(filter(None, known)) == entry.download_size
        if entry.package is not None:
            package, first = entry.package
            sizes = [package.files[f"{Path(first).stem}.{ending}"].size or 0 for ending in ("json", "bin")]
            assert sum(sizes) == pytest.approx(entry.download_size, abs=20_000)


def test_known_checksums_are_those_of_the_published_files(reference: Path, home: Path) -> None:
    checked = 0
    for entry in catalog():
        for name, known in entry.sources[0].files.items():
            file = reference / urlsplit(sibling(entry.sources[0].url, name)).path.lstrip("/")
            if file.is_file():
                assert known.expected(0).problem(file) is None
                checked += 1
    assert checked >= 8
    for file in (*(reference / "human-models").glob("posenet.*"), *(reference / "google/tfjs-model").rglob("*.bin")):
        (known,) = {entry.package[0].files[file.name] for entry in catalog() if entry.package is not None}
        assert known.expected(0).problem(file) is None


def test_models_are_listed(home: Path) -> None:
    listed = {info.name: info for info in list_models() if info.origin == "official"}
    assert list(listed) == [entry.name for entry in catalog()]
    info = listed[KNOWN]
    assert dataclasses.asdict(info) | {"description": ""} == {
        "name": KNOWN,
        "family": "posenet",
        "architecture": SMALL,
        "tag": "google_quant2",
        "title": "PoseNet MobileNetV1 ×0.50 (Google, 16-bit)",
        "origin": "official",
        "licence": "Apache-2.0, Google",
        "source": "https://github.com/tensorflow/tfjs-models/tree/master/pose-detection/src/posenet",
        "description": "",
        "size_bytes": 1210627,
        "available": False,
        "path": None,
        "terms": "",
        "stages": (),
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("posenet-mobilenet_v1-75.google_quant", "posenet-mobilenet_v1-075.google_quant2"),
        ("PoseNet-ResNet50", "posenet-resnet50"),
        ("posenet_resnet50.google_float", "posenet-resnet50.google_float"),
    ],
)
def test_unknown_name_gives_the_nearest(home: Path, wrong: str, right: str) -> None:
    for look_up in (resolve_name, model_info, load_model, fetch_model, remove_model, verify_model):
        with pytest.raises(UnknownModelError, match=rf"no model '{wrong}'; did you mean '{right}'"):
            look_up(wrong)
    with pytest.raises(UnknownModelError, match=r"There is no model 'zzz'; `posecore models` lists all\."):
        resolve_name("zzz")


def test_name_without_tag_takes_the_best_offline(
    site: Site, variables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    monkeypatch.setattr("posecore.zoo.listing.shipped_folder", lambda: shipped)
    assert default_model() is None
    assert resolve_name(SMALL).name == KNOWN
    site.files = variables[0]
    fetch_model(VARIABLES)
    assert resolve_name(SMALL).name == VARIABLES
    assert getattr(default_model(), "name", None) == VARIABLES
    name = f"{SMALL}.posecore"
    save_weights(
        shipped / f"{name}.safetensors",
        small_network(),
        name=name,
        architecture=SMALL,
        title="Ours",
        licence="Apache-2.0",
        description="Trained from scratch.",
    )
    # What was fetched on purpose stays the better one for its architecture; the shipped one is what a new visitor sees.
    assert resolve_name(SMALL).name == VARIABLES
    assert getattr(default_model(), "name", None) == name
    remove_model(VARIABLES)
    info = resolve_name(SMALL)
    assert (info.name, info.origin, info.available, info.tag) == (name, "shipped", True, "posecore")
    assert (info.title, info.licence, info.description) == ("Ours", "Apache-2.0", "Trained from scratch.")
    assert default_model() == info
    assert load_model(SMALL).name == name
    with pytest.raises(WeightsError, match="is part of posecore"):
        remove_model(name)


def test_shipped_models_come_in_the_order_of_the_families(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posecore.zoo.listing.shipped_folder", lambda: tmp_path)
    for architecture in ("movenet-lightning", SMALL):
        network = family_of(architecture).build(architecture)
        save_weights(tmp_path / f"{architecture}.posecore.safetensors", network, name="x", architecture=architecture)
    assert [info.architecture for info in list_models()][:2] == [SMALL, "movenet-lightning"]
    assert getattr(default_model(), "architecture", None) == SMALL


def test_damaged_shipped_file_leaves_the_others_usable(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("posecore.zoo.listing.shipped_folder", lambda: tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    save_weights(tmp_path / "good.safetensors", small_network(), name=f"{SMALL}.posecore", architecture=SMALL)
    assert [info.name for info in list_models() if info.origin == "shipped"] == [f"{SMALL}.posecore"]
    assert "broken.safetensors" in caplog.text


def test_runs_are_yours(home: Path) -> None:
    architecture = "posenet-mobilenet_v1-050"
    skeleton = Skeleton("stick", ("head", "tail"), ((0, 1),))
    registry = Registry()
    for name in ("with-weights", "just-begun"):
        registry.add(name, {})
    weights = run_folder("with-weights") / "best.safetensors"
    weights.parent.mkdir(parents=True)
    state = small_network(skeleton=skeleton)
    save_weights(weights, state, name="run:with-weights", architecture=architecture, skeleton=skeleton)
    assert [info.name for info in list_models() if info.origin == "yours"] == ["run:with-weights"]
    assert load_model("run:with-weights", device="cpu").skeleton == skeleton
    # An architecture alone never stands for a run: those may have any skeleton.
    assert resolve_name(architecture).origin != "yours"
    with pytest.raises(WeightsError, match="remove the run"):
        remove_model("run:with-weights")


def test_architecture_without_any_weights(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.zoo.listing.SOURCES", ())
    with pytest.raises(WeightsError, match="no weights for posenet-resnet50 yet; name a file of your own"):
        resolve_name("posenet-resnet50")


# Our own files


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_round_trip(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "deep" / "w.safetensors"
    network = small_network()
    sha256 = save_weights(
        path, network, name="a.b", architecture=SMALL, dtype=dtype, network_settings={"output_stride": 8}, epochs=3
    )
    loaded = load_weights(path)
    for name, tensor in network.state_dict().items():
        assert loaded.state[name].dtype == torch.float32
        assert torch.equal(loaded.state[name], tensor.to(dtype).float())
    header = loaded.header
    assert (header.name, header.architecture, header.skeleton, header.sha256) == ("a.b", SMALL, COCO_17, sha256)
    assert header.network_settings == {"output_stride": 8}
    assert header.extra == {"epochs": "3"}
    assert [file.name for file in path.parent.iterdir()] == ["w.safetensors"]


def test_training_form_is_fused_and_left_alone(tmp_path: Path) -> None:
    network = small_network(fused=False).eval()
    pixels = torch.rand(1, 3, 65, 65) * 255
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
        expected = network(pixels)["heatmaps"]
    before = set(network.state_dict())
    save_weights(tmp_path / "w.safetensors", network, name="a.b", architecture=SMALL)
    assert set(network.state_dict()) == before
    torch.save(network.state_dict(), tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        model = load_model(SMALL, weights=tmp_path / file, device="cpu")
        with torch.no_grad():
            torch.testing.assert_close(model.network(pixels)["heatmaps"], expected, rtol=1e-4, atol=1e-5)


def test_own_skeleton_and_settings_travel_with_the_file(tmp_path: Path) -> None:
    skeleton = Skeleton("stick", ("top", "left_end", "right_end"), ((0, 1), (0, 2)), ((1, 2),), (0.1, 0.2, 0.2))
    path = tmp_path / "stick.safetensors"
    settings = {"output_stride": 8, "input_size": 129}
    network = small_network(skeleton=skeleton)
    save_weights(
        path,
        network,
        name="stick",
        architecture=SMALL,
        skeleton=skeleton,
        network_settings=settings,
        decode_settings={"pose_threshold": 0.125},
    )
    assert read_header(path).skeleton == skeleton
    model = load_model(SMALL, weights=path, device="cpu", input_size=257)
    assert model.skeleton == skeleton
    assert model.network_defaults.model_dump() | settings | {"input_size": 257} == model.network_defaults.model_dump()
    assert model.name == "stick"
    usual = model.family.decode_settings().model_dump()
    assert model.decode_settings().model_dump() == usual | {"pose_threshold": 0.125}
    assert usual["pose_threshold"] != 0.125
    assert model.decode_settings(pose_threshold=0.3).pose_threshold == 0.3


def test_weights_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = small_network().state_dict()
    cases: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
        (lambda s: s.pop("heads.offsets.bias"), r"lacks tensor 'heads\.offsets\.bias'"),
        (lambda s: s.update(more=torch.zeros(1)), "has an unknown tensor 'more'"),
        (lambda s: s.update({"heads.offsets.bias": torch.zeros(5)}), r"of shape \(5,\)"),
        (lambda s: s.update({"heads.offsets.bias": torch.full((34,), torch.nan)}), "not finite"),
    ]
    for spoil, message in cases:
        spoiled = dict(state)
        spoil(spoiled)
        with pytest.raises(WeightsError, match=message):
            save_weights(path, spoiled, name="a.b", architecture=SMALL)
    with pytest.raises(WeightsError, match="'posenet-huge' that this posecore does not know"):
        save_weights(path, state, name="a.b", architecture="posenet-huge")
    assert not list(tmp_path.iterdir())


def test_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, small_network(0), name="old", architecture=SMALL)
    write_bytes = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        write_bytes(self, data[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WeightsError, match=r"w\.safetensors could not be written: the disk is full; free some space"):
        save_weights(path, small_network(1), name="new", architecture=SMALL)
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]
    assert load_weights(path).header.name == "old"


def test_home_that_cannot_be_written(tmp_path: Path, site: Site, graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files = graph[0]
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("POSECORE_HOME", str(tmp_path / "file"))
    assert len(list_models()) >= 12
    with pytest.raises(WeightsError, match="could not be written"):
        load_model(GRAPH)

    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(WeightsError, match="may not be written to; set POSECORE_HOME to a folder of your own"):
        load_model(GRAPH)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, small_network(), name="a.b", architecture=SMALL)
    data = path.read_bytes()
    flipped = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    for damaged in (data[:100], data[:-10], b"", b"<html>", flipped):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"w\.safetensors is damaged"):
            load_weights(path)
    with pytest.raises(WeightsError, match="There is no file"):
        load_weights(tmp_path / "none.safetensors")


# Fetching


@pytest.mark.parametrize("name", [GRAPH, VARIABLES])
def test_fetch_convert_load(home: Path, site: Site, graph: Any, variables: Any, name: str) -> None:
    files, state = graph if name == GRAPH else variables
    site.files = files
    bar = Bar()
    model = load_model(name, device="cpu", progress=bar, output_stride=8)
    assert all(torch.equal(model.network.state_dict()[key], tensor) for key, tensor in state.items())
    assert (model.name, model.network_defaults.model_dump()["output_stride"]) == (name, 8)
    assert set(site.requests) == set(files)
    size = sum(map(len, files.values()))
    done = [call[0] for call in bar.calls]
    assert done == sorted(done)
    assert bar.calls[-1] == (size, size)
    info = model_info(name)
    assert info.available
    assert info.path == home / "weights" / f"{name}.safetensors" == fetch_model(name)
    assert info.size_bytes == info.path.stat().st_size
    assert not left_behind(home)

    found = verify_model(name)
    assert found.sha256.startswith(model.weights_id)
    assert (found.tensors, found.parameters) == (len(state), sum(t.numel() for t in state.values()))
    assert len(found.originals) == len(files)
    pins = json.loads((home / "weights/pins.json").read_text())
    assert pins == found.originals

    load_model(name, device="cpu")
    assert max(site.requests.values()) == 1
    assert remove_model(name) == info.size_bytes
    assert not model_info(name).available
    assert json.loads((home / "weights/pins.json").read_text()) == {}
    assert remove_model(name) == 0
    with pytest.raises(WeightsError, match=f"not on this machine; `posecore weights fetch {name}`"):
        verify_model(name)


def test_mistyped_setting_costs_no_download(site: Site) -> None:
    with pytest.raises(SettingsError, match="did you mean 'output_stride'"):
        load_model(GRAPH, output_strides=8)
    assert not site.requests


def test_server_that_fails_twice(home: Path, site: Site, graph: Any) -> None:
    site.files = graph[0]
    site.failures[GRAPH_SHARD] = 2
    load_model(GRAPH, device="cpu")
    assert site.requests[GRAPH_SHARD] == 3
    assert not left_behind(home)


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        ("missing", r"group1-shard1of1\.bin could not be fetched: the server answered 404 Not Found", 1),
        ("failing", "the server answered 503", 3),
        ("broken", r"the connection failed \(\w+\)", 3),
        ("short", r"group1-shard1of1\.bin has \d+ bytes instead of \d+", 1),
        ("long", "is longer than the .* bytes expected", 1),
    ],
)
def test_faults_leave_nothing_and_say_what_to_do(
    home: Path, site: Site, graph: Any, fault: str, message: str, requests: int
) -> None:
    site.files = dict(graph[0])
    if fault == "missing":
        del site.files[GRAPH_SHARD]
    elif fault == "failing":
        site.failures[GRAPH_SHARD] = 99
    elif fault == "broken":
        site.broken.add(GRAPH_SHARD)
    else:
        data = site.files[GRAPH_SHARD]
        site.files[GRAPH_SHARD] = data[:-4] if fault == "short" else data + b"more"
    with pytest.raises(WeightsError, match=message) as caught:
        load_model(GRAPH)
    for advice in ("shipped models still work", "POSECORE_WEIGHTS_MIRROR", "a file of your own"):
        assert advice in str(caught.value)
    assert site.requests[GRAPH_SHARD] == requests
    assert not left_behind(home)
    assert not (home / "weights/pins.json").exists()
    assert not model_info(GRAPH).available


def test_wrong_checksum(home: Path, site: Site) -> None:
    size = next(entry for entry in catalog() if entry.name == KNOWN).sources[0].files["model-stride16.json"].size
    assert size is not None
    site.files[KNOWN_JSON] = b"{}".ljust(size)
    with pytest.raises(WeightsError, match=r"model-stride16\.json has checksum \w+… instead of 5c20d9a02bef…: it is"):
        load_model(KNOWN)
    assert not left_behind(home)


def test_page_in_place_of_weights(home: Path, site: Site) -> None:
    site.files[f"{GRAPH_FOLDER}/model-stride16.json"] = b"<html>Please log in</html>"
    with pytest.raises(WeightsError, match=r"model-stride16\.json is not a TensorFlow\.js weights file"):
        load_model(GRAPH)
    assert not left_behind(home)
    assert not (home / "weights/pins.json").exists()


def test_no_connection_is_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(
        "posecore.transfer.time", SimpleNamespace(sleep=lambda seconds: pytest.fail("waited for nothing"))
    )
    with pytest.raises(
        WeightsError, match=rf"there is no connection to 127.0.0.1:{port}\. POSECORE_WEIGHTS_MIRROR names an"
    ):
        load_model(GRAPH)
    assert not left_behind(home)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_interrupted_download_leaves_nothing(
    home: Path, site: Site, graph: Any, interruption: type[BaseException]
) -> None:
    site.files = graph[0]

    class Impatient:
        def update(self, done_bytes: int, total_bytes: int | None) -> None:
            if done_bytes > 1_000_000:
                raise interruption

        def say(self, text: str) -> None:
            pytest.fail("there is nothing to say")

    with pytest.raises(interruption):
        load_model(GRAPH, progress=Impatient())
    assert not left_behind(home)
    load_model(GRAPH)


def test_remains_of_a_killed_process_are_cleared(home: Path, site: Site, graph: Any) -> None:
    site.files = graph[0]
    write(home / "weights/.fetching" / GRAPH, {"half.bin": b"x"})
    fetch_model(GRAPH)
    assert not left_behind(home)


def test_two_processes_download_once(home: Path, site: Site, graph: Any) -> None:
    site.files = graph[0]
    site.held = GRAPH_SHARD
    other = multiprocessing.get_context("spawn").Process(target=fetch_model, args=(GRAPH,))
    other.start()
    assert site.asked.wait(60), "the other process should be in the middle of its download by now"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(fetch_model, GRAPH)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        site.go_on.set()
        assert waiting.result(60).is_file()
    other.join(60)
    assert other.exitcode == 0
    assert site.requests == dict.fromkeys(graph[0], 1)
    verify_model(GRAPH)
    assert not left_behind(home)


def test_changed_file_is_refused_until_accepted(home: Path, site: Site, graph: Any) -> None:
    site.files = dict(graph[0])
    fetch_model(GRAPH).unlink()
    site.files[GRAPH_SHARD] = site.files[GRAPH_SHARD][::-1]
    with pytest.raises(WeightsError, match=f"`posecore weights remove {GRAPH}` accepts it"):
        fetch_model(GRAPH)
    assert not left_behind(home)
    site.files = graph[0]
    fetch_model(GRAPH)
    tensors, _ = published("posenet-mobilenet_v1-100", seed=1)
    site.files = {**graph[0], GRAPH_SHARD: graph_files(tensors)["group1-shard1of1.bin"]}
    remove_model(GRAPH)
    fetch_model(GRAPH)


def test_damaged_cache_is_fetched_again(home: Path, site: Site, graph: Any) -> None:
    site.files = graph[0]
    path = fetch_model(GRAPH)
    good, sha256 = path.read_bytes(), read_header(path).sha256
    for damaged in (good[:1000], good[:-1] + bytes([good[-1] ^ 255])):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match=f"damaged.*`posecore weights remove {GRAPH}` removes it"):
            verify_model(GRAPH)
        load_model(GRAPH)
        assert load_weights(path).header.sha256 == sha256
    path.write_bytes(good[:1000])
    site.files = {}
    with pytest.raises(WeightsError, match=rf"damaged.*404.*`posecore weights remove {GRAPH}` removes it"):
        load_model(GRAPH)
    assert remove_model(GRAPH) == 1000


# Mirrors


def test_mirror_replaces_scheme_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://example.org/google/movenet/4/model.json?tfjs-format=file"
    monkeypatch.delenv("POSECORE_WEIGHTS_MIRROR", raising=False)
    assert location(url) == url
    cases = {
        "http://localhost:8000": "http://localhost:8000/google/movenet/4/model.json",
        "https://proxy.local/a/b/": "https://proxy.local/a/b/google/movenet/4/model.json",
        "/srv/mirror": Path("/srv/mirror/google/movenet/4/model.json"),
        "file:///srv/my%20mirror": Path("/srv/my mirror/google/movenet/4/model.json"),
        "../reference": Path("../reference/google/movenet/4/model.json"),
    }
    for mirror, expected in cases.items():
        monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", mirror)
        assert location(url) == expected
    assert sibling(url, "a b?.bin") == "https://example.org/google/movenet/4/a%20b%3F.bin?tfjs-format=file"


def test_mirror_as_folder(home: Path, tmp_path: Path, graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror"
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(mirror))
    with pytest.raises(WeightsError, match=r"model-stride16\.json cannot be read .*names a folder that does not have"):
        load_model(GRAPH)
    for name, data in graph[0].items():
        write((mirror / name).parent, {Path(name).name: data})
    model = load_model(GRAPH, device="cpu")
    assert torch.equal(model.network.state_dict()["heads.offsets.bias"], graph[1]["heads.offsets.bias"])
    assert not left_behind(home)


def test_published_models_load(home: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(reference))
    for name in ("posenet-mobilenet_v1-075.google_quant2", "posenet-mobilenet_v1-075.google_v1", KNOWN):
        model = load_model(name, device="cpu", output_stride=16)
        assert verify_model(name).sha256.startswith(model.weights_id)
        assert model.network_defaults.model_dump()["output_stride"] == 16
    poses = model(reference / "media" / "couple.jpg")
    assert len(poses) >= 2
    pins = json.loads((home / "weights/pins.json").read_text())
    assert not any("quant2" in url for url in pins)


# A person's own file


@pytest.mark.parametrize(
    "kind", ["posecore.safetensors", "plain.safetensors", "w.pt", "w.pth", "nested.pth", "model.json", "manifest.json"]
)
def test_own_file(home: Path, tmp_path: Path, kind: str) -> None:
    tensors, state = published(SMALL, old=kind == "manifest.json")
    path = tmp_path / kind
    if kind == "posecore.safetensors":
        save_weights(path, state, name=f"{SMALL}.mine", architecture=SMALL)
    elif kind == "plain.safetensors":
        safetensors.torch.save_file(state, path)
    elif path.suffix in (".pt", ".pth"):
        torch.save({"state_dict": state, "epoch": 3} if kind == "nested.pth" else state, path)
    else:
        write(tmp_path, graph_files(tensors, shards=2) if kind == "model.json" else variable_files(tensors))
    model = load_model(SMALL, weights=path, device="cpu", output_stride=8)
    assert all(torch.equal(model.network.state_dict()[key], tensor) for key, tensor in state.items())
    assert model.name == (f"{SMALL}.mine" if kind == "posecore.safetensors" else f"{SMALL}.{path.stem}")
    assert load_model(f"{SMALL}.google_v1", weights=str(path)).name == f"{SMALL}.google_v1"
    with pytest.raises(WeightsError):
        load_model("posenet-mobilenet_v1-075", weights=path)


class Trap:
    """Would create a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("ending", ["pt", "pth"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, ending: str) -> None:
    trap, path = tmp_path / "sprung", tmp_path / f"w.{ending}"
    torch.save({"state_dict": Trap(trap)}, path)
    with pytest.raises(WeightsError, match="holds Python objects, which posecore does not run"):
        load_model(SMALL, weights=path)
    path.write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(WeightsError, match="holds Python objects, which posecore does not run"):
        load_model(SMALL, weights=path)
    assert not trap.exists()


def test_own_files_that_cannot_be_used(home: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.pt"
    torch.save(published(SMALL)[1], good)
    cases: dict[str, tuple[bytes, str]] = {
        "w.onnx": (b"", "unknown ending '.onnx'; posecore reads"),
        "w.pt": (b"nonsense", "w.pt"),
        "half.pt": (good.read_bytes()[:5000], "half.pt is damaged"),
        "old.pt": (b"\x80\x02\x8a\x0al", "old.pt is damaged"),
        "w.json": (b"{", "cannot be read as JSON"),
        "list.json": (b"[]", "is not a TensorFlow.js weights file"),
        "w.safetensors": (b"12345678", "is damaged or not a safetensors file"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=message):
            load_model(SMALL, weights=tmp_path / name)
    torch.save({name: tensor / 0 for name, tensor in published(SMALL)[1].items()}, tmp_path / "nan.pt")
    with pytest.raises(WeightsError, match="are not finite numbers"):
        load_model(SMALL, weights=tmp_path / "nan.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="does not hold a state_dict"):
        load_model(SMALL, weights=tmp_path / "list.pt")
    with pytest.raises(WeightsError, match=r"nowhere\.pt does not exist"):
        load_model(SMALL, weights=tmp_path / "nowhere.pt")
    with pytest.raises(WeightsError, match="is a folder; name the file in it"):
        load_model(SMALL, weights=tmp_path)
    with pytest.raises(UnknownModelError, match=f"did you mean '{SMALL}'"):
        load_model("posenet-mobilenet_v1-50", weights=good)


def test_a_model_is_exported_to_a_file_of_its_own(home: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    weights = run_folder("mine") / "best.safetensors"
    Registry().add("mine", {})
    weights.parent.mkdir(parents=True)
    save_weights(
        weights,
        small_network(),
        name="run:mine",
        architecture=SMALL,
        network_settings={"output_stride": 8, "input_size": 161},
        decode_settings={"pose_threshold": 0.125},
        config={"data": "/a/folder/of/mine", "loss": {"heatmap_radius": 9}},
    )
    file = tmp_path / "out" / f"{SMALL}.shared.safetensors"
    settings = ("--set", "input_size=129", "--set", "keypoint_threshold=0.25")
    arguments = ["weights", "export", "run:mine", str(file), "--half", *settings, "--title", "Mine"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    header = read_header(file)
    assert (header.name, header.title) == (f"{SMALL}.shared", "Mine")
    assert header.network_settings == {"output_stride": 8, "input_size": 129}, "the run's, but for what was set"
    assert header.decode_settings == {"pose_threshold": 0.125, "keypoint_threshold": 0.25}
    assert json.loads(header.extra["config"]) == {"loss": {"heatmap_radius": 9}}
    assert "/a/folder" not in file.read_bytes().decode("latin-1")
    assert file.stat().st_size < 0.6 * weights.stat().st_size
    theirs, ours = load_model(SMALL, weights=file, device="cpu"), load_model("run:mine", device="cpu")
    assert theirs.network_settings().input_size == 129  # type: ignore[attr-defined]
    for mine, half in zip(ours.network.parameters(), theirs.network.parameters(), strict=True):
        torch.testing.assert_close(half, mine, rtol=1e-3, atol=1e-6)
    for wrong in (["out.bin"], ["out.safetensors", "--set", "input_sise=3"]):
        assert CliRunner().invoke(app, ["weights", "export", "run:mine", *wrong]).exit_code != 0


def test_a_link_to_weights_that_are_gone_costs_no_other_model(home: Path, tmp_path: Path) -> None:
    before = list_models()
    (home / "models").mkdir(parents=True, exist_ok=True)
    (home / "models" / "gone.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    assert list_models() == before


def test_weights_are_added_under_a_name_of_their_own(home: Path, tmp_path: Path) -> None:
    _, state = published(SMALL)
    folder = tmp_path / "my export"
    folder.mkdir()
    save_weights(folder / EXPORT_WEIGHTS, state, name=f"{SMALL}.google_v1", architecture=SMALL, licence="MIT")
    assert load_model("", weights=folder, device="cpu").architecture == SMALL
    info = add_model(folder)
    assert (info.name, info.origin, info.licence) == (f"{SMALL}.my_export", "yours", "MIT")
    assert add_model(folder).name == f"{SMALL}.my_export-2"
    with pytest.raises(WeightsError, match="already"):
        add_model(folder, tag="my export")
    assert torch.equal(next(iter(load_model(info.name).network.state_dict().values())), next(iter(state.values())))
    assert verify_model(info.name).path == info.path
    assert remove_model(info.name) > 0
    assert info.name not in {one.name for one in list_models()}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="name its architecture"):
        add_model(tmp_path / "w.pt")
    assert add_model(tmp_path / "w.pt", SMALL).name == f"{SMALL}.w"
