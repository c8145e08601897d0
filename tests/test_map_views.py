"""Views of maps: what is drawn, what a click means and what the pointer reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecore.drawing import field_values
from posecore.drawing.views import MapView, Style, channel_for, draw_view, tile_at
from posecore.ui.shared.maps.map_readings import readable
from tests.evidence_support import fake_fields


@pytest.mark.parametrize(("name", "channel"), [("heatmaps", 3), ("heatmaps", None), ("offsets", 4)])
def test_the_pointer_reads_what_is_drawn(name: str, channel: int | None) -> None:
    fields = fake_fields()
    view = MapView(name, channel, Style.HEAT if name == "heatmaps" else Style.ARROWS)
    read, drawn = readable(fields, view), field_values(fields, name, channel)
    assert read is not None
    random = np.random.default_rng(1)
    for x, y in zip(random.integers(0, 640, 50), random.integers(0, 400, 50), strict=True):
        u = np.clip((x - read.start[0]) / read.step[0], 0, 15)
        v = np.clip((y - read.start[1]) / read.step[1], 0, 11)
        i, j = min(int(u), 14), min(int(v), 10)
        cell = read.cells[..., j : j + 2, i : i + 2]
        value = np.array([1 - (v - j), v - j]) @ cell @ np.array([1 - (u - i), u - i])
        np.testing.assert_allclose(value, drawn[y, x], atol=1e-4)


def test_a_click_on_a_tile_means_its_channel() -> None:
    fields = fake_fields()
    picture = np.zeros((400, 640, 3), np.uint8)
    sheet = draw_view(picture, fields, MapView("heatmaps", None, Style.GRID), tile=160)
    height, width = sheet.shape[:2]
    assert tile_at(picture, fields["heatmaps"], (width, height), 5, 5) == 0
    assert tile_at(picture, fields["heatmaps"], (width, height), 170, 5) == 1
    assert tile_at(picture, fields["heatmaps"], (width, height), width - 3, height - 3) in (None, 16)


def test_edges_are_about_the_joint_they_start_from() -> None:
    field = replace(fake_fields()["offsets"], keypoints=None, edges=tuple((k, (k + 1) % 17) for k in range(17)))
    assert channel_for(field, 4) == 4
    assert channel_for(replace(field, edges=((1, 2),) * 17), 2) == 0
    assert channel_for(replace(field, edges=None), 2) is None
