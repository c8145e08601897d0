"""Drawing: in the right place, on any picture, with every option doing something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from posecore.drawing import (
    DrawingOptions,
    draw_poses,
    draw_region,
    field_values,
    heatmap_grid,
    heatmap_over,
    pose_strokes,
    vector_arrows,
    vector_hue,
)
from posecore.drawing.field_values import arrow_segments, gate_values
from posecore.drawing.overlay import PERSON_COLORS, SIDE_COLORS, person_color, score_color
from posecore.drawing.shapes import OUTLINE
from posecore.drawing.surfaces import Pixels
from posecore.errors import ImageError
from posecore.fields import FieldKind, FieldMap, Fields, Provenance
from posecore.imaging import InputTransform, letterbox, stretch
from posecore.poses import Poses
from posecore.skeleton import COCO_17, Skeleton
from tests.pose_support import poses_from

WIDTH, HEIGHT = 200, 240
STANDING = np.array(
    [
        (100, 40), (106, 34), (94, 34), (113, 37), (87, 37), (125, 75), (75, 75), (140, 110), (60, 110), (150, 145),
        (50, 145), (115, 140), (85, 140), (117, 180), (83, 180), (118, 220), (82, 220),
    ],
    np.float32,
)  # fmt: skip


def standing(**changes: Any) -> Poses:
    scores = np.linspace(1, 0.2, len(COCO_17))
    poses = poses_from(STANDING[None], scores[None], np.array([0.87]), COCO_17, (WIDTH, HEIGHT))
    return replace(poses, **changes)


def grey(width: int = WIDTH, height: int = HEIGHT, value: int = 120) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """``(H, W)`` True where two pictures differ."""
    return (before != after).any(axis=-1)


# --- poses -----------------------------------------------------------------------------------------------------------


def test_joint_lies_on_its_pixel() -> None:
    dot = Skeleton("dot", ("dot",))
    for x, y in [(50, 60), (50.5, 60.25)]:
        poses = poses_from(np.array([[[x, y]]]), np.ones((1, 1)), np.ones(1), dot, (WIDTH, HEIGHT))
        drawn = draw_poses(grey(value=0), poses, DrawingOptions(thickness=2))
        rows, columns = np.nonzero(drawn.sum(-1) > 3 * max(OUTLINE))
        assert abs(columns.mean() - x) < 0.3
        assert abs(rows.mean() - y) < 0.3


def test_line_has_the_width_asked_for() -> None:
    bar = Skeleton("bar", ("a", "b"), ((0, 1),))
    poses = poses_from(np.array([[[20, 100], [180, 100]]]), np.ones((1, 2)), np.ones(1), bar, (WIDTH, HEIGHT))
    coverage = {}
    for thickness in (1.0, 2.0, 4.0):
        drawn = draw_poses(grey(value=255), poses, DrawingOptions(joints=False, thickness=thickness))
        column = np.abs(drawn[:, 100].astype(int) - PERSON_COLORS[0]).max(-1) < 60
        coverage[thickness] = int(column.sum())
        assert abs(np.nonzero(column)[0].mean() - 100) <= 0.5
    assert 1.6 < coverage[4.0] / coverage[2.0] < 2.4
    assert coverage[1.0] < coverage[2.0]


@pytest.mark.parametrize(
    "options",
    [
        {"skeleton": False},
        {"joints": False},
        {"boxes": True},
        {"labels": True},
        {"scores": True},
        {"color_by": "side"},
        {"color_by": "score"},
        {"color_by": "keypoint"},
        {"thickness": 3.0},
        {"opacity": 0.4},
        {"background": "dimmed"},
        {"background": "black"},
        {"background": "white"},
    ],
    ids=str,
)
def test_every_option_has_an_effect(options: dict[str, Any]) -> None:
    plain = draw_poses(grey(), standing())
    assert changed(plain, draw_poses(grey(), standing(), DrawingOptions(**options))).any()


def test_options_describe_themselves() -> None:
    for name, field in DrawingOptions.model_fields.items():
        assert field.title, name
        assert field.description, name
    with pytest.raises(ValidationError):
        DrawingOptions(thickness=5)
    with pytest.raises(ValidationError):
        DrawingOptions(colour="red")  # type: ignore[call-arg]


def test_input_is_not_changed_and_result_repeats() -> None:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    before = image.copy()
    image.setflags(write=False)
    options = DrawingOptions(labels=True, scores=True, boxes=True, opacity=0.7)
    first = draw_poses(image, standing(), options)
    assert (image == before).all()
    assert first.dtype == np.uint8
    assert first.shape == image.shape
    assert (draw_poses(image, standing(), options) == first).all()
    assert draw_poses(image[::-1], standing()).flags.c_contiguous


@pytest.mark.parametrize("options", [{}, {"opacity": 0.5}, {"background": "dimmed"}])
def test_drawing_in_place_looks_the_same(options: dict[str, Any]) -> None:
    """Also on rows that lie apart; what cannot be drawn on is copied."""
    expected = draw_poses(grey(), standing(), DrawingOptions(**options))
    room = np.zeros((HEIGHT, WIDTH + 9, 3), np.uint8)
    image = room[:, :WIDTH]
    image[:] = grey()
    fixed = grey()
    fixed.setflags(write=False)
    for given in (image, fixed, grey()[:, ::-1]):
        assert np.array_equal(draw_poses(given, standing(), DrawingOptions(**options), in_place=True), expected)
    assert not room[:, WIDTH:].any()
    assert (fixed == grey()).all()
    assert draw_poses(image, standing(), in_place=True) is image


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_no_people_leave_the_picture_alone(opacity: float) -> None:
    drawn = draw_poses(grey(), Poses.empty(COCO_17, (WIDTH, HEIGHT)), DrawingOptions(labels=True, opacity=opacity))
    assert (drawn == grey()).all()
    assert drawn is not grey()


def test_opacity_nought_shows_nothing_and_half_lies_between() -> None:
    assert (draw_poses(grey(), standing(), DrawingOptions(opacity=0)) == grey()).all()
    full, half = (draw_poses(grey(), standing(), DrawingOptions(opacity=o)).astype(int) for o in (1.0, 0.5))
    assert np.abs(half - (full + grey()) / 2).max() <= 1


def test_missing_keypoints_and_their_lines_are_left_out() -> None:
    keypoints = np.full((1, 17, 2), np.nan, np.float32)
    everything = DrawingOptions(labels=True, scores=True, boxes=True)
    assert (draw_poses(grey(), standing(keypoints=keypoints), everything) == grey()).all()
    keypoints[0, 9] = (100, 100)
    drawn = draw_poses(grey(), standing(keypoints=keypoints))
    rows, columns = np.nonzero(changed(grey(), drawn))
    assert np.hypot(rows - 100, columns - 100).max() < 10


@pytest.mark.parametrize("far", [1e3, 1e6, 1e12, 3e38])
def test_far_outside(far: float) -> None:
    bar = Skeleton("bar", ("a", "b"), ((0, 1),))
    poses = poses_from(np.array([[[100, 100], [far, 100]]]), np.ones((1, 2)), np.ones(1), bar, (WIDTH, HEIGHT))
    everything = DrawingOptions(labels=True, scores=True, boxes=True)
    assert draw_poses(grey(), poses, everything).shape == (HEIGHT, WIDTH, 3)
    touched = changed(grey(), draw_poses(grey(), poses))
    assert touched[100, 100:].all()  # straight on to the edge
    assert not touched[:80].any()
    assert not touched[120:].any()
    away = replace(poses, keypoints=np.array([[[-far, -far], [-far, far]]]))
    assert (draw_poses(grey(), away, everything) == grey()).all()


@pytest.mark.parametrize(("width", "height"), [(8, 8), (8, 700), (100, 60), (3000, 2000)])
def test_sizes_of_pictures(width: int, height: int) -> None:
    image = grey(width, height)
    options = DrawingOptions(labels=True, scores=True, boxes=True)
    drawn = draw_poses(image, standing(), options)  # a picture of another size: the poses are scaled along
    assert drawn.shape == image.shape
    rows, columns = np.nonzero(changed(image, draw_poses(image, standing(), DrawingOptions(skeleton=False))))
    if min(width, height) >= 60:
        middle_x = (STANDING[:, 0].min() + STANDING[:, 0].max() + 1) / 2 * width / WIDTH - 0.5
        assert abs((columns.min() + columns.max()) / 2 - middle_x) < 1.5
        assert rows.max() - rows.min() > 0.7 * height


def test_size_of_lines_follows_the_picture() -> None:
    shares = []
    for factor in (1, 4, 16):
        image = grey(WIDTH * factor, HEIGHT * factor)
        shares.append(changed(image, draw_poses(image, standing())).mean())
    assert 0.5 < shares[2] / shares[1] < 1.5
    assert shares[0] < 0.3


def test_text_stays_on_the_picture_and_apart() -> None:
    keypoints = STANDING.copy()
    keypoints[0], keypoints[9] = (1, 1), (WIDTH - 2, HEIGHT - 2)
    image = grey()
    without = draw_poses(image, standing(keypoints=keypoints[None]))
    named = draw_poses(image, standing(keypoints=keypoints[None]), DrawingOptions(labels=True))
    assert changed(without, named)[:25, :60].any()
    assert changed(without, named)[-25:, -70:].any()


@pytest.mark.parametrize("value", [0, 255])
def test_drawing_stands_out_on_any_ground(value: int) -> None:
    drawn = draw_poses(grey(value=value), standing()).astype(int)
    touched = changed(grey(value=value), drawn)
    assert np.abs(drawn[touched] - value).max(axis=-1).mean() > 100


def test_person_colors() -> None:
    assert len(set(PERSON_COLORS)) >= 10
    two = standing().select([0, 0])
    assert person_color(two, 0) != person_color(two, 1)
    tracked = replace(two, track_ids=np.array([7, 3]))
    assert person_color(tracked, 0) == person_color(replace(two, track_ids=np.array([3, 7])), 1)
    assert (draw_poses(grey(), tracked, DrawingOptions(joints=False)) == PERSON_COLORS[7]).all(-1).any()


def test_person_colors_differ_for_colour_blind_eyes() -> None:
    # Full deuteranopia and protanopia in linear light: Machado, Oliveira and Fernandes, 2009, table 1.
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    linear = (np.array(PERSON_COLORS) / 255) ** 2.2
    for matrix in (np.eye(3), np.array(deutan), np.array(protan)):
        seen = (linear @ matrix.T).clip(0, 1) ** (1 / 2.2)
        lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert apart[~np.eye(len(lab), dtype=bool)].min() > 20


def test_sides_and_scores_have_their_colors() -> None:
    drawn = draw_poses(grey(), standing(), DrawingOptions(color_by="side"))
    for color in SIDE_COLORS.values():
        assert (drawn == color).all(-1).any()
    # COCO's left arm lies at larger x when the person faces the camera.
    columns = np.nonzero((drawn == SIDE_COLORS["left"]).all(-1))[1]
    assert columns.min() > 95
    brightness = [sum(score_color(score)) for score in (0.0, 0.5, 1.0)]
    assert brightness == sorted(brightness)
    assert score_color(float("nan")) == score_color(0)
    assert score_color(7) == score_color(1)


def test_first_person_lies_on_top() -> None:
    two = standing().select([0, 0])
    options = DrawingOptions(joints=False)
    alone, both = draw_poses(grey(), two.select([0]), options), draw_poses(grey(), two, options)
    own = (alone == PERSON_COLORS[0]).all(-1)
    assert own.any()
    assert (both[own] == PERSON_COLORS[0]).all()


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5)), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), np.uint8), np.zeros((0, 5, 3), np.uint8), "x"]
)
def test_not_a_picture(image: Any) -> None:
    with pytest.raises(ImageError, match="Drawing needs a picture"):
        draw_poses(image, standing())


@pytest.mark.parametrize(
    "region", [(50, 60, 150, 200), (-30.5, -10, 90.2, 100), (-1e6, -1e6, 1e6, 1e6), (500, 5, 600, 9)]
)
def test_region(region: tuple[float, float, float, float]) -> None:
    image = grey()
    drawn = draw_region(image, region)
    assert (image == grey()).all()
    x0, y0, x1, y1 = np.clip(region, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).round().astype(int)
    assert (drawn[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5] == 120).all()
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[max(y0 - 5, 0) : y1 + 5, max(x0 - 5, 0) : x1 + 5] = False
    assert (drawn[outside] < 120).all()


def rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def painted(canvas: np.ndarray, strokes: list[dict[str, Any]]) -> np.ndarray:
    """What a program makes of strokes that has the picture."""
    surface = Pixels(canvas)
    for stroke in strokes:
        at = np.array(stroke["at"], float)
        for size, colors in stroke.get("layers", ()):
            color = [rgb(one) for one in colors]
            shapes = at.reshape((-1, 2, 2) if stroke["kind"] == "lines" else (-1, 2)) - 0.5
            (surface.lines if stroke["kind"] == "lines" else surface.discs)(
                shapes, size, color if len(color) > 1 else color[0]
            )
        if stroke["kind"] == "plate":
            left, top, width, height = stroke["at"]
            surface.plate(left, top, width, height, rgb(stroke["color"]))
    return canvas


@pytest.mark.parametrize("color_by", ["person", "side", "score", "keypoint"])
def test_strokes_are_what_is_drawn(color_by: Any) -> None:
    """People with a missing joint, one of them outside, and a marked region, drawn from strokes and on pixels."""
    gone = STANDING.copy()
    gone[5] = np.nan
    scores = np.tile(np.linspace(1, 0.2, len(COCO_17)), (2, 1))
    poses = poses_from(np.stack([gone, STANDING + 60]), scores, np.array([0.9, 0.5]), COCO_17, (WIDTH, HEIGHT))
    options = DrawingOptions(color_by=color_by, boxes=True)
    strokes = pose_strokes((WIDTH, HEIGHT), poses, options)
    apart = np.abs(painted(grey(), strokes["over"]).astype(int) - draw_poses(grey(), poses, options))
    assert apart.mean() < 0.5
    assert changed(grey(), draw_poses(grey(), poses, options)).mean() > 0.05
    region = (20.0, 30.0, 150.0, 300.0)
    marked = pose_strokes((WIDTH, HEIGHT), poses, options, region)
    assert marked["region"] == [20, 30, 150, HEIGHT]
    frame = changed(grey(), painted(grey(), marked["under"]))
    assert frame[30:35, 60].any()
    assert not frame[100, 60]


def test_strokes_hold_names_and_scores_as_text() -> None:
    strokes = pose_strokes((WIDTH, HEIGHT), standing(), DrawingOptions(labels=True, scores=True))["over"]
    texts = {stroke["text"]: stroke for stroke in strokes if stroke["kind"] == "text"}
    assert {"0.87", "nose 1.00"} <= set(texts)
    assert texts["0.87"]["rim"] is None
    assert texts["nose 1.00"]["length"] > 0
    covered = pose_strokes((WIDTH, HEIGHT), standing(), DrawingOptions(background="dimmed", opacity=0.5))
    assert (covered["ground"][0], covered["opacity"]) == ("#000000", 0.5)
    assert 0 < covered["ground"][1] < 1
    assert not pose_strokes((WIDTH, HEIGHT), standing(), DrawingOptions(opacity=0))["over"]


# --- fields ----------------------------------------------------------------------------------------------------------

GRID = 17
STRIDE, ORIGIN = 8.0, 3.5
INPUT = (136, 136)
IMAGE = (320, 240)

TRANSFORMS = {
    "letterboxed": letterbox(IMAGE, INPUT),
    "letterboxed, half pixel": letterbox(IMAGE, INPUT, half_pixel=True),
    "stretched": stretch(IMAGE, INPUT),
    "region": stretch(IMAGE, INPUT, (60.5, 30.25, 250, 200), half_pixel=True),
    "region reaching outside": letterbox(IMAGE, INPUT, (-40, 20, 200, 300)),
}


def bump(centre: tuple[float, float], sigma: float = 1.6) -> np.ndarray:
    """A smooth peak at fractional cell (x, y) on the grid."""
    x, y = np.meshgrid(np.arange(GRID), np.arange(GRID))
    return np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma**2)).astype(np.float32)


def made(*maps: FieldMap, transform: InputTransform = TRANSFORMS["letterboxed"]) -> Fields:
    return Fields("any", maps, transform, COCO_17, Provenance("picture", "model", "weights"))


def field_map(kind: FieldKind, values: np.ndarray, units: str, **changes: Any) -> FieldMap:
    labels = tuple(f"channel_{index}" for index in range(len(values)))
    return FieldMap(kind.value, kind, np.asarray(values, np.float32), units, STRIDE, ORIGIN, labels, **changes)


def heat(*values: np.ndarray, **changes: Any) -> FieldMap:
    return field_map(FieldKind.HEATMAP, np.stack(values), "probability", **changes)


def constant(x: float, y: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y], np.float32)[None, :, None, None], (1, 2, GRID, GRID)).copy()


def picture() -> np.ndarray:
    return np.zeros((IMAGE[1], IMAGE[0], 3), np.uint8)


def peak_of(image: np.ndarray) -> np.ndarray:
    """(x, y) of the brightest place of a picture, the mean where several pixels share it."""
    total = image.astype(float).sum(-1)
    rows, columns = np.nonzero(total >= total.max() - 1e-9)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("cell", [(8, 8), (6, 9), (10, 7)])
def test_heat_lies_where_the_cell_is(transform: InputTransform, cell: tuple[int, int]) -> None:
    fields = made(heat(bump(cell)), transform=transform)
    expected = fields.to_source("heatmap", np.array(cell))
    values = field_values(fields, "heatmap", 0)
    assert values.shape == (IMAGE[1], IMAGE[0])
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    assert np.abs(np.array([column, row]) - expected).max() <= 0.5 + 1e-6
    over = heatmap_over(picture(), fields, "heatmap", 0, opacity=1)
    assert np.abs(peak_of(over) - expected).max() <= 1


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_values_at_cells_are_exact_and_linear_between(transform: InputTransform) -> None:
    values = np.random.default_rng(1).random((1, GRID, GRID)).astype(np.float32)
    x = np.broadcast_to(np.arange(GRID, dtype=np.float32), (1, GRID, GRID))
    fields = made(heat(values[0]), field_map(FieldKind.CENTRE, x, "cells"), transform=transform)
    ramp = field_values(fields, "centre", 0)
    rows, columns = np.nonzero(np.isfinite(ramp))
    where = transform.to_input(np.stack([columns, rows], -1))[:, 0]
    expected = ((where - ORIGIN) / STRIDE).clip(0, GRID - 1)
    assert np.abs(ramp[rows, columns] - expected).max() < 1e-4


def test_nothing_is_shown_where_the_network_did_not_look() -> None:
    transform = TRANSFORMS["region"]
    fields = made(heat(np.ones((GRID, GRID), np.float32)), transform=transform)
    values = field_values(fields, "heatmap", 0)
    rows, columns = np.nonzero(np.isfinite(values))
    assert (columns.min(), columns.max() + 1) == pytest.approx((60.5, 250), abs=1)
    assert (rows.min(), rows.max() + 1) == pytest.approx((30.25, 200), abs=1)
    over = heatmap_over(picture(), fields, "heatmap", fade=False)
    assert (changed(picture(), over) == np.isfinite(values)).all()


def test_largest_channel_and_thumbnails() -> None:
    fields = made(heat(bump((4, 8)), bump((12, 8))))
    both = field_values(fields, "heatmap")
    assert np.nanmax(both[:, : IMAGE[0] // 2]) == pytest.approx(np.nanmax(both[:, IMAGE[0] // 2 :]), abs=0.02)
    assert field_values(fields, "heatmap", 0, max_side=100).shape == (75, 100)
    assert field_values(fields, "heatmap", 0, size=(50, 40)).shape == (40, 50)
    small = heatmap_over(picture(), fields, "heatmap", 1, max_side=160)
    assert small.shape == (120, 160, 3)
    expected = (fields.to_source("heatmap", np.array([12, 8])) + 0.5) / 2 - 0.5
    assert np.abs(peak_of(small) - expected).max() <= 1


def test_heat_options_have_effects() -> None:
    fields = made(heat(bump((8, 8))))
    plain = heatmap_over(grey(*IMAGE), fields, "heatmap", 0)
    for options in ({"opacity": 0.2}, {"colormap": "magma"}, {"value_range": (0.0, 0.5)}, {"fade": False}):
        assert changed(plain, heatmap_over(grey(*IMAGE), fields, "heatmap", 0, **options)).any()
    assert (heatmap_over(grey(*IMAGE), fields, "heatmap", 0, opacity=0) == grey(*IMAGE)).all()
    with pytest.raises(ValueError, match="colormap"):
        heatmap_over(picture(), fields, "heatmap", 0, colormap="no such map")
    with pytest.raises(KeyError, match="heatmap"):
        heatmap_over(picture(), fields, "nothing")
    with pytest.raises(IndexError, match="channels 0 … 0"):
        heatmap_over(picture(), fields, "heatmap", 3)


def test_flat_maps_can_be_shown() -> None:
    flat = np.zeros((1, GRID, GRID))
    fields = made(field_map(FieldKind.CENTRE, flat, "cells"), field_map(FieldKind.OFFSETS, constant(0, 0), "input px"))
    assert (heatmap_over(grey(*IMAGE), fields, "centre") == grey(*IMAGE)).all()
    assert (vector_hue(grey(*IMAGE), fields, "offsets", 0, legend=False) == grey(*IMAGE)).all()
    assert vector_arrows(grey(*IMAGE), fields, "offsets", 0, gate=None).shape == grey(*IMAGE).shape


@pytest.mark.parametrize("count", [1, 5, 17])
def test_grid_shows_every_channel(count: int) -> None:
    fields = made(heat(*[bump((8, 8))] * count))
    sheet = heatmap_grid(grey(*IMAGE), fields, "heatmap", columns=3, tile_width=120)
    rows = -(-count // 3)
    assert sheet.shape == (rows * 92 - 2, 3 * 122 - 2, 3)
    bright = sheet[..., 1] > 110
    assert bright[40:50, 55:65].any()  # the first tile's middle
    assert heatmap_grid(grey(*IMAGE), fields, "heatmap").ndim == 3
    vectors = made(field_map(FieldKind.OFFSETS, np.repeat(constant(3, 0), count, 0), "input px"))
    assert heatmap_grid(grey(*IMAGE), vectors, "offsets").ndim == 3


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize(("units", "factor"), [("input px", 1.0), ("cells", STRIDE)])
def test_arrows_end_where_they_point(transform: InputTransform, units: str, factor: float) -> None:
    offsets = field_map(FieldKind.OFFSETS, constant(2.5, -1.5), units, keypoints=(0,))
    delta = np.zeros((GRID, GRID))
    delta[9, 6] = 1
    fields = made(offsets, heat(delta, keypoints=(0,)), transform=transform)
    segments = arrow_segments(fields, "offsets", 0, step=1)
    start = transform.to_source(np.array([6, 9]) * STRIDE + ORIGIN)
    end = start + np.array([2.5, -1.5]) * factor * transform.scale
    assert segments == pytest.approx(np.array([[start, end]]))


def test_arrow_is_drawn_from_start_to_end() -> None:
    transform = stretch(IMAGE, (320, 240))
    field = field_map(FieldKind.DISPLACEMENT, constant(100, 0), "input px", edges=((5, 7),))
    delta = np.zeros((GRID, GRID))
    delta[8, 4] = 1
    fields = made(field, heat(np.zeros((GRID, GRID)), delta, keypoints=(0, 5)), transform=transform)
    drawn = vector_arrows(grey(*IMAGE), fields, "displacement", 0, step=1)
    rows, columns = np.nonzero(changed(grey(*IMAGE), drawn))
    start = 4 * STRIDE + ORIGIN
    assert columns.min() == pytest.approx(start, abs=4)
    assert columns.max() == pytest.approx(start + 100, abs=4)
    assert rows.mean() == pytest.approx(8 * STRIDE + ORIGIN, abs=1)
    faint = vector_arrows(grey(*IMAGE), fields, "displacement", 0, step=1, opacity=0.5)
    assert np.abs(faint.astype(int) - 120).max() < np.abs(drawn.astype(int) - 120).max()


def test_gates() -> None:
    wide = heat(bump((8, 8)), keypoints=(0,))
    later = replace(wide, name="later", values=bump((3, 3))[None], stage=1)
    offsets = field_map(FieldKind.OFFSETS, constant(1, 1), "cells", keypoints=(0,))
    unit = field_map(FieldKind.PART_AFFINITY, constant(0.6, 0.8), "unit vector", edges=((0, 1),))
    centre = field_map(FieldKind.CENTRE, bump((12, 12))[None], "probability")
    regression = field_map(FieldKind.REGRESSION, constant(1, 1), "cells", keypoints=(0,))
    fields = made(wide, later, offsets, unit, centre, regression)
    peaks = {
        "offsets": (3, 3),  # the last stage decides
        "regression": (12, 12),
    }
    for name, (x, y) in peaks.items():
        assert int(gate_values(fields, name, 0).argmax()) == y * GRID + x
    assert gate_values(fields, "offsets", 0, "heatmap").argmax() == 8 * GRID + 8
    assert gate_values(fields, "part affinity", 0) == pytest.approx(np.ones((GRID, GRID)))
    count = [len(arrow_segments(fields, "offsets", 0, gate_threshold=t, step=1)) for t in (0.0, 0.3, 0.9)]
    assert count[0] == GRID * GRID > count[1] > count[2] > 0
    assert len(arrow_segments(fields, "offsets", 0, gate=None, step=2)) < GRID * GRID / 2
    length = np.hypot(*np.diff(arrow_segments(fields, "part affinity", 0, step=1), axis=1)[0, 0])
    assert 0.5 < length / (STRIDE * fields.transform.scale[0]) <= 1
    assert (gate_values(made(offsets), "offsets", 0) == 1).all()


def test_gate_of_another_grid() -> None:
    coarse = replace(heat(bump((4, 4))[:9, :9], keypoints=(0,)), stride=2 * STRIDE)
    fields = made(coarse, field_map(FieldKind.OFFSETS, constant(1, 1), "cells", keypoints=(0,)))
    gate = gate_values(fields, "offsets", 0)
    assert gate.shape == (GRID, GRID)
    assert gate.argmax() == 8 * GRID + 8


def test_hue_tells_direction_and_legend_is_optional() -> None:
    colors = []
    for x, y in [(1, 0), (0, 1), (-1, 0), (0, -1)]:
        fields = made(field_map(FieldKind.PART_AFFINITY, constant(x, y), "unit vector"))
        hue = vector_hue(picture(), fields, "part affinity", 0, legend=False)
        assert np.abs(hue.astype(int) - hue[100, 100]).max() < 12
        colors.append(tuple(hue[100, 100]))
        assert changed(hue, vector_hue(picture(), fields, "part affinity", 0)).any()
    assert len(set(colors)) == 4
    vectors = field_values(fields, "part affinity", 0)
    assert vectors.shape == (IMAGE[1], IMAGE[0], 2)
    assert vectors[100, 100] == pytest.approx((0, -1))
    weak = vector_hue(picture(), fields, "part affinity", 0, legend=False, longest=4.0)
    assert int(weak.max()) < int(hue.max())


def test_vectors_are_needed_for_arrows() -> None:
    fields = made(heat(bump((8, 8))))
    for draw in (vector_arrows, vector_hue):
        with pytest.raises(ValueError, match="no vectors"):
            draw(picture(), fields, "heatmap", 0)


def test_odd_vectors_are_safe() -> None:
    wild = constant(1e7, -1e7)
    wild[0, :, 3, 3] = np.nan
    fields = made(field_map(FieldKind.OFFSETS, wild, "input px"))
    drawn = vector_arrows(grey(*IMAGE), fields, "offsets", 0, gate=None)
    assert drawn.shape == (IMAGE[1], IMAGE[0], 3)
    assert changed(grey(*IMAGE), drawn).any()


def test_fields_leave_the_input_alone_and_repeat() -> None:
    image = np.random.default_rng(0).integers(0, 255, (IMAGE[1], IMAGE[0], 3), np.uint8)
    image.setflags(write=False)
    fields = made(heat(bump((8, 8))), field_map(FieldKind.OFFSETS, constant(1, 2), "cells"))
    for draw in (
        lambda: heatmap_over(image, fields, "heatmap"),
        lambda: heatmap_grid(image, fields, "heatmap"),
        lambda: vector_hue(image, fields, "offsets", 0),
        lambda: vector_arrows(image, fields, "offsets", 0, gate=None),
        lambda: vector_arrows(image, fields, "offsets", 0, gate_threshold=2),
    ):
        first = draw()
        assert first.dtype == np.uint8
        assert first is not image
        assert first.flags.writeable
        assert (first == draw()).all()
