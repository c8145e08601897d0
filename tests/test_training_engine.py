"""The engine: optimiser groups, averaging, starting points, the registry, and runs from beginning to end."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing
import yaml
from torch import nn
from torch.multiprocessing.spawn import spawn
from torch.optim.optimizer import register_optimizer_step_post_hook

from posecore.data.annotations import Label
from posecore.data.truth import Truth
from posecore.errors import DataError, SettingsError
from posecore.families import FAMILIES
from posecore.families.backbones import fuse
from posecore.families.contract import LossTerm
from posecore.families.posenet import POSENET
from posecore.families.posenet.heads import adapt_heads
from posecore.runs import Registry
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from posecore.training.averaging import AveragedNetwork
from posecore.training.config import OptimizerConfig, make_config, placed
from posecore.training.parts import check_run
from posecore.training.start import insert_norm, settle_norm, starting_network
from posecore.zoo import save_weights

ARCHITECTURE = "posenet-mobilenet_v1-050"
PIXELS = torch.rand(2, 3, 65, 65, generator=torch.Generator().manual_seed(0)) * 255


def config_values(**changes: Any) -> dict[str, Any]:
    """Two small epochs on drawn people, in single precision on one thread."""
    base: dict[str, Any] = {
        "name": "trial",
        "model": {"architecture": ARCHITECTURE},
        "data": {
            "train": [{"synthetic": 8, "seed": 7, "pack": {"side": 64, "min_keypoints": 1}}],
            "holdout": 0.2,
        },
        "augment": {"mosaic": 0.2, "paste": 0.2},
        "optimizer": {"learning_rate": 0.002, "clip": 5.0},
        "schedule": {"epochs": 2},
        "training": {"batch_size": 4, "input_sides": [65], "threads": 1, "device": "cpu", "overlays": 2, "ema": 0.9},
    }
    return {**base, **changes}


# --- parts ---


def test_learning_rates_and_decay_go_by_group() -> None:
    from posecore.training.module import freeze, make_optimizer

    network = POSENET.build(ARCHITECTURE, fused=False)
    freeze(network, ("backbone.stem",))
    config = OptimizerConfig(learning_rate=0.01, weight_decay=0.1, groups={"backbone": 0.1})
    optimizer = make_optimizer(network, config)
    by_parameter = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        if name.startswith("backbone.stem"):
            assert id(parameter) not in by_parameter
            continue
        group = by_parameter[id(parameter)]
        assert group["base"] == pytest.approx(0.001 if name.startswith("backbone") else 0.01)
        assert group["weight_decay"] == (0.1 if parameter.dim() > 1 else 0.0)
    assert isinstance(make_optimizer(network, OptimizerConfig(kind="sgd")), torch.optim.SGD)
    assert type(make_optimizer(network, OptimizerConfig(kind="adam"))) is torch.optim.Adam


@pytest.mark.parametrize(
    ("start", "hint"),
    [
        ("bakbone.stem", "did you mean 'backbone.stem.'?"),
        ("head", None),
        ("heads.heatmap.", "did you mean 'heads.heatmaps.'?"),
        ("backbone.blocks.99", "did you mean 'backbone.blocks."),
        ("", "there are backbone., heads."),
        ("nothing like it", "there are backbone., heads."),
    ],
)
def test_parts_that_the_network_does_not_have_are_refused(start: str, hint: str | None, tmp_path: Path) -> None:
    from posecore.training.module import freeze, make_optimizer

    for values, named in (
        ({"model": {"architecture": ARCHITECTURE, "freeze": [start]}}, "model.freeze"),
        ({"optimizer": {"groups": {start: 0.1}}}, "optimizer.groups"),
    ):
        config = make_config(config_values(**values))
        network = POSENET.build(ARCHITECTURE)
        if hint is None:
            check_run(config)
            freeze(network, config.model.freeze)
            make_optimizer(network, config.optimizer)
            continue
        with pytest.raises(SettingsError) as checked:
            check_run(config)
        assert named in str(checked.value)
        assert hint in str(checked.value)
        learn = freeze if config.model.freeze else make_optimizer
        with pytest.raises(SettingsError, match=re.escape(hint)):
            learn(network, config.model.freeze or config.optimizer)  # type: ignore[arg-type]


def test_inserted_norm_counts_as_a_part() -> None:
    model = {"architecture": ARCHITECTURE, "start": "some", "norm": "identity", "freeze": ["backbone.stem.norm"]}
    check_run(make_config(config_values(model=model)))
    with pytest.raises(SettingsError, match="no part"):
        check_run(make_config(config_values(model={**model, "norm": "none"})))


def test_nothing_left_to_learn_is_refused() -> None:
    from posecore.training.module import freeze, make_optimizer

    network = POSENET.build(ARCHITECTURE)
    freeze(network, ("backbone", "heads"))
    with pytest.raises(SettingsError, match="nothing would learn"):
        make_optimizer(network, OptimizerConfig())


def test_the_average_follows_weights_and_statistics() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = AveragedNetwork(network, 0.75)
    with torch.no_grad():
        network.get_parameter("0.weight").fill_(1.0)
        average.network[0].weight.fill_(0.0)  # type: ignore[index]
    network(torch.randn(8, 2))
    for _ in range(100):
        average.update(network)
    torch.testing.assert_close(average.network[0].weight, network[0].weight)  # type: ignore[index]
    torch.testing.assert_close(average.network[1].running_mean, network[1].running_mean)  # type: ignore[index]
    assert average.network[1].num_batches_tracked == 1  # type: ignore[index]
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_statistics_of_a_short_run_are_means_of_what_was_seen() -> None:
    from posecore.training.module import norm_momenta, warm_norm

    norm = nn.BatchNorm2d(3, momentum=0.03)
    momenta = norm_momenta(norm)
    batches = torch.randn(5, 4, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 0.1 + 7
    for step, batch in enumerate(batches):
        warm_norm(momenta, step)
        norm(batch)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, batches.mean((0, 1, 3, 4)))
    warm_norm(momenta, 1000)
    assert norm.momentum == 0.03


def test_inserted_norm_changes_nothing_in_either_mode() -> None:
    torch.manual_seed(0)
    network = POSENET.build(ARCHITECTURE, fused=True).eval()
    with torch.inference_mode():
        before = network(PIXELS)
    insert_norm(network)
    with torch.inference_mode():
        after = network(PIXELS)
    settle_norm(network, [PIXELS], lambda net, pixels: net(pixels))
    with torch.inference_mode():
        settled = network(PIXELS)
        network.train()
        training = network(PIXELS)
        fused = fuse(network)(PIXELS)
    for name, expected in before.items():
        for found in (after, settled, training):
            torch.testing.assert_close(found[name], expected, atol=2e-3, rtol=2e-3)
        assert fused[name].isfinite().all()


def test_heads_for_another_skeleton_keep_what_has_the_same_name() -> None:
    """A sub-skeleton with its names in another order: maps of shared joints and edges stay, exactly."""
    torch.manual_seed(0)
    names = ("left_hip", "tail", "left_shoulder", "nose", "left_elbow")
    other = Skeleton("other", names, edges=((3, 2), (2, 4), (0, 2), (0, 1)))
    network, new = POSENET.build(ARCHITECTURE).eval(), POSENET.build(ARCHITECTURE, other).eval()
    new.load_state_dict(adapt_heads(network.state_dict(), COCO_17, new.state_dict(), other))
    with torch.inference_mode():
        old_maps, new_maps = network(PIXELS), new(PIXELS)
    for name in set(names) - {"tail"}:
        for head in ("heatmaps", "offsets"):
            found = new_maps[head][:, other.index(name)]
            torch.testing.assert_close(found, old_maps[head][:, COCO_17.index(name)])
    settings = POSENET.network_settings(ARCHITECTURE)()
    old_edges = edges_of(old_maps, settings, COCO_17)
    checked = 0
    for edge, values in edges_of(new_maps, settings, other).items():
        if edge in old_edges:
            np.testing.assert_allclose(values, old_edges[edge], rtol=1e-5, atol=1e-5)
            checked += 1
    # nose – shoulder, shoulder – elbow and shoulder – hip, in both directions.
    assert checked == 6
    same = adapt_heads(network.state_dict(), COCO_17, POSENET.build(ARCHITECTURE).state_dict(), COCO_17)
    assert all(torch.equal(same[name], value) for name, value in network.state_dict().items())


def edges_of(maps: dict[str, torch.Tensor], settings: Any, skeleton: Skeleton) -> dict[tuple[str, str], Any]:
    """Displacement maps of the first picture by the names of start and end."""
    fields = POSENET.maps({name: value[0].numpy() for name, value in maps.items()}, settings, skeleton)
    return {
        (skeleton.keypoints[a], skeleton.keypoints[b]): field.values[index]
        for field in fields
        if field.edges
        for index, (a, b) in enumerate(field.edges)
    }


def test_starts_that_do_not_fit_are_refused() -> None:
    for model, message in (
        ({"norm": "none"}, "random start needs BatchNorm"),
        ({"start": "posenet-mobilenet_v1-075.google_quant2", "norm": "batch"}, "set model.norm to none or identity"),
    ):
        config = make_config(config_values(model={"architecture": ARCHITECTURE, **model}))
        with pytest.raises(SettingsError, match=message):
            starting_network(config)


def test_parts_can_begin_as_copies_of_others(tmp_path: Path) -> None:
    architecture, file = "openpose-mobilenet_fast", tmp_path / "start.safetensors"
    network = FAMILIES["openpose"].build(architecture, OPENPOSE_18)
    save_weights(file, network, name="start", architecture=architecture, skeleton=OPENPOSE_18)

    def begun(start: str, copies: dict[str, str]) -> dict[str, torch.Tensor]:
        model = {"architecture": architecture, "skeleton": "openpose-18", "start": start, "copies": copies}
        return starting_network(make_config(config_values(model=model))).state_dict()

    plain, copied = begun(str(file), {}), begun(str(file), {"stages.2.": "stages.1."})
    for name, value in copied.items():
        source = name.replace("stages.2.", "stages.1.")
        torch.testing.assert_close(value, plain[source], atol=0, rtol=0)
    assert any(not torch.equal(value, plain[name]) for name, value in copied.items())
    for start, copies, message in (
        ("random", {"stages.2.": "stages.1."}, "random start has nothing worth copying"),
        (str(file), {"stages.2.": "stagees.1."}, r"no part 'stagees\.1\.'"),
        (str(file), {"stages.1.": "stages.0."}, "name two equal parts"),
    ):
        with pytest.raises(SettingsError, match=message):
            begun(start, copies)


class Untrainable(type(FAMILIES["posenet"])):  # type: ignore[misc]
    """PoseNet as a family that offers no training."""

    trainable = False
    learns_other_keypoints = False


def test_a_family_says_when_it_cannot_be_trained() -> None:
    family = Untrainable()
    architecture = next(iter(family.architectures))
    settings, loss_settings = family.network_settings(architecture)(), family.loss_settings()
    nothing: Any = None
    for ask in (
        lambda: family.loss({}, nothing, COCO_17, settings, loss_settings),
        lambda: family.targets(architecture, nothing, COCO_17, settings, loss_settings),
        lambda: family.lesson({}, COCO_17),
    ):
        with pytest.raises(SettingsError, match="PoseNet networks cannot be trained"):
            ask()


def test_the_registry_keeps_runs_and_epochs(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "runs.sqlite")
    assert registry.all() == []
    registry.add("one", {"a": 1})
    with pytest.raises(SettingsError, match="a run 'one' already"):
        registry.add("one", {})
    registry.change("one", status="running", process=os.getpid())
    lock = registry.all()[0].lock
    assert lock.acquire()
    registry.record("one", 0, {"loss": 2.0, "progress": 0.25})
    registry.record("one", 1, {"loss": 1.0, "progress": 0.5})
    registry.record("one", 1, {"loss": 1.5, "progress": 0.5})
    run = Registry(tmp_path / "runs.sqlite").get("one")
    assert run is not None
    assert (run.status, run.progress, run.config, run.request) == ("running", 0.5, {"a": 1}, "")
    assert run.alive
    lock.release()
    assert not run.alive
    assert run.state == "lost"
    assert run.weights is None
    assert registry.epochs("one") == [(0, {"loss": 2.0, "progress": 0.25}), (1, {"loss": 1.5, "progress": 0.5})]
    registry.remove("one")
    assert registry.get("one") is None
    assert registry.epochs("one") == []


# --- whole runs ---


@pytest.fixture
def posecore_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSECORE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("POSECORE_DATA", raising=False)
    return tmp_path / "home"


def test_a_run_from_beginning_to_end(posecore_home: Path) -> None:
    from posecore.training.run import train
    from posecore.zoo import load_weights

    config = make_config(config_values())
    folder = train(config, posecore_home)
    assert folder == posecore_home / "runs" / "trial"
    weights = load_weights(folder / "best.safetensors")
    assert weights.header.name == "run:trial"
    assert make_config(yaml.safe_load((folder / "config.yaml").read_text())) == placed(config, posecore_home)
    assert len(list((folder / "overlays").glob("*.jpg"))) == 2
    assert (folder / "curves.csv").read_text().count("\n") == 3
    run = Registry().get("trial")
    assert run is not None
    assert (run.status, run.progress) == ("finished", 1.0)
    assert run.weights == folder / "best.safetensors"
    with pytest.raises(SettingsError, match="already"):
        train(config, posecore_home)
    with pytest.raises(SettingsError, match="no run 'other' to resume"):
        train(config, posecore_home, "other", resume=True)


def test_a_run_that_the_list_has_lost_is_not_taken_for_a_cancelled_one(posecore_home: Path) -> None:
    from posecore.training.run import train

    folder = posecore_home / "runs" / "lost"
    folder.mkdir(parents=True)
    (folder / "resume.ckpt").touch()
    with pytest.raises(SettingsError, match="no longer in the list"):
        train(make_config(config_values()), posecore_home, "lost", resume=True)


def test_the_list_says_with_what_a_run_goes_on(posecore_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.training.run import train

    monkeypatch.setattr("posecore.training.run.work", lambda *_: None)
    train(make_config(config_values()), posecore_home, "one")
    (posecore_home / "runs" / "one" / "resume.ckpt").touch()
    train(make_config(config_values(schedule={"epochs": 9})), posecore_home, "one", resume=True)
    run = Registry().get("one")
    assert run is not None
    assert run.config["schedule"]["epochs"] == 9


def test_steps_take_their_output_strides_in_turn(posecore_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.training.run import train

    seen: list[tuple[bool, int]] = []
    run = type(FAMILIES["posenet"]).run

    def noted(family: Any, network: torch.nn.Module, pixels: torch.Tensor, settings: Any) -> Any:
        seen.append((network.training, settings.output_stride))
        return run(family, network, pixels, settings)

    monkeypatch.setattr(type(FAMILIES["posenet"]), "run", noted)
    base = config_values()
    training = {**base["training"], "output_strides": [16, 16, 8]}
    model = {**base["model"], "network": {"output_stride": 16}}
    train(make_config({**base, "model": model, "training": training}), posecore_home)
    strides = [stride for learning, stride in seen if learning]
    assert strides == ([16, 16, 8] * len(strides))[: len(strides)]
    assert 8 in strides
    assert {stride for learning, stride in seen if not learning} == {16}


@pytest.mark.parametrize("good", [0, 1, 5])
def test_numbers_that_run_away_end_a_run_with_what_to_change(
    posecore_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, good: int
) -> None:
    """The loss is no number any more after so many good steps; epochs have three."""
    from posecore.training.divergence import DivergedError
    from posecore.training.run import train

    real, steps = type(POSENET).loss, iter(range(100))

    def breaking(family: Any, outputs: Any, *arguments: Any) -> dict[str, LossTerm]:
        terms = real(family, outputs, *arguments)
        learning = next(iter(outputs.values())).requires_grad
        factor = torch.nan if learning and next(steps) >= good else 1.0
        return {name: replace(term, total=term.total * factor) for name, term in terms.items()}

    monkeypatch.setattr(type(POSENET), "loss", breaking)
    config = make_config(config_values(optimizer={"learning_rate": 0.01}, schedule={"epochs": 4}))
    with pytest.raises(DivergedError) as raised:
        train(config, posecore_home)
    run = Registry().get("trial")
    assert run is not None
    assert (run.status, run.message) == ("failed", str(raised.value))
    if good:
        assert f"broke down at step {good + 1}" in run.message
        assert "optimizer.learning_rate, for example 0.001 instead of 0.01; or with optimizer.clip" in run.message
    else:
        assert "very first step" in run.message
    assert len(Registry().epochs("trial")) == good // 3
    assert not any(record.exc_info for record in caplog.records if record.levelname == "ERROR")


def test_weights_that_run_away_in_the_last_step_are_not_kept(
    posecore_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posecore.training.divergence import DivergedError
    from posecore.training.run import train

    def spoil(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        optimizer.param_groups[0]["params"][0].data.fill_(torch.inf)

    handle = register_optimizer_step_post_hook(spoil)
    try:
        with pytest.raises(DivergedError, match="too large"):
            train(make_config(config_values(training={**config_values()["training"], "batch_size": 64})), posecore_home)
    finally:
        handle.remove()
    assert not (posecore_home / "runs" / "trial" / "last.safetensors").exists()


@pytest.mark.parametrize(("kind", "made"), [("tensorboard", "TensorBoardLogger"), ("wandb", "WandbLogger")])
def test_curves_go_to_the_loggers_asked_for(
    posecore_home: Path, monkeypatch: pytest.MonkeyPatch, kind: str, made: str
) -> None:
    """Each is told the figures of every epoch with the steps so far; one that is not installed is named."""
    from lightning.pytorch import loggers

    from posecore.training.run import train

    told: list[tuple[int, dict[str, float]]] = []

    class Noting(loggers.logger.DummyLogger):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__()

        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            told.append((step or 0, dict(metrics)))

    class Missing:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            raise ModuleNotFoundError(f"No module named {kind!r}")

    config = make_config(config_values(training={**config_values()["training"], "loggers": [kind]}))
    monkeypatch.setattr(loggers, made, Noting)
    train(config, posecore_home)
    figures = dict(Registry().epochs("trial"))
    assert [(step, metrics["train/loss"]) for step, metrics in told] == [
        (int(one["steps"]), one["train/loss"]) for one in (figures[1], figures[2])
    ]
    monkeypatch.setattr(loggers, made, Missing)
    with pytest.raises(SettingsError, match=f"pip install {kind}"):
        train(config, posecore_home, "other")


def test_a_run_that_nobody_is_left_for_says_so_without_a_traceback(
    posecore_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from posecore.training.run import train

    values = config_values()
    values["data"]["train"][0]["pack"]["min_size"] = 10000
    with pytest.raises(DataError, match="nobody has both 1 labelled keypoints and a box of 10000 pixels"):
        train(make_config(values), posecore_home)
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert "nobody has both" in record.message
    assert not record.exc_info


def test_fine_tuning_keeps_the_backbone_and_gives_new_heads(posecore_home: Path) -> None:
    from posecore.training.run import train
    from posecore.zoo import load_weights, save_weights

    torch.manual_seed(3)
    network = POSENET.build(ARCHITECTURE)
    source = posecore_home / "mine.safetensors"
    save_weights(source, network, name=f"{ARCHITECTURE}.mine", architecture=ARCHITECTURE)
    skeleton = {"name": "arms", "keypoints": ["nose", "left_wrist", "right_wrist"], "flip_pairs": [[1, 2]]}
    model = {"architecture": ARCHITECTURE, "skeleton": skeleton, "start": "mine.safetensors", "freeze": ["backbone"]}
    training = {**config_values()["training"], "ema": 0.0}
    config = make_config(config_values(model=model, schedule={"epochs": 1}, training=training, name="tuned"))
    state = load_weights(train(config, posecore_home) / "last.safetensors").state
    for name, value in network.state_dict().items():
        if name.startswith("backbone"):
            torch.testing.assert_close(state[name], value, atol=1e-3, rtol=1e-3)
    assert state["heads.heatmaps.weight"].shape[0] == 3
    old = network.state_dict()["heads.heatmaps.weight"][COCO_17.index("left_wrist")]
    assert not torch.equal(state["heads.heatmaps.weight"][1], old)
    torch.testing.assert_close(state["heads.heatmaps.weight"][1], old, atol=0.05, rtol=0)


@pytest.mark.usefixtures("home")
def test_curves_tell_the_side_that_an_epoch_was_shown(tmp_path: Path) -> None:
    from posecore.training.run import train

    sides = {**config_values()["training"], "input_sides": [65, 97]}
    folder = train(make_config(config_values(name="growing", training=sides)), tmp_path)
    with (folder / "curves.csv").open() as file:
        assert [float(row["side"]) for row in csv.DictReader(file)] == [65, 97]


@pytest.mark.usefixtures("home")
def test_no_epoch_follows_when_time_runs_out_while_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.training.module import PoseTraining
    from posecore.training.run import train

    measured = PoseTraining.measure

    def slowly(training: PoseTraining) -> Any:
        training.elapsed += 60
        return measured(training)

    monkeypatch.setattr(PoseTraining, "measure", slowly)
    schedule = {"epochs": 5, "minutes": 1}
    folder = train(make_config(config_values(name="late", schedule=schedule)), tmp_path)
    with (folder / "curves.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1


def curves(folder: Path) -> list[str]:
    """The curve without what depends on the clock."""
    lines = [line.split(",") for line in (folder / "curves.csv").read_text().splitlines()]
    column = lines[0].index("minutes")
    return [",".join(line[:column] + line[column + 1 :]) for line in lines]


@pytest.mark.slow
def test_a_killed_run_resumed_ends_like_an_unbroken_one(posecore_home: Path, tmp_path: Path) -> None:
    """Single precision, one thread; resumed at the last finished epoch, exactly."""
    from posecore.zoo import load_weights

    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(config_values(schedule={"epochs": 5})))

    def command(*arguments: str) -> list[str]:
        program = "from posecore.cli import main; main()"
        return [sys.executable, "-c", program, "train", str(tmp_path / "trial.yaml"), *arguments]

    subprocess.run(command("--name", "unbroken"), check=True, timeout=250)
    process = subprocess.Popen(command("--name", "broken"))
    checkpoint = posecore_home / "runs" / "broken" / "resume.ckpt"
    deadline = time.monotonic() + 200
    while not checkpoint.exists() or len(curves(checkpoint.parent)) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command("--name", "broken", "--resume"), check=True, timeout=250)
    folders = [posecore_home / "runs" / name for name in ("unbroken", "broken")]
    assert curves(folders[0]) == curves(folders[1])
    states = [load_weights(folder / "last.safetensors").state for folder in folders]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


# --- several processes ---


def labelled_batch(pictures: int) -> tuple[torch.Tensor, Truth]:
    """Pictures with very different numbers of labelled joints."""
    generator = torch.Generator().manual_seed(5)
    pixels = torch.rand(pictures, 3, 65, 65, generator=generator) * 255
    labels = torch.full((pictures, 1, 17), int(Label.UNLABELLED), dtype=torch.uint8)
    for picture in range(pictures):
        labels[picture, 0, : 2 + 5 * picture] = int(Label.VISIBLE)
    box = torch.tensor([(0.0, 0.0), (64.0, 0.0), (64.0, 64.0), (0.0, 64.0)]).expand(pictures, 1, 4, 2)
    return pixels, Truth(
        torch.rand(pictures, 1, 17, 2, generator=generator) * 64,
        labels,
        box.clone(),
        torch.full((pictures, 1, 4, 2), torch.nan),
        torch.zeros((pictures, 1), dtype=torch.uint8),
        torch.zeros((pictures, 1), dtype=torch.uint8),
        torch.zeros((pictures, 65, 65), dtype=torch.uint8),
    )


def gradients(part: slice, parallel: bool) -> dict[str, torch.Tensor]:
    """Gradients of the loss on a part of the batch, BatchNorm frozen."""
    from posecore.training.module import freeze_norm, shared_means

    torch.manual_seed(0)
    network: nn.Module = POSENET.build(ARCHITECTURE, fused=False).train()
    freeze_norm(network)
    wrapped = nn.parallel.DistributedDataParallel(network) if parallel else network
    settings = POSENET.network_settings(ARCHITECTURE)()
    pixels, truth = labelled_batch(4)
    terms: dict[str, LossTerm] = POSENET.loss(
        wrapped(pixels[part]), truth.select(part), COCO_17, settings, POSENET.loss_settings()
    )
    values = shared_means(terms)
    torch.stack([terms[name].weight * value for name, value in values.items()]).sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def one_of_two(rank: int, file: str, results: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    found = gradients(slice(2 * rank, 2 * rank + 2), parallel=True)
    if rank == 0:
        torch.save(found, results)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one_with_twice_the_batch(tmp_path: Path) -> None:
    alone = gradients(slice(0, 4), parallel=False)
    results = tmp_path / "gradients.pt"
    spawn(one_of_two, (str(tmp_path / "meeting"), str(results)), nprocs=2)
    together = torch.load(results, weights_only=True)
    assert alone.keys() == together.keys()
    for name, expected in alone.items():
        torch.testing.assert_close(together[name], expected, atol=1e-5 * float(expected.abs().max()) + 1e-7, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_thirty_two_drawn_people_can_be_learnt_by_heart(posecore_home: Path) -> None:
    """Everything fits together: labels, cut-outs, targets, loss, decoding and evaluation."""
    from posecore.data.coco import read_coco
    from posecore.data.synthetic import write_dataset
    from posecore.evaluation.evaluate import evaluate
    from posecore.training.run import train
    from posecore.zoo import load_model

    annotations = write_dataset(posecore_home / "drawn", 32, seed=40, size=(320, 240), people=1)
    source = {
        "annotations": "drawn/annotations.json",
        "images": "drawn/images",
        # The cut-outs of the evaluation protocol: 1.25 times the box.
        "pack": {"side": 193, "expand": 1.25, "min_keypoints": 1, "min_size": 1},
        "repeat": 4,
    }
    off = ("flip", "rotation", "any_angle", "scale", "shift", "brightness", "contrast", "saturation", "tint", "blur")
    values = config_values(
        data={"train": [source], "validation": [source], "validation_limit": 32},
        augment={"size": 0.8, "jpeg": 0, "cutout": 0, **dict.fromkeys(off, 0)},
        loss={"heatmap_radius": 16, "vector_radius": 24, "offset_weight": 5.0, "displacement_weight": 3.0},
        optimizer={"learning_rate": 0.004, "weight_decay": 0.0, "clip": 5.0},
        schedule={"kind": "onecycle", "epochs": 70, "end_factor": 0.001},
        training={"batch_size": 16, "input_sides": [193], "device": "cpu", "overlays": 6, "precision": "bfloat16"},
    )
    folder = train(make_config(values), posecore_home)
    model = load_model(ARCHITECTURE, weights=folder / "last.safetensors", device="cpu")
    result = evaluate(model, read_coco(annotations, posecore_home / "drawn" / "images"), "crops", {"input_size": 193})
    assert result.to_dict()["AP"] > 0.95
