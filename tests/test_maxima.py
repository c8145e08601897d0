"""Local maxima, against a cell-by-cell search."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posecore.families.maxima import local_maxima

#: Few different values, so that flat tops and ties are common.
MAPS = arrays(
    np.float32,
    st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 6)),
    elements=st.sampled_from([-2.0, 0.0, 0.25, 0.5, 1.0]),
)


@given(maps=MAPS, threshold=st.sampled_from([-5.0, 0.0, 0.5]), reach=st.integers(0, 3))
def test_equals_a_search_cell_by_cell(maps: np.ndarray, threshold: float, reach: int) -> None:
    expected = [
        index
        for index, (channel, row, column) in enumerate(np.ndindex(maps.shape))
        if (value := maps[channel, row, column]) >= threshold
        and value
        >= maps[channel, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1].max()
    ]
    assert local_maxima(maps, threshold, reach).tolist() == expected


def test_maps_may_lie_anyhow_in_memory() -> None:
    maps = np.random.default_rng(0).random((5, 7, 3), np.float32)
    turned = maps.transpose(2, 0, 1)
    assert local_maxima(turned, 0).tolist() == local_maxima(np.ascontiguousarray(turned), 0).tolist()
