"""Configurations of a public MoveNet trainer: what every key becomes, and what is no configuration."""

from __future__ import annotations

import ast
import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from posecore.cli.configs import app
from posecore.errors import PosecoreError, SettingsError
from posecore.families import FAMILIES
from posecore.families.movenet.loss import MoveNetLossSettings
from posecore.training.config import read_config
from posecore.training.foreign import Conversion, convert_movenet_config, convert_movenet_values
from posecore.training.foreign.file import parse_json, parse_python
from posecore.training.foreign.rules import KNOWN_KEYS
from posecore.training.schedule import factor

#: A configuration with the keys that the trainer documents.
DOCUMENTED: dict[str, Any] = {
    "GPU_ID": "0", "random_seed": 7, "cfg_verbose": True, "task": "kpts",
    "task_params": {"num_joints": 17, "export_keypoints": True, "class_agnostic_nms": False, "class_filter": []},
    "save_dir": "output/", "dataset_root_path": "./coco", "backbone": "mobilenet_v2", "width_mult": 1.0,
    "img_size": 256, "target_stride": 4, "use_color_aug": True, "use_flip": True, "use_rotate": True,
    "rotate_deg": 30.0, "use_scale": True, "scale_range": [0.75, 1.25], "gaussian_radius": 2, "sigma_scale": 1.0,
    "select_person": "largest", "pin_memory": True, "num_workers": 8, "batch_size": 64, "epochs": 100,
    "learning_rate": 0.00035, "optimizer": "Adam", "scheduler": "MultiStepLR-90,130-0.2", "weight_decay": 0.0001,
    "clip_gradient": 1.0, "log_interval": 10,
}  # fmt: skip


def converted(**values: Any) -> Conversion:
    return convert_movenet_values(values)


def kind_of(conversion: Conversion, key: str) -> str:
    (finding,) = [finding for finding in conversion.findings if key in finding.keys]
    return finding.kind


def test_a_documented_configuration() -> None:
    conversion = convert_movenet_values(DOCUMENTED, "my run!")
    config = conversion.config
    assert config.name == "my-run"
    assert config.model.architecture == "movenet-lightning"
    assert len(config.skeleton) == 17
    assert config.training.input_sides == (256,)
    assert config.network_settings.model_dump()["input_size"] == 256
    assert config.data.root == "./coco"
    assert (config.training.batch_size, config.training.seed, config.training.devices) == (64, 7, 1)
    assert (config.optimizer.kind, config.optimizer.learning_rate, config.optimizer.clip) == ("adam", 0.00035, 1.0)
    assert config.augment.flip == 0.5
    # ±30 degrees evenly have a standard deviation of 30 / √3; sizes between 0.75 and 1.25 times four fifths.
    assert config.augment.rotation == pytest.approx(17.32, abs=0.01)
    size, change = config.augment.size, 1 + config.augment.scale
    assert (size / change, size * change) == pytest.approx((0.6, 1.0), abs=1e-3)
    loss = config.loss_settings.model_dump()
    assert loss["person"] == "largest"
    assert loss["least_spread"] == loss["most_spread"] == pytest.approx(5 / 6, abs=1e-3)
    # 130 is after the end.
    assert [factor(config.schedule, epoch / 100) for epoch in (0, 89.9, 90.1, 99)] == [1, 1, 0.2, 0.2]
    kinds = {key: kind_of(conversion, key) for key in ("select_person", "clip_gradient", "num_workers", "scheduler")}
    assert kinds == {
        "select_person": "same", "clip_gradient": "similar", "num_workers": "no use", "scheduler": "same",
    }  # fmt: skip
    assert not [finding for finding in conversion.findings if finding.kind == "unknown"]
    # What is written down means the same.
    assert yaml.safe_load(conversion.to_yaml("a\nb: c")) == conversion.values


def test_every_key_is_accounted_for_once() -> None:
    values = {key: value for key, value in DOCUMENTED.items() if key != "random_seed"}
    conversion = convert_movenet_values(values | {"randm_seed": 1, "clip_gradient": None, "zzz": 3})
    named = [key for finding in conversion.findings for key in finding.keys]
    flat = {*values, "randm_seed", "zzz", *(f"task_params.{key}" for key in DOCUMENTED["task_params"])} - {
        "task_params"
    }
    assert sorted(named) == sorted(flat)
    (near,) = [finding for finding in conversion.findings if finding.keys == ("randm_seed",)]
    assert (near.kind, near.words) == ("unknown", "did you mean random_seed?")
    assert kind_of(conversion, "clip_gradient") == "no use"
    assert conversion.config.training.seed == 0


