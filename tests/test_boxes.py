"""Boxes count from edges, positions from centres; what two boxes share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecore.boxes import Region, area_of, clipped, full_region, overlap, shared_area, to_edges, to_positions

sides = st.integers(-50, 50).map(float)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x0, y0 = draw(sides), draw(sides)
    return x0, y0, x0 + draw(st.integers(1, 60)), y0 + draw(st.integers(1, 60))


def test_the_first_pixel_lies_around_its_centre() -> None:
    assert to_edges(np.zeros(2)).tolist() == [0.5, 0.5]
    whole = np.array(full_region((640, 480))).reshape(2, 2)
    assert to_positions(whole).tolist() == [[-0.5, -0.5], [639.5, 479.5]]
    assert to_edges(to_positions(whole)).tolist() == whole.tolist()


@given(regions(), regions())
def test_what_two_share_is_counted_in_pixels(one: Region, other: Region) -> None:
    canvas = np.zeros((2, 200, 200), bool)
    for layer, (x0, y0, x1, y1) in zip(canvas, (one, other), strict=True):
        layer[int(y0) + 50 : int(y1) + 50, int(x0) + 50 : int(x1) + 50] = True
    both, either = (canvas[0] & canvas[1]).sum(), (canvas[0] | canvas[1]).sum()
    assert area_of(one) == canvas[0].sum()
    assert shared_area(one, other) == shared_area(other, one) == both
    assert overlap(one, other) == pytest.approx(both / either)
    part = clipped(one, other)
    assert (part is None) == (both == 0)
    assert part is None or area_of(part) == both
