"""The folder of an exported model: the model, what it takes and gives, a program that runs it, and its parity."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from posecore.drawing.overlay import draw_poses
from posecore.drawing.sheets import draw_caption, join_tiles
from posecore.errors import ExportError, PosecoreError
from posecore.export.formats import Format, usable_format
from posecore.export.graph import PIXELS, ExportGraph, describe
from posecore.export.parity import Parity, compare, shots
from posecore.export.plan import Checked, Plan, check
from posecore.export.program import program
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.storage import replacing, write_json, write_text, writing
from posecore.zoo import save_weights
from posecore.zoo.own_files import EXPORT_WEIGHTS

#: Told what is being done.
Progress = Callable[[str], None]

#: Mark of the files that describe an exported model.
EXPORT_FORMAT = "posecore.export"
#: Settings that say how posecore computes, which an exported model leaves to its runtime.
_OURS = {"precision", "runtime"}

ABOUT, PROGRAM, REPORT, REPORT_DATA, WORST = "model.json", "run.py", "parity.md", "parity.json", "worst.jpg"


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes:
        folder: Where it lies.
        file: The model's own file.
        about: What ``model.json`` says.
        parity: Beside posecore.
    """

    folder: Path
    file: Path
    about: dict[str, Any]
    parity: Parity


def sample_pictures() -> dict[str, Picture]:
    """Pictures for the parity of whoever gives none: rendered scenes by name."""
    return {title: render_scene(seed).image for title, seed in SAMPLE_SEEDS.items()}


def export_model(
    model: PoseModel,
    folder: Path | str,
    plan: Plan,
    pictures: Mapping[str, Picture] | None = None,
    *,
    licence: str = "",
    progress: Progress = lambda _: None,
) -> Exported:
    """Write a model for another runtime, try it, and say how far it is from posecore.

    Args:
        model: On the CPU.
        folder: Where everything goes; made if missing. Files of the same names are replaced.
        plan: What is wanted.
        pictures: Name → picture for the parity; rendered scenes if there are none.
        licence: Of the weights.
        progress: Told what is being done.

    Raises:
        ExportError: When the model cannot be exported so.
        MissingExtraError: When what the format needs is not installed.
        StorageError: When the folder cannot be written.
    """
    format, checked = usable_format(plan.format, plan.dynamic), check(model, plan)
    folder = Path(folder)
    seen = shots(model, checked, pictures or sample_pictures())
    graph = ExportGraph(model, checked).eval()
    width, height = checked.size
    pixels = torch.zeros((1, height, width, 3) if plan.layout == "nhwc" else (1, 3, height, width))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        progress(f"Writing {format.file}")
        _write_model(format, graph, pixels, folder / format.file, checked)
        progress("Comparing it with posecore")
        with torch.inference_mode():
            answer = {name: value.numpy() for name, value in graph(pixels).items()}
        outputs = describe(model, checked, answer)
        parity = compare(model, checked, format.open(folder / format.file, tuple(answer)), seen)
        progress("Writing what belongs to it")
        about = _about(model, checked, format, licence) | {"outputs": [_data(one) for one in outputs]}
        write_json(folder / ABOUT, about, readable=True)
        write_text(folder / PROGRAM, program(model, checked, format, outputs))
        write_weights(folder / EXPORT_WEIGHTS, model, licence)
        write_parity(folder, parity, {shot.name: shot.picture for shot in seen}, f"{model.name} as {format.title}")
    return Exported(folder, folder / format.file, about, parity)


