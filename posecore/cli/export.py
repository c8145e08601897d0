"""The command that takes a model out of posecore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from posecore.cli.console import errors, output
from posecore.cli.images import find_pictures
from posecore.cli.loading import WeightsFile, open_model
from posecore.cli.settings import settings_options_without
from posecore.errors import ExportError
from posecore.export import (
    FORMAT_NAMES,
    PUBLISHED,
    WEB,
    Exported,
    Plan,
    export_model,
    export_page,
    server_of,
    write_back,
)
from posecore.export.formats import usable_format
from posecore.imaging import Picture, read_image
from posecore.zoo import licence_of

_DYNAMIC = "dynamic"
_PORT = 8765


@settings_options_without("precision", "runtime")
def export(
    model: Annotated[str, typer.Argument(help="Model name, as listed by “posecore models”, or an architecture.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write; made if missing.")],
    format: Annotated[str, typer.Option("--format", "-f", help=f"One of {', '.join(FORMAT_NAMES)}.")] = "onnx",
    size: Annotated[
        str | None,
        typer.Option(help=f"Input in pixels, WIDTHxHEIGHT or one side, or {_DYNAMIC}; the model's own if none."),
    ] = None,
    layout: Annotated[Literal["nhwc", "nchw"], typer.Option(help="Channels last or first.")] = "nhwc",
    precision: Annotated[
        Literal["float32", "float16"], typer.Option(help="Numbers in which weights are stored.")
    ] = "float32",
    graph: Annotated[
        Literal["auto", "single", "multi", "maps"],
        typer.Option(
            "--output", help="Decode one person or several in the graph, or give maps; auto as the model does."
        ),
    ] = "auto",
    pictures: Annotated[
        list[str] | None,
        typer.Option("--picture", help="Pictures or folders to compare with posecore on; rendered scenes if none."),
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option(help="The published file whose graph takes the weights; fetched if none (tfjs-graph, tflite)."),
    ] = None,
    weights: WeightsFile = None,
    serve: Annotated[bool, typer.Option("--serve", help="Then show the page (web) on 127.0.0.1.")] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Its port; 0 for any that is free.", show_default=str(_PORT))
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the parity figures as JSON.")] = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Write a model for another runtime, with a program that runs it and its parity."""
    width_height, dynamic = _size(size)
    plan = Plan(format, width_height, dynamic, layout, precision, graph, settings)
    if serve and format != WEB:
        raise ExportError(f"Only a page can be served; take --format {WEB}.")
    if port is not None and not serve:
        raise ExportError("--port belongs to --serve; give that as well.")
    made = _export(plan, model, weights, to, _pictures(pictures), published)
    summary = made.parity.summary()
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        output.print(f"{made.file}: what it takes and gives lies beside it", soft_wrap=True, highlight=False)
        output.print(
            f"Beside posecore, {summary['people']} people in {len(summary['pictures'])} pictures: keypoints at most "
            f"{summary['largest_pixels']:g} px apart, scores {summary['largest_score']:g}, {summary['missed']} missed, "
            f"{summary['extra']} more than posecore finds.",
            soft_wrap=True,
        )
    if serve:
        _serve(made.folder, _PORT if port is None else port)


def _serve(folder: Path, port: int) -> None:
    """Serve a page until somebody stops it."""
    try:
        server = server_of(folder, port)
    except OSError as error:
        raise ExportError(f"Port {port} cannot be used ({error.strerror or error}); choose another.") from error
    with server:
        output.print(f"http://127.0.0.1:{server.server_port} shows it; Ctrl-C stops.", highlight=False)
        server.serve_forever()


def _export(
    plan: Plan, name: str, weights: Path | None, to: Path, pictures: dict[str, Picture], published: Path | None
) -> Exported:
    """Do what is asked."""
    back = plan.format in PUBLISHED
    if back and plan != Plan(plan.format):
        raise ExportError(
            f"{plan.format} keeps the published graph as it is; size, layout, precision, output and settings cannot be "
            "chosen."
        )
    if published is not None and not back:
        raise ExportError(f"A published file is of use for {' and '.join(PUBLISHED)} only.")
    if not back:
        usable_format("onnx" if plan.format == WEB else plan.format, plan.dynamic)
    licence = licence_of(name, weights)
    model = open_model(name, "cpu", weights)

    def progress(step: str) -> None:
        errors.print(f"{escape(step)} …", highlight=False)

    if back:
        return write_back(model, to, plan.format, published, pictures, licence=licence, progress=progress)
    make = export_page if plan.format == WEB else export_model
    return make(model, to, plan, pictures, licence=licence, progress=progress)


def _size(text: str | None) -> tuple[tuple[int, int] | None, bool]:
    """(width, height) or None for the model's own, and whether the size is left open."""
    if text is None or text == _DYNAMIC:
        return None, text == _DYNAMIC
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise ExportError(f"{text!r} is no size; give one side in pixels, WIDTHxHEIGHT or {_DYNAMIC}.")
    return (int(parts[0]), int(parts[-1])), False


def _pictures(paths: list[str] | None) -> dict[str, Picture]:
    """Name → picture."""
    files = find_pictures(paths, recursive=False) if paths else []
    alike = len({file.name for file in files}) < len(files)
    return {str(file) if alike else file.name: read_image(file) for file in files}
