"""The large picture of the Fields page: a map over the photograph, or the evidence behind a joint."""

from __future__ import annotations

from posecore.drawing import DrawingOptions, draw_poses
from posecore.drawing.field_values import heatmap_of
from posecore.drawing.views import MapView, Style, draw_view, tile_at
from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.ui.fields.evidence_panel import Answer, Case, choose_spot
from posecore.ui.shared.maps.joint_choice import choose_joint, joint_near
from posecore.ui.shared.maps.map_choice import show_channel, show_keypoint
from posecore.ui.shared.maps.map_readings import legend_of, readable
from posecore.ui.shared.maps.map_tabs import TILE, words
from posecore.ui.shared.models.caches import drawings_cache
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.pictures.open_picture import to_jpeg
from posecore.ui.shared.pictures.posed_picture import PICTURE_ROOM
from posecore.ui.shared.widgets.components import field_view

_PEOPLE = DrawingOptions(opacity=0.75, thickness=0.75)


def show_view(analysis: Analysis, view: MapView, *, people: bool) -> None:
    """A map as it was chosen; a click on a joint or on a tile chooses the map about it."""
    if view.style == Style.GRID:
        _show_grid(analysis, view)
        return
    names = tuple(words(name) for name in analysis.fields.skeleton.keypoints)

    def clicked(x: float, y: float, reach: float) -> None:
        found = joint_near(analysis.poses, x, y, reach)
        if found is not None:
            show_keypoint(analysis.fields, view, found[1])
            choose_joint(names, *found)

    field = analysis.fields[view.name]
    label = "all channels" if view.channel is None else words(field.channels[view.channel])
    field_view(
        _jpeg(analysis, view, people),
        analysis.poses,
        picture=_identity(analysis),
        alt=f"{words(view.name)} of {label} over {analysis.opened.source.label}",
        room=PICTURE_ROOM,
        values=readable(analysis.fields, view),
        legend=legend_of(field, view),
        marks=(),
        on_spot=clicked,
        key="fields_picture",
    )


def _show_grid(analysis: Analysis, view: MapView) -> None:
    preview, field = analysis.opened.preview, analysis.fields[view.name]
    sheet = draw_view(preview, analysis.fields, view, tile=TILE)
    size = (sheet.shape[1], sheet.shape[0])

    def clicked(x: float, y: float, reach: float) -> None:
        channel = tile_at(preview, field, size, x, y)
        if channel is not None:
            show_channel(field, channel)

    field_view(
        to_jpeg(sheet),
        Poses.empty(analysis.fields.skeleton, size),
        picture=f"{_identity(analysis)} {view.name}",
        alt=f"All {len(field.channels)} maps of {words(view.name)} side by side",
        room=PICTURE_ROOM,
        values=None,
        legend=None,
        marks=(),
        on_spot=clicked,
        key="fields_sheet",
    )


def show_answer(analysis: Analysis, case: Case, answer: Answer, *, people: bool) -> None:
    """The joint's own heatmap, and above it how the joint was found."""
    found = heatmap_of(analysis.fields, answer.keypoint)
    view = None if found is None else MapView(found[0].name, found[1], Style.HEAT, opacity=0.75)
    field_view(
        _jpeg(analysis, view, people),
        case.poses,
        picture=_identity(analysis),
        alt=f"Evidence for {case.names[answer.keypoint]} in {analysis.opened.source.label}",
        room=PICTURE_ROOM,
        values=None if view is None else readable(analysis.fields, view),
        legend=None,
        marks=answer.marks,
        on_spot=lambda x, y, reach: choose_spot(case, x, y, reach),
        key="fields_picture",
    )


def _identity(analysis: Analysis) -> str:
    return analysis.opened.contents.identity


def _jpeg(analysis: Analysis, view: MapView | None, people: bool) -> bytes:
    """The preview with a map over it; remembered while only the people may change."""

    def draw() -> Picture:
        preview = analysis.opened.preview
        return preview if view is None else draw_view(preview, analysis.fields, view)

    if people:
        return to_jpeg(draw_poses(draw(), analysis.poses, _PEOPLE))
    return drawings_cache().get((analysis.fields.provenance.key, view), lambda: to_jpeg(draw()))