def test_nothing_given_is_a_valid_configuration() -> None:
    conversion = convert_movenet_values({})
    assert {finding.kind for finding in conversion.findings} == {"added"}
    assert conversion.config.model.architecture == "movenet-lightning"


@pytest.mark.parametrize(
    ("backbone", "width", "architecture", "kind"),
    [
        ("mobilenet_v2", 0.5, "movenet-mobilenet_v2-050", "same"),
        ("mobilenet_v2", 0.8, "movenet-mobilenet_v2-075", "similar"),
        ("mobilenet_v2", 1.75, "movenet-thunder", "same"),
        ("MobileNetV3", 1.0, "movenet-mobilenet_v3-large", "same"),
        ("mobilenet_v3_small", 1.0, "movenet-mobilenet_v3-small", "same"),
        ("mobilenet_v3_large", 0.75, "movenet-mobilenet_v3-large", "similar"),
        ("shufflenet_v2", 1.5, "movenet-shufflenet_v2-150", "same"),
        ("shufflenet_v2_x0_5", 1.0, "movenet-shufflenet_v2-050", "same"),
        ("shufflenetv2_x1_0", 1.0, "movenet-shufflenet_v2-100", "same"),
    ],
)
def test_backbones(backbone: str, width: float, architecture: str, kind: str) -> None:
    conversion = converted(backbone=backbone, width_mult=width)
    assert conversion.config.model.architecture == architecture
    assert kind_of(conversion, "backbone") == kind_of(conversion, "width_mult") == kind


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        # Factors of the learning rate after 0, 25, 50 and 99 of 100 epochs.
        ("MultiStepLR-20,50-0.1", (1, 0.1, 0.01, 0.01)),
        ("MultiStepLR-200-0.1", (1, 1, 1, 1)),
        ("step-25-0.5", (1, 0.5, 0.25, 0.125)),
        ("step-300-0.5", (1, 1, 1, 1)),
        ("ExponentialLR-0.9", (1, 0.9**25, 0.9**50, 0.9**99)),
        ("CosineAnnealingLR-100", (1, (2 + math.sqrt(2)) / 4, 0.5, 0.0002467)),
        ("CosineAnnealingLR-100-1e-4", (1, 0.1 + 0.9 * (2 + math.sqrt(2)) / 4, 0.55, 0.1 + 0.9 * 0.0002467)),
        ("constant", (1, 1, 1, 1)),
    ],
)
def test_schedules_are_what_they_were(scheduler: str, expected: tuple[float, ...]) -> None:
    conversion = converted(scheduler=scheduler, epochs=100, learning_rate=0.001)
    assert kind_of(conversion, "scheduler") == "same"
    found = [factor(conversion.config.schedule, epoch / 100) for epoch in (0, 25, 50, 99)]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scheduler", ["SGDR-5-2", "default-0.5-3", "CosineAnnealingLR-50", "CosineAnnealingLR-300"])
def test_schedules_without_counterpart_say_so(scheduler: str) -> None:
    conversion = converted(scheduler=scheduler, epochs=100)
    assert kind_of(conversion, "scheduler") == "similar"
    assert conversion.config.schedule.kind == "cosine"


def test_switches_that_are_off() -> None:
    conversion = converted(use_color_aug=False, use_flip=False, use_rotate=False, rotate_deg=30, use_scale=False)
    augment = conversion.config.augment.model_dump()
    for name in ("brightness", "contrast", "saturation", "tint", "flip", "rotation", "scale", "any_angle", "cutout"):
        assert augment[name] == 0, name
    assert augment["size"] == 0.8


def test_keypoints_of_ones_own_wait_for_names() -> None:
    conversion = converted(num_classes=13, use_flip=True)
    assert len(conversion.config.skeleton) == 13
    assert conversion.config.augment.flip == 0
    assert kind_of(conversion, "use_flip") == "no use"
    assert "write the names" in next(str(finding) for finding in conversion.findings if "num_classes" in finding.keys)


