"""What an exported model shall be like, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from posecore.errors import ExportError
from posecore.families.contract import GraphDecoder
from posecore.model import PoseModel
from posecore.settings import DecodeSettings, NetworkSettings

Layout = Literal["nhwc", "nchw"]
Precision = Literal["float32", "float16"]
Output = Literal["auto", "single", "multi", "maps"]

#: Longest side of the input that is exported, in pixels.
MAX_SIDE = 2049


@dataclass(frozen=True)
class Plan:
    """What is wanted.

    Attributes:
        format: Key of :data:`posecore.export.formats.FORMATS`.
        size: (width, height) of the input in pixels; None takes the model's own input size for both.
        dynamic: Let whoever runs the model choose the size; ``size`` is then that of the examples.
        layout: Order of the axes of the input and of maps: channels last or first.
        precision: Numbers in which weights are stored; arithmetic is up to the runtime.
        output: ``single`` and ``multi`` put the decoder for one person or several into the graph, ``maps`` none,
            ``auto`` what the model does by itself, where it can be part of a graph.
        settings: Network and decode settings that differ from the model's own.
    """

    format: str = "onnx"
    size: tuple[int, int] | None = None
    dynamic: bool = False
    layout: Layout = "nhwc"
    precision: Precision = "float32"
    output: Output = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A plan that can be carried out with a model.

    Attributes:
        plan: The plan.
        size: (width, height) of the input in pixels.
        sides: (smallest side, step) in pixels of the inputs that the network takes.
        network, decode: All settings.
        decoder: The decoder that becomes part of the graph; None for maps.
    """

    plan: Plan
    size: tuple[int, int]
    sides: tuple[int, int]
    network: NetworkSettings
    decode: DecodeSettings
    decoder: GraphDecoder | None


def check(model: PoseModel, plan: Plan) -> Checked:
    """A plan with everything that it leaves open.

    Raises:
        ExportError: When the model cannot be exported so; the sentence says what can.
        SettingsError: When a setting is unknown or out of range.
    """
    network_settings, decode_settings = model.split_settings(plan.settings)
    if plan.output in ("single", "multi"):
        decode_settings["mode"] = plan.output
        if "mode" not in model.decode_settings_class.model_fields:
            raise ExportError(f"{model.family.title} assembles people outside the graph; export it with maps.")
    network = model.network_settings(**network_settings)
    decode = model.decode_settings(**decode_settings)
    if decode.calibrated:
        raise ExportError("Exported models give scores as they are; leave “calibrated” off.")
    decoder = None if plan.output == "maps" else model.family.graph_decoder(model.architecture, network, decode)
    if decoder is None and plan.output not in ("auto", "maps"):
        raise ExportError(
            f"{model.family.title}'s decoder for {'several people' if plan.output == 'multi' else 'one person'} cannot "
            "be part of a graph; export it with maps, or for one person."
        )
    side = model.family.training_side(getattr(network, "input_size"), network)  # noqa: B009 - every family has one
    size = plan.size or (side, side)
    sides = _sides(model, network)
    if plan.dynamic and sides[0] != sides[1]:
        # Where sides are no plain multiples, how much is padded depends on the size, and a graph holds constants.
        raise ExportError(
            f"{model.architecture} pads by the size of its input; name one size in place of a dynamic one."
        )
    for length in dict.fromkeys(size):
        _check_side(model, length, sides)
    return Checked(plan, size, sides, network, decode, decoder)


def _sides(model: PoseModel, network: NetworkSettings) -> tuple[int, int]:
    """(smallest side, step to the next ones) of the inputs that a network takes."""
    first = model.family.training_side(1, network)
    following = next(side for side in range(first + 1, MAX_SIDE) if model.family.training_side(side, network) == side)
    return first, following - first


def _check_side(model: PoseModel, length: int, sides: tuple[int, int]) -> None:
    first, step = sides
    if first <= length <= MAX_SIDE and (length - first) % step == 0:
        return
    rule = f"multiples of {step}" if first == step else f"multiples of {step} plus {first - step}"
    below = first + max((length - first) // step, 0) * step
    near = [side for side in dict.fromkeys((below, below + step)) if side <= MAX_SIDE] or [MAX_SIDE // step * step]
    raise ExportError(
        f"{model.architecture} takes inputs whose sides are {rule} up to {MAX_SIDE} pixels, and {length} is none; "
        f"take {' or '.join(map(str, near))}."
    )
