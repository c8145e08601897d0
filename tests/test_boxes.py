"""Boxes count from edges, positions from centres; what two boxes share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecore.boxes import Region, area_of, clipped, full_region, overlap, shared_area, to_edges, to_positions
from posecore.data.annotations import Label
from posecore.data.people import make_person, place_of
from posecore.evaluation.oks import centre_in
from posecore.labelling.proposals import _inside

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


@pytest.mark.parametrize("holds", [_inside, lambda joints, region: centre_in(joints, [region])])
def test_a_region_holds_the_positions_whose_pixel_has_its_centre_there(holds: Callable[..., NDArray[np.bool_]]) -> None:
    region = (10.0, 20.0, 30.0, 40.0)
    xy = np.array([[9.4, 30], [9.6, 30], [29.4, 30], [29.6, 30], [20, 19.4], [20, 19.6], [20, 39.4], [20, 39.6]])
    assert holds(xy, region).tolist() == [False, True, True, False] * 2


def test_a_box_from_joints_goes_round_their_pixels() -> None:
    joints = [[10, 20, 2], [30, 50, 2]]
    person = make_person(np.array(joints)[:, :2], np.full(2, Label.VISIBLE, np.uint8))
    assert person.box == (10.5, 20.5, 30.5, 50.5)
    x0, y0, x1, y1 = place_of(None, [value for joint in joints for value in joint], (100, 100))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == (20.5, 35.5), "the middle of positions 10 and 30 is the edge 20.5"