def test_weights_of_the_loss_and_labels_of_ones_own() -> None:
    conversion = converted(
        w_heatmap=1, w_bone=10, w_center=2, w_reg=3, w_offset=4, train_label_path="a.json", img_path="imgs",
        val_label_path="b.json", training_data_split=80, min_visible_kpts=8, GPU_ID="",
    )  # fmt: skip
    loss = conversion.config.loss_settings.model_dump()
    usual = MoveNetLossSettings().model_dump()
    parts = ("heatmap", "bone", "centre", "regression", "offset")
    # That trainer's usual weights are 1, 20, 1, 3 and 1.
    assert [loss[f"{part}_weight"] / usual[f"{part}_weight"] for part in parts] == pytest.approx([1, 0.5, 2, 1, 4])
    assert loss["heatmap_loss"] == "mse"
    (source,), (held,) = conversion.config.data.train, conversion.config.data.validation
    assert (source.annotations, source.images, source.pack.min_keypoints) == ("a.json", "imgs", 8)
    assert (held.annotations, held.images) == ("b.json", "imgs")
    assert conversion.config.training.device == "cpu"
    assert converted(training_data_split=80).config.data.holdout == 0.2
    assert converted(train_ratio=0.9).config.data.holdout == 0.1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "det"}, "task = 'det' is not about keypoints"),
        ({"task_params": 3}, "task_params = 3 must hold keys and values"),
        ({"backbone": "resnet"}, "backbone = 'resnet' is not known; there are mobilenetv2"),
        ({"backbone": 3}, "backbone = 3 must be a text"),
        ({"width_mult": "wide"}, "width_mult = 'wide' must be a number"),
        ({"width_mult": -1}, "width_mult = -1 must be between"),
        ({"num_classes": 7, "task_params": {"num_joints": 8}}, "contradict each other: 7, 8"),
        ({"num_classes": 1.5}, "num_classes = 1.5 must be a whole number"),
        ({"img_size": True}, "img_size = True must be a number"),
        ({"img_size": 9999}, "img_size = 9999 must be between 32 and 1024"),
        ({"use_flip": "yes"}, "use_flip = 'yes' must be true or false"),
        ({"use_scale": True, "scale_range": [1.25, 0.75]}, "scale_range = [1.25, 0.75] must be two numbers above 0"),
        ({"use_scale": True, "scale_range": [0.1, 0.9]}, "too wide"),
        ({"use_scale": True, "scale_range": 1}, "scale_range = 1 must be two numbers"),
        ({"select_person": "tallest"}, "select_person = 'tallest' is not known; there are largest"),
        ({"optimizer": "Adaam"}, "optimizer = 'Adaam' is not known"),
        ({"learning_rate": math.nan}, "learning_rate = nan must be a number"),
        ({"learning_rate": 0}, "learning_rate = 0 must be between"),
        ({"learning_rate": 10**400}, "must be a number"),
        (
            {"scheduler": "MultiStepLR"},
            "scheduler = 'MultiStepLR' is not understood; it should look like MultiStepLR-90",
        ),
        ({"scheduler": "MultiStepLR-90,x-0.2"}, "is not understood"),
        ({"scheduler": "MultiStepLR-9,3-0.2"}, "in rising order"),
        ({"scheduler": "MultiStepLR-3,9-2"}, "above 0 and not above 1"),
        ({"scheduler": "MultiStepLR-3,1e999-0.2"}, "too large"),
        ({"scheduler": "step-0-0.5"}, "drops the learning rate too often"),
        ({"scheduler": "step-1-0.5", "epochs": 50000}, "drops the learning rate too often"),
        ({"scheduler": 5}, "scheduler = 5 must be a text"),
        ({"GPU_ID": "all"}, "GPU_ID = 'all' must be numbers of GPUs"),
    ],
)
def test_values_that_make_no_sense_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        convert_movenet_values(values)
    assert message in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN_KEYS)) | st.text(max_size=12), anything, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_table_is_converted_or_refused_with_a_sentence(values: dict[str, Any]) -> None:
    try:
        conversion = convert_movenet_values(values)
    except SettingsError:
        return
    keys = {key for finding in conversion.findings for key in finding.keys}
    assert keys >= set(values) - {"task_params"}
    assert yaml.safe_load(conversion.to_yaml("x")) == json.loads(json.dumps(conversion.values))


names = st.sampled_from(["MultiStepLR", "step", "SGDR", "CosineAnnealingLR", "ExponentialLR", "default", "constant"])
pieces = st.integers(-5, 10**6).map(str) | st.floats().map(str) | st.text(alphabet="0123456789.,-e x", max_size=8)


@given(names, st.lists(pieces, max_size=4), st.integers(1, 100000))
@settings(max_examples=150, deadline=None)
def test_any_schedule_is_understood_or_refused(name: str, parts: list[str], epochs: int) -> None:
    text = "-".join([name, *parts])
    try:
        schedule = converted(scheduler=text, epochs=epochs).config.schedule
    except SettingsError:
        return
    factors = [factor(schedule, step / 50) for step in range(51)]
    assert all(0 <= value <= 1 for value in factors)
    assert factors == sorted(factors, reverse=True)


# --- files ---


