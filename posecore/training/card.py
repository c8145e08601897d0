"""A finished run to take away: its weights, its configuration, and a card that says what they are."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from posecore.data.source import Source
from posecore.errors import WeightsError
from posecore.runs import Registry, Run
from posecore.training.comparison import NOTHING_LEARNT, SUMMARY, Comparison
from posecore.training.config import RunConfig, make_config
from posecore.training.recording import BEFORE, CURVES
from posecore.words import counted
from posecore.zoo import read_header


def archive(run: Run, measured: Comparison | None = None) -> bytes:
    """A zip of weights, configuration, curves and model card.

    Args:
        run: A run that has weights.
        measured: The run beside its base, for the card.

    Raises:
        WeightsError: When the run has no weights yet.
    """
    if run.weights is None:
        raise WeightsError(f"The run {run.name!r} has no weights yet; they come with its first finished epoch.")
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as file:
        # Stored: numbers like these do not get smaller.
        file.write(run.weights, f"{run.name}.safetensors", zipfile.ZIP_STORED)
        file.writestr("config.yaml", config_text(run.config))
        file.writestr("README.md", model_card(run, measured))
        if (run.folder / CURVES).is_file():
            file.write(run.folder / CURVES, CURVES)
    return memory.getvalue()


def config_text(config: Mapping[str, Any]) -> str:
    """A run's configuration as the YAML that ``posecore train`` reads."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def model_card(run: Run, measured: Comparison | None = None) -> str:
    """The card of a run that has weights, in Markdown."""
    config = make_config(run.config)
    parts = [
        f"# {config.title or run.name}",
        _what(run, config),
        "## Data\n\n" + _data(config),
        "## Recipe\n\n" + _recipe(run, config),
        "## Figures\n\n" + _figures(run, measured),
        "## Use\n\n" + _use(run, config),
        "## Licence\n\n*To be filled in by you.* The starting weights, the pictures and their labels each have a "
        "licence of their own, and this model may be used only as far as all of them allow.",
    ]
    return "\n\n".join(parts) + "\n"


def _what(run: Run, config: RunConfig) -> str:
    day = datetime.fromtimestamp(run.created, UTC).strftime("%Y-%m-%d")
    start = "random weights" if config.model.start == "random" else f"`{config.model.start}`"
    keypoints = ", ".join(config.skeleton.keypoints)
    return (
        f"`{config.model.architecture}`, trained from {start} with posecore, begun on {day}. It finds "
        f"{len(config.skeleton)} keypoints (`{config.skeleton.name}`): {keypoints}."
    )


def _data(config: RunConfig) -> str:
    lines = [f"- training: {_source(source)}" for source in config.data.train]
    lines += [f"- validation: {_source(source)}" for source in config.data.validation]
    if not config.data.validation:
        lines.append(f"- validation: {config.data.holdout:.0%} of the training pictures, kept apart")
    return "\n".join(lines)


def _source(source: Source) -> str:
    if source.synthetic is not None:
        return f"{source.synthetic} drawn scenes, seed {source.seed}"
    part = f", its part `{source.split}`" if source.split else ""
    return f"`{source.annotations}`{part}"


def _recipe(run: Run, config: RunConfig) -> str:
    epochs = [one for one in Registry(run.folder.parent / "runs.sqlite").epochs(run.name) if one[0]]
    minutes = epochs[-1][1].get("minutes", 0.0) if epochs else 0.0
    frozen = ", ".join(f"`{name}`" for name in config.model.freeze) or "nothing"
    sides = ", ".join(str(side) for side in config.training.input_sides)
    taught = f"taught by `{config.teacher.model}` beside the labels" if config.teacher else "labels alone"
    return (
        f"{config.optimizer.kind} with a {config.schedule.kind} schedule, highest learning rate "
        f"{config.optimizer.learning_rate:g}, batches of {config.training.batch_size}, input {sides} pixels, seed "
        f"{config.training.seed}; frozen: {frozen}; {taught}. {len(epochs)} of at most {config.schedule.epochs} epochs "
        f"in {minutes:.1f} minutes. Everything else is in `config.yaml`."
    )


def _figures(run: Run, measured: Comparison | None) -> str:
    assert run.weights is not None
    extra = read_header(run.weights).extra
    kept = json.loads(extra.get("figures", "{}"))
    lines = [] if measured is None else _measured(measured)
    during = {name.partition("/")[2]: value for name, value in kept.items() if name.startswith("validation/")}
    if during:
        listed = ", ".join(f"{name} {value:.3g}" for name, value in sorted(during.items()))
        epoch = extra.get("epoch", "?")
        where = "before training" if epoch == str(BEFORE) else f"at the kept epoch {epoch}"
        lines.append(f"Measured during training, {where}: {listed}.")
        if epoch == str(BEFORE) and measured is None:
            lines.append(NOTHING_LEARNT)
    return "\n".join(lines) or "None: there were no pictures to measure on."


def _measured(measured: Comparison) -> list[str]:
    """A table of what was measured, and what to know about it."""
    side = f", at an input of {measured.side} pixels" if measured.side else ""
    lines = [f"On {counted(len(measured.pictures), 'validation picture')}{side}.", ""]
    if not measured.learnt:
        lines += ["| | before and after |", "|---|---|"]
        lines += [f"| {words} | {_number(getattr(measured.after, name))} |" for name, words in SUMMARY.items()]
    else:
        lines += ["| | before | after | change, 95 % |", "|---|---|---|---|"]
        for name, words in SUMMARY.items():
            before = None if measured.before is None else getattr(measured.before, name)
            interval = measured.intervals.get(name)
            span = "–" if interval is None else str(interval)
            lines.append(f"| {words} | {_number(before)} | {_number(getattr(measured.after, name))} | {span} |")
    return [*lines, "", *measured.sentences, ""]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _use(run: Run, config: RunConfig) -> str:
    return (
        "```bash\n"
        f"posecore image photo.jpg -m {config.model.architecture} --weights {run.name}.safetensors\n"
        "```\n\n"
        "`config.yaml` repeats the training where the data lie in the same places: `posecore train config.yaml`."
    )
