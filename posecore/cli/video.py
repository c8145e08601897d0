"""The command that runs a model on a video."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.progress import TaskID

from posecore.cli.console import counting_progress, errors, output, tell_files
from posecore.cli.lifting import Lifting, SaveRoom, wanted_lifting
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.result_names import free_stem, with_ending
from posecore.cli.settings import check_belongs, flag_of, listed, options_of, settings_options
from posecore.cli.spread import PARQUET, Cluster, chosen_formats, tell_outcome, workers_of
from posecore.drawing.overlay import DrawingOptions
from posecore.lifting.settings import LiftSettings
from posecore.model import PoseModel
from posecore.settings import build_settings
from posecore.spreading.choosing import check_cluster
from posecore.spreading.parts import FAILED
from posecore.spreading.sources import find_sources
from posecore.spreading.videos.folder import VideoFolder
from posecore.spreading.videos.run import spread_videos
from posecore.spreading.videos.work import video_order_of
from posecore.video import (
    FORMATS,
    VIDEO_SUFFIXES,
    BatchSettings,
    ClipSettings,
    CropSettings,
    OutputSettings,
    Progress,
    RepetitionSettings,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    VideoResult,
    check_crop_settings,
    crop_settings,
    follow_and_smooth,
    parse_measure,
    process_video,
    repetition_table,
    save_tables,
    table_endings,
)
from posecore.words import counted

#: Seconds of a segment unless said.
_SEGMENT = 60.0
_MEASURES = (
    "such as left_knee, angle:left_hip-left_knee-left_ankle, rate:right_elbow, tilt:mid_hip-neck, "
    "length:nose-left_ankle, speed:nose"
)


# The families' flags come last: one of them may be called like an argument below.
@settings_options
@options_of("counting", RepetitionSettings)
@options_of("drawing", DrawingOptions)
@options_of("smoothing", SmoothingSettings)
@options_of("tracking", TrackingSettings)
@options_of("cropping", CropSettings)
@options_of("feeding", BatchSettings)
@options_of("writing", OutputSettings)
@options_of("part", ClipSettings)
@options_of("lifting", LiftSettings)
def video(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="The video; with --cluster as many as you like: files, folders, patterns, lists (.txt) and addresses."
        ),
    ],
    model: ModelName = None,
    weights: WeightsFile = None,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The clip to write, or a folder; by default the video's name with “-poses.mp4” here, numbered when "
            "that is taken. With --cluster a folder for results, “poses” by default.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of these names.")] = False,
    clip: Annotated[
        bool | None, typer.Option(help="Write the drawn clip, or the tables alone, as --cluster always does.")
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(
            help=f"Tables to write beside the clip, separated by commas: {', '.join(FORMATS)}; with --cluster "
            f"{PARQUET} as well. Default csv, with --cluster {PARQUET}."
        ),
    ] = None,
    measures: Annotated[
        str, typer.Option("--measures", "--angles", help=f"What to measure, separated by commas, {_MEASURES}.")
    ] = "",
    count: Annotated[
        str, typer.Option(help="Measures whose repetitions are counted, separated by commas, such as left_knee.")
    ] = "",
    lift: Annotated[
        bool, typer.Option("--lift", help="Lift the people into three dimensions and write them beside the clip.")
    ] = False,
    save_3d: SaveRoom = None,
    device: Device = "auto",
    cluster: Cluster = None,
    segment: Annotated[
        float | None,
        typer.Option(
            min=1, help=f"With --cluster: seconds of the pieces that videos are cut into; {_SEGMENT:g} unless said."
        ),
    ] = None,
    *,
    settings: dict[str, Any],
    part: dict[str, Any],
    writing: dict[str, Any],
    feeding: dict[str, Any],
    cropping: dict[str, Any],
    tracking: dict[str, Any],
    smoothing: dict[str, Any],
    drawing: dict[str, Any],
    counting: dict[str, Any],
    lifting: dict[str, Any],
) -> None:
    """Find, follow and measure the people in a video, and draw them into a clip.

    Ctrl-C ends early and keeps what is done: a clip that plays and complete tables up to there. With --cluster the same
    command goes on where it ended.
    """
    if cluster is None:
        _check_alone(paths, segment)
    else:
        _check_spread(cluster, clip, overwrite, lift)
    clip = cluster is None if clip is None else clip
    formats = chosen_formats(save, FORMATS, "csv", cluster is not None)
    if not count:
        check_belongs(counting, "--count")
    if not clip:
        _check_without_clip([*writing, *drawing])
    loaded = open_model(model, device, weights)
    counted = [parse_measure(text, loaded.skeleton).text for text in listed(count)]
    measured = [parse_measure(text, loaded.skeleton).text for text in listed(measures)]
    repetitions = build_settings(RepetitionSettings, counting)
    network, decode = loaded.split_settings(settings)
    followed, smooth = follow_and_smooth(tracking, smoothing, SmoothingSettings)
    _check_measures(measured, counted, formats, followed, lift)
    options = VideoOptions(
        clip=build_settings(ClipSettings, part),
        output=build_settings(OutputSettings, writing),
        tracking=followed,
        smoothing=smooth,
        drawing=build_settings(DrawingOptions, drawing),
        feeding=build_settings(BatchSettings, feeding),
        cropping=build_settings(CropSettings, cropping),
        network=loaded.network_settings(**network).model_dump(),
        decode=loaded.decode_settings(**decode).model_dump(),
    )
    _check_crop(loaded, options, cropping)
    wanted = list(dict.fromkeys([*measured, *counted]))
    tables = _Tables([one for one in formats if one != PARQUET], wanted, counted, repetitions)
    if cluster is not None:
        _spread(paths, destination, loaded, device, options, segment or _SEGMENT, cluster, tables)
        return
    room = wanted_lifting(lift, lifting, save_3d, measured, followed, loaded.skeleton)
    path = Path(paths[0])
    endings = [".mp4"] * clip + tables.endings + (room.endings if room else [])
    stem = free_stem(destination or Path(), f"{path.stem}-poses", endings, overwrite)
    _alone(path, loaded, options, stem, with_ending(stem, ".mp4") if clip else None, tables, room)


@dataclass(frozen=True)
class _Tables:
    """Tables to write of every video."""

    formats: list[str]
    measures: list[str]
    counted: list[str]
    repetitions: RepetitionSettings

    def told(self) -> dict[str, Any]:
        """What is written, for whoever goes on."""
        return {**asdict(self), "repetitions": self.repetitions.model_dump(mode="json") if self.counted else {}}

    @property
    def endings(self) -> list[str]:
        """Endings of their files."""
        return table_endings(self.formats, bool(self.measures), bool(self.counted))

    def save(self, result: VideoResult, stem: Path) -> list[Path]:
        """Write them."""
        return save_tables(result, stem, self.formats, self.measures, self.counted, self.repetitions)


def _check_alone(paths: list[str], segment: float | None) -> None:
    """Refuse what goes with --cluster alone."""
    if len(paths) > 1:
        raise typer.BadParameter("give one video, or add --cluster processes for several.")
    if segment is not None:
        raise typer.BadParameter("--segment is about spread work: add --cluster processes.")


def _check_spread(cluster: str, clip: bool | None, overwrite: bool, lift: bool) -> None:
    """Refuse what --cluster does not do."""
    check_cluster(cluster)
    if clip:
        raise typer.BadParameter("--cluster writes tables; draw the clip of one video without it.")
    if lift:
        raise typer.BadParameter("--lift is for one video: leave --cluster out, or lift saved poses by posecore lift.")
    if overwrite:
        raise typer.BadParameter("--cluster goes on where it ended; give another folder in place of --overwrite.")


def _alone(
    path: Path,
    model: PoseModel,
    options: VideoOptions,
    stem: Path,
    clip: Path | None,
    tables: _Tables,
    room: Lifting | None,
) -> None:
    """Find, follow and smooth the people in one video, here."""
    with counting_progress() as bar, _stopped_by_ctrl_c() as cancel:
        result = process_video(path, model, clip, options, _Reporter(bar), cancel)
    written = tables.save(result, stem)
    if room is not None:
        written += room.do(result.poses, stem)
    _tell(result, written)
    _tell_repetitions(result, tables.counted, tables.repetitions)
    if result.cancelled:
        raise typer.Exit(130)


def _spread(
    paths: list[str],
    destination: Path | None,
    model: PoseModel,
    device: str,
    options: VideoOptions,
    segment: float,
    cluster: str,
    tables: _Tables,
) -> None:
    """Let workers find, follow and smooth the people in videos."""
    sources = find_sources(paths, False, VIDEO_SUFFIXES, "video")
    order, facts = video_order_of(model, device, options, tables.told())
    folder = VideoFolder(destination or Path("poses"), facts, tables.save)
    with counting_progress() as progress:
        task = progress.add_task("Videos", total=len(sources))
        outcome = spread_videos(
            sources,
            folder,
            order.options,
            segment,
            lambda most: workers_of(cluster, order, most, device, order.options.network),
            lambda done: progress.update(task, completed=done),
        )
    tell_outcome(outcome.before, len(sources), outcome.failures, folder.folder / FAILED)
    found = f"{outcome.done} of {counted(len(sources), 'video')} with {model.name}"
    output.print(f"{found}; results in {escape(str(folder.folder))}/", soft_wrap=True)
    if outcome.failures:
        raise typer.Exit(1)


def _check_without_clip(given: Sequence[str]) -> None:
    """Refuse what would be about a clip that is not written."""
    if given:
        raise typer.BadParameter(f"{flag_of(given[0])} is about the drawn clip: leave --no-clip out.")


def _check_crop(model: PoseModel, options: VideoOptions, cropping: dict[str, Any]) -> None:
    """Refuse what means nothing with smart crop, or without it."""
    check_crop_settings(model, cropping, options.decode)
    if options.feeding.batch > 1 and options.cropping.smart_crop and crop_settings(model, options.decode):
        raise typer.BadParameter("--batch means nothing to smart crop, which goes frame by frame: add --no-smart-crop.")


def _check_measures(
    measured: list[str], counted: list[str], formats: list[str], tracking: TrackingSettings, lift: bool
) -> None:
    """Refuse measures that would be of nobody, or be written nowhere."""
    if (measured or counted) and not tracking.track:
        raise typer.BadParameter("--measures and --count follow people over the frames: switch track on.")
    if measured and not lift and not {"csv", "json"} & set(formats):
        raise typer.BadParameter("measures are written as csv or json: name one of them in --save.")


class _Reporter:
    """Shows the progress of a run, a line for each of its steps."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, progress: Progress) -> None:
        if progress.step not in self._tasks:
            self._tasks[progress.step] = self._bar.add_task(progress.step.capitalize(), total=progress.expected)
        self._bar.update(self._tasks[progress.step], completed=progress.frames, total=progress.expected)


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second one interrupts as usual."""
    cancel = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield cancel
        return

    def stop(number: int, frame: FrameType | None) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, before)
        errors.print("Stopping: what is done so far is being written. Press Ctrl-C again to drop it.")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(result: VideoResult, written: list[Path]) -> None:
    """Say what was found and where it is."""
    for warning in result.warnings:
        errors.print(
            f"[yellow]{escape(result.source.name)}:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True
        )
    total = result.seconds["total"]
    people = len(result.poses.tracks()) if result.options.tracking.track else None
    who = f", {counted(people, 'person', 'people')}" if people is not None else ""
    until = " until stopped" if result.cancelled else ""
    pace = f"{result.frames / total:.1f} frames/s" if total > 0 else ""
    output.print(
        f"{result.frames} frames{until}{who} with {escape(result.model)}, {pace}", highlight=False, soft_wrap=True
    )
    tell_files([*([result.clip] if result.clip else []), *written])


def _tell_repetitions(result: VideoResult, measures: list[str], settings: RepetitionSettings) -> None:
    """A line per person and measure, or one that says that there are none."""
    table = repetition_table(result.poses, measures, settings)
    for text in dict.fromkeys(measures):
        if text not in set(table["measure"]):
            output.print(f"No repetitions of {escape(text)}", highlight=False, soft_wrap=True)
    for (number, measure), rows in table.groupby(["track_id", "measure"]):
        open_end = int(rows["end"].isna().sum())
        unfinished = " (the last one not completed)" if open_end else ""
        output.print(
            f"Person {number}: {counted(len(rows), 'repetition')} of {escape(str(measure))}{unfinished}",
            highlight=False,
            soft_wrap=True,
        )