def test_json_with_comments_and_a_last_comma() -> None:
    text = """
    { // a comment, with "quotes"
      "save_dir": "http://a/*no comment*/",  /* over
      two lines */
      "list": [1, 2,],
    }"""
    assert parse_json(text, "it") == {"save_dir": "http://a/*no comment*/", "list": [1, 2]}
    with pytest.raises(SettingsError, match=r"it, line 3, column \d+: Expecting"):
        parse_json('{\n// one\n"a" 1}', "it")
    for wrong in ("[1]", "3", "", "{", "[" * 100000):
        with pytest.raises(SettingsError, match="it"):
            parse_json(wrong, "it")


def test_python_is_read_and_not_run() -> None:
    text = """
'''About.'''
import os
dataset = 'a' + '/b'
cfg = {'GPU_ID': '', 'epochs': 3 * 40, 'scale_range': (0.75, 1 + 0.25), 'rotate_deg': -(-30.0), 'on': not False}
if dataset == 'coco':
    cfg['num_classes'] = 17
elif dataset == 'a/b':
    cfg['num_classes'] = 13
other = {}
"""
    assert parse_python(text, "it") == {
        "GPU_ID": "", "epochs": 120, "scale_range": [0.75, 1.25], "rotate_deg": 30.0, "on": True, "num_classes": 13,
    }  # fmt: skip
    assert parse_python("{'a': 1}", "it") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cfg = {'a': open('x')}", "line 1: only plain values"),
        ("cfg = {}\nimport os\nos.remove('x')", "line 3: only plain values"),
        ("cfg = {'a': unknown}", "line 1: only plain values"),
        ("cfg = {'a': 1 / 0}", "line 1"),
        ("cfg = {'a': 'x' * 10}", "line 1"),
        ("cfg = {'a': 1 + 'x'}", "line 1"),
        ("cfg = {**other}", "keys of a configuration must be texts"),
        ("cfg = {1: 2}", "keys of a configuration must be texts"),
        ("cfg = {\n'a': 1", "line 1"),
        ("x = 3", "assigns no dictionary"),
        ("cfg['a'] = 1", "line 1"),
        ("a = 'x'\n" + "a = a + a\n" * 60 + "cfg = {}", "only plain values"),
        ("a = 2\n" + "a = a * a\n" * 60 + "cfg = {}", "only plain values"),
        ("a = 1e308 * 10\ncfg = {'a': a}", "line 1"),
        ("cfg = " + "(" * 5000 + ")" * 5000, "it"),
        ("cfg = " + "-" * 50000 + "1", "it"),
        ("\0", "it"),
    ],
)
def test_python_that_is_more_than_plain_values(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_python(text, "it")
    assert message in str(caught.value)


@given(st.text(alphabet=st.sampled_from(" \n={}[]()'\"cfg:,+-*/.1ae0#\\"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_json, parse_python):
        with suppress(SettingsError):
            assert isinstance(parse(text, "it"), dict)


@given(st.dictionaries(st.text(max_size=8), anything, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_python_and_json_write_reads_back(values: dict[str, Any]) -> None:
    plain = json.loads(json.dumps(values, allow_nan=False)) if _finite(values) else None
    if plain is not None:
        assert parse_json(json.dumps(plain), "it") == plain
        assert parse_python(f"cfg = {plain!r}", "it") == ast.literal_eval(repr(plain))


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


# --- command ---


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_writes_a_configuration_that_trains(tmp_path: Path) -> None:
    (tmp_path / "theirs.json").write_text(json.dumps(DOCUMENTED))
    target = tmp_path / "ours.yaml"
    result = run("convert", tmp_path / "theirs.json", "-o", target)
    assert result.exit_code == 0, result.output
    assert "optimizer.learning_rate: 0.00035" in result.stderr
    assert read_config(target) == convert_movenet_config(tmp_path / "theirs.json").config
    assert target.read_text().startswith("# Converted from theirs.json.\n# similar: ")
    checked = run("check", target)
    assert "theirs trains movenet-lightning on coco-17" in checked.stdout
    again = run("convert", tmp_path / "theirs.json", "-o", target)
    assert isinstance(again.exception, PosecoreError)
    assert "is there already" in str(again.exception)
    assert run("convert", tmp_path / "theirs.json", "-o", target, "--overwrite").exit_code == 0
    printed = run("convert", tmp_path / "theirs.json")
    assert yaml.safe_load(printed.stdout) == yaml.safe_load(target.read_text())
    for wrong in (tmp_path / "missing.json", tmp_path):
        assert isinstance(run("convert", wrong).exception, PosecoreError)


def test_every_architecture_is_listed() -> None:
    listed = run("architectures").stdout
    for family in FAMILIES.values():
        for name in family.architectures:
            assert name in listed
