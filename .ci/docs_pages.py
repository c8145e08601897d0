"""usage: docs_pages.py TO   puts the pages of docs/ into a new folder TO, with what the package itself says of its
commands and settings, the cards of the shipped models, and the pictures that pages speak of, drawn by these models.
"""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import cv2
from lifting_cases import lifting_cases

from posecore.cli import COMMANDS, load_command
from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from posecore.drawing.overlay import draw_poses
from posecore.drawing.views import MapView, Style, channel_for, draw_view
from posecore.families import FAMILIES
from posecore.fields import FieldKind, Fields
from posecore.imaging import Picture
from posecore.settings import Control, Settings, controls
from posecore.zoo import load_model

ROOT = Path(__file__).resolve().parent.parent
WEBP = (cv2.IMWRITE_WEBP_QUALITY, 85)
#: What the pages' pictures show of a scene: file → architecture, kind of map, keypoint or None for all, style.
VIEWS: dict[str, tuple[str, FieldKind, str | None, Style]] = {
    "heatmaps": ("posenet-mobilenet_v1-075", FieldKind.HEATMAP, None, Style.GRID),
    "displacement": ("posenet-mobilenet_v1-075", FieldKind.DISPLACEMENT, "left_knee", Style.ARROWS),
    "centre": ("movenet-lightning", FieldKind.CENTRE, None, Style.HEAT),
    "affinity": ("openpose-mobilenet_thin", FieldKind.PART_AFFINITY, "right_knee", Style.ARROWS),
}


@cache
def scene() -> Picture:
    """A street with three people."""
    return render_scene(SAMPLE_SEEDS["Three people in a street"]).image


@cache
def fields_of(architecture: str) -> Fields:
    """What a shipped model says about the scene."""
    return load_model(f"{architecture}.posecore").fields(scene())


def view_of(architecture: str, kind: FieldKind, keypoint: str | None, style: Style) -> Picture:
    """One map of a model over the scene."""
    fields = fields_of(architecture)
    field = [one for one in fields.maps if one.kind == kind][-1]
    channel = None
    if keypoint is not None:
        channel = channel_for(field, fields.skeleton.keypoints.index(keypoint))
    elif len(field.channels) == 1:
        channel = 0
    return draw_view(scene(), fields, MapView(field.name, channel, style))


def pictures() -> Iterator[tuple[str, Picture]]:
    """Name and pixels of every picture that pages speak of."""
    model = load_model("posenet-mobilenet_v1-075.posecore")
    yield "poses", draw_poses(scene(), model.decode(fields_of("posenet-mobilenet_v1-075")))
    for name, view in VIEWS.items():
        yield name, view_of(*view)
    yield "lifting", lifting_cases()


def commands() -> str:
    """Every command with its options."""
    parts = []
    for name, (_, _, summary) in COMMANDS.items():
        command = load_command(name)
        parts.append(f"## posecore {name}\n\n{summary}\n")
        if isinstance(command, click.Group):
            parts += [_command(f"posecore {name} {sub}", one, "###") for sub, one in sorted(command.commands.items())]
        else:
            parts.append(_command(f"posecore {name}", command, ""))
    return "\n".join(parts)


def _command(name: str, command: click.Command, heading: str) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [_option(param) for param in command.params if isinstance(param, click.Option) and not param.hidden]
    text = f"```text\n{usage}\n```\n\n"
    if heading:
        text = f"{heading} {name}\n\n{inspect.cleandoc(command.help or '').split(chr(12))[0]}\n\n{text}"
    if rows:
        text += "| option | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    return text


def _option(option: click.Option) -> str:
    flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    shown = "" if option.default is None or callable(option.default) or option.default is ... else f"`{option.default}`"
    return f"| {flags} | {_cell(shown)} | {_cell(option.help or '')} |"


def settings() -> str:
    """Network and decode settings of every family."""
    parts = []
    for family in FAMILIES.values():
        parts.append(f"## {family.title}\n")
        first = next(iter(family.architectures))
        parts.append(f"Network settings of `{first}`:\n\n{_table(family.network_settings(first))}")
        parts.append(f"Decode settings:\n\n{_table(family.decode_settings)}")
    return "\n".join(parts)


def _table(settings_class: type[Settings]) -> str:
    rows = [
        f"| `{one.name}` | {_cell(one.label)} | `{one.default}` | {_range(one)} | {_cell(one.help)} |"
        for one in controls(settings_class)
    ]
    return "| name | in the app | default | allowed | |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _range(control: Control) -> str:
    if control.kind == "choice":
        return ", ".join(f"`{choice}`" for choice in control.choices)
    if control.kind == "flag":
        return "`true`, `false`"
    return f"{control.minimum:g} … {control.maximum:g}" if None not in (control.minimum, control.maximum) else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(folder: Path) -> None:
    """Write everything into ``folder``, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    shutil.copy(ROOT / "weights/README.md", folder / "weights.md")
    for page in folder.glob("*.md"):
        page.write_text(page.read_text("utf-8").replace("](../weights/README.md)", "](weights.md)"), "utf-8")
    for page, made in (("commands", commands), ("settings", settings)):
        path = folder / "reference" / f"{page}.md"
        before, after = path.read_text("utf-8").split(f"<!-- {page} -->")
        path.write_text(before + made() + after, "utf-8")
    (folder / "pictures").mkdir()
    for name, picture in pictures():
        cv2.imwrite(str(folder / f"pictures/{name}.webp"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), WEBP)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