def _write_model(format: Format, graph: ExportGraph, pixels: torch.Tensor, path: Path, checked: Checked) -> None:
    """Let the converter write; it speaks to its developers, so what it warns of is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            format.write(graph, pixels, path, checked)
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            if isinstance(error, PosecoreError):
                raise
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise ExportError(f"The converter to {format.title} gave up: {reason[0]:.300}") from error


def _about(model: PoseModel, checked: Checked, format: Format, licence: str) -> dict[str, Any]:
    plan, (width, height) = checked.plan, checked.size
    sides: list[Any] = ["rows", "columns"] if plan.dynamic else [height, width]
    first, step = checked.sides
    return about_model(model, licence) | {
        "file": {"name": format.file, "format": plan.format, "weights": plan.precision},
        "input": {
            "name": PIXELS,
            "shape": [1, *sides, 3] if plan.layout == "nhwc" else [1, 3, *sides],
            "axes": ["picture", "row", "column", "RGB"]
            if plan.layout == "nhwc"
            else ["picture", "RGB", "row", "column"],
            "numbers": "float32, 0 … 255",
            "sides": {"smallest": first, "step": step},
            "fit": "The picture keeps its shape and lies in the middle; padding fills what is left.",
            "padding": model.family.padding,
        },
        "decoding": None if checked.decoder is None else checked.decode.model_dump(mode="json"),
        "network_settings": checked.network.model_dump(mode="json", exclude=_OURS),
    }


def about_model(model: PoseModel, licence: str) -> dict[str, Any]:
    """What every folder says of the model that it was made from."""
    skeleton = model.skeleton
    return {
        "format": EXPORT_FORMAT,
        "version": 1,
        "posecore": version("posecore"),
        "model": model.name,
        "architecture": model.architecture,
        "weights": model.weights_id,
        "licence": licence,
        "keypoints": list(skeleton.keypoints),
        "edges": [list(edge) for edge in skeleton.edges],
        "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
    }


def _data(output: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(output).items() if value not in (None, ())}


def write_weights(path: Path, model: PoseModel, licence: str) -> None:
    """The weights that the model was made from, as posecore reads them."""
    name = model.name.removeprefix("run:")
    save_weights(
        path,
        model.network,
        name=name if name.startswith(model.architecture) else f"{model.architecture}.{name}",
        architecture=model.architecture,
        skeleton=model.skeleton,
        licence=licence,
        **model.own_settings(),
    )


def write_parity(folder: Path, parity: Parity, pictures: Mapping[str, Picture], title: str) -> None:
    """Write the report: figures, a page to read, and the worst picture both ways."""
    summary = parity.summary()
    worst = parity.worst_picture
    write_json(folder / REPORT_DATA, summary, readable=True)
    write_text(folder / REPORT, _report(summary, title))
    sides = [draw_poses(pictures[worst.name], poses) for poses in (worst.ours, worst.theirs)]
    for side, name in zip(sides, ("posecore", "exported"), strict=True):
        draw_caption(side, name, "")
    with replacing(folder / WORST) as temporary, temporary.open("wb") as file:
        Image.fromarray(np.ascontiguousarray(join_tiles(sides, 2))).save(file, "JPEG", quality=90)


def _report(summary: Mapping[str, Any], title: str) -> str:
    """The report in Markdown."""
    lines = [
        f"# {title}: beside posecore",
        "",
        f"The same pixels through posecore and through the exported model: {summary['people']} people in "
        f"{len(summary['pictures'])} pictures, {summary['missed']} of them missed by the exported model, which "
        f"finds {summary['extra']} more. Distances are in pixels of the network's input; only keypoints that posecore "
        "shows are compared.",
        "",
        f"- Largest distance of a keypoint: **{summary['largest_pixels']:g} px**, mean {summary['mean_pixels']:g} px",
        f"- Largest difference of a keypoint's score: **{summary['largest_score']:g}**",
    ]
    if summary["largest_map_difference"] is not None:
        lines.append(f"- Largest difference of a number in the maps: {summary['largest_map_difference']:.3g}")
    lines += ["", "| keypoint | largest distance, px | largest difference of scores |", "|---|---|---|"]
    lines += [f"| {name} | {one['pixels']:g} | {one['score']:g} |" for name, one in summary["keypoints"].items()]
    lines += ["", "| picture | people | missed | more | px | score |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {name} | {one['people']} | {one['missed']} | {one['extra']} | {one['pixels']:g} | {one['score']:g} |"
        for name, one in summary["pictures"].items()
    ]
    lines += [
        "",
        f"The worst picture, {summary['worst_picture']}: posecore on the left, the exported model on the right.",
    ]
    return "\n".join([*lines, "", f"![worst picture]({WORST})", ""])
