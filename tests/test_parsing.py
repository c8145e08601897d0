"""JSON, YAML and saved fields that nobody has vouched for: what they hold, or one short sentence."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posecore.errors import DataError, SettingsError, WeightsError
from posecore.families.posenet import POSENET
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.parsing import MalformedError, parse_json, parse_yaml, shown
from posecore.training.config import read_config
from posecore.zoo.formats import format_of
from posecore.zoo.weights import read_header, save_weights

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DEEP, "nested too deeply"),
        ("[1,\n2,\n", "line 3"),
        ("9" * 10_000, "number that is too long"),
        (b"\xff\xfe\x00", "UTF-8|Expecting|truncated"),
    ],
)
def test_json_that_cannot_be_read(text: Any, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 200


def test_numbers_that_are_none_are_refused_where_they_do_harm() -> None:
    assert np.isnan(parse_json("[NaN]")[0])
    for text in ("[NaN]", "[Infinity]", "[-Infinity]"):
        with pytest.raises(MalformedError, match="not a number"):
            parse_json(text, finite=True)


ALIASES = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*{'a' if not i else f'b{i - 1}'}, *a]\n" for i in range(40))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ALIASES, "aliases"),
        ("[" * 5000, "nested too deeply"),
        ("a: !!timestamp x", "cannot be read"),
        ("a: !!int ''", "cannot be read"),
        ("a: !!python/object/apply:os.system [true]", "line 1"),
        ("a: [", "line 1"),
        ("x: 1\n" * 300_000, "characters"),
        ('a: "C:\\Users"', "Windows paths"),
    ],
)
def test_yaml_that_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason) as caught:
        parse_yaml(text)
    assert len(str(caught.value)) < 400


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_is_yaml_or_a_reason(text: str) -> None:
    with contextlib.suppress(MalformedError):
        parse_yaml(text)


def test_quoted_values_are_short() -> None:
    for value in ("x" * 10_000, [[["y" * 1000] * 1000]], 10**400, {"a": list(range(10_000))}):
        assert len(shown(value)) <= 60


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("text", [DEEP[:5000], ALIASES, "a: !!timestamp x", '{"epochs": ' + "9" * 5000 + "}"])
def test_configurations_are_refused_in_a_sentence(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_config(tmp_path / name)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_wrong_values_of_a_configuration_are_quoted_in_short(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"epochs": "x" * 100_000, "y" * 100_000: 1}))
    with pytest.raises(SettingsError) as caught:
        read_config(tmp_path / "a.json")
    assert len(str(caught.value)) < 3000


def test_weights_headers_and_graphs_that_are_odd(tmp_path: Path) -> None:
    network = POSENET.build("posenet-mobilenet_v1-050")
    for key, value in (
        ("network_settings", "[[1, 2]]"),
        ("network_settings", DEEP),
        ("skeleton", DEEP),
        ("skeleton", '{"name": "a", "keypoints": ["b"], "edges": [[1e999, 0]], "flip_pairs": [], "sigmas": [1]}'),
        ("skeleton", '{"name": "a", "keypoints": [{}], "edges": [], "flip_pairs": [], "sigmas": [1]}'),
    ):
        path = tmp_path / "w.safetensors"
        save_weights(path, network, name="a.b", architecture="posenet-mobilenet_v1-050")
        _change_header(path, key, value)
        with pytest.raises(WeightsError, match="cannot be understood") as caught:
            read_header(path)
        assert len(str(caught.value)) < 400 + len(str(path))
    (tmp_path / "model.json").write_text(DEEP)
    with pytest.raises(WeightsError, match="nested too deeply"):
        format_of(tmp_path / "model.json")


def _change_header(path: Path, key: str, value: str) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"][key] = value
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of small fields."""
    torch.manual_seed(0)
    name = "posenet-mobilenet_v1-050"
    model = PoseModel(f"{name}.test", POSENET, name, POSENET.build(name), "test", device="cpu")
    path = tmp_path_factory.mktemp("fields") / "fields.npz"
    model.fields(np.zeros((64, 64, 3), np.uint8), (0, 0, 64, 64), input_size=65).save(path)
    return path.read_bytes()


def test_damaged_fields_are_a_sentence(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    random = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(saved)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(256)
        path.write_bytes(data[: random.integers(len(data) // 2, len(data) + 1)])
        with contextlib.suppress(DataError):
            Fields.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"transform": {"scale": [1e999, 1], "shift": [0, 0], "input_size": [65, 65], "image_size": [64, 64]}},
        {"skeleton": "none of them"},
        {"maps": [{"name": "__meta__"}]},
        {"provenance": {}},
        {"timings": []},
    ],
)
def test_fields_that_contradict_themselves(saved: bytes, change: dict[str, Any], tmp_path: Path) -> None:
    path = with_meta(saved, tmp_path / "odd.npz", lambda meta: meta.update(change))
    with pytest.raises(DataError, match="does not hold posecore fields"):
        Fields.load(path)


def with_meta(saved: bytes, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    with np.load(io.BytesIO(saved)) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays.pop("__meta__")))
    change(meta)
    np.savez(path, __meta__=np.array(json.dumps(meta)), **arrays)
    return path


def test_fields_of_the_version_before_are_read_and_later_ones_are_not(saved: bytes, tmp_path: Path) -> None:
    def before(meta: dict[str, Any]) -> None:
        meta["version"] = 1
        del meta["provenance"]["computed"]

    assert Fields.load(with_meta(saved, tmp_path / "old.npz", before)).provenance.computed == ""
    with pytest.raises(DataError, match="version 3"):
        Fields.load(with_meta(saved, tmp_path / "new.npz", lambda meta: meta.update(version=3)))


def test_damaged_arrays_are_not_left_open(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    for content in (saved[: len(saved) // 2], b"PK\x03\x04 nothing", b"", saved[:-30] + bytes(30)):
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            with pytest.raises(DataError):
                Fields.load(path)
            gc.collect()
        assert not [one for one in heard if issubclass(one.category, ResourceWarning)]


def test_a_file_of_fields_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.fields.MAX_BYTES", 1_000_000)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__meta__.npy", bytes(2_000_000))
    with pytest.raises(DataError, match="more than 1 MB"):
        Fields.load(path)
