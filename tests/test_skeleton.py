"""Skeletons, and mapping one onto another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecore.errors import SkeletonError
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, SKELETONS, Skeleton, map_skeleton


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=str)
def test_known_skeletons_are_sound(skeleton: Skeleton) -> None:
    assert len(skeleton.sigmas) == len(skeleton)
    mirror = skeleton.flip_permutation
    assert np.array_equal(mirror[mirror], np.arange(len(skeleton)))
    for index, name in enumerate(skeleton.keypoints):
        side = skeleton.side(index)
        assert (side != "middle") == name.startswith(("left_", "right_"))
        if side == "left":
            assert skeleton.keypoints[mirror[index]] == "right_" + name.removeprefix("left_")
    # Drawn edges mirror onto drawn edges.
    drawn = {frozenset(edge) for edge in skeleton.edges}
    assert {frozenset((int(mirror[a]), int(mirror[b]))) for a, b in skeleton.edges} == drawn


@given(st.integers(1, 12), st.data())
def test_directed_tree_reaches_everything_once(count: int, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] != p[1])
    edges = tuple(data.draw(st.lists(pair, max_size=15))) if count > 1 else ()
    tree = Skeleton("any", tuple(map(str, range(count))), edges).directed_tree()
    reached = {0}
    for parent, child in tree:
        assert parent in reached
        assert child not in reached
        reached.add(child)
    assert reached == set(range(count))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": ()}, "no keypoints"),
        ({"keypoints": ("a", "a")}, "more than once"),
        ({"edges": ((0, 2),)}, r"0…1"),
        ({"edges": ((1, 1),)}, "two different"),
        ({"flip_pairs": ((0, 1), (1, 0))}, "two flip pairs"),
        ({"sigmas": (0.1,)}, "2 positive sigmas"),
        ({"sigmas": (0.1, -1.0)}, "2 positive sigmas"),
    ],
)
def test_contradictions_are_refused(change: Any, message: str) -> None:
    with pytest.raises(SkeletonError, match=message):
        Skeleton(**{"name": "bad", "keypoints": ("a", "b")} | change)


def test_openpose_gets_its_neck_from_both_shoulders() -> None:
    xy = np.arange(34, dtype=np.float32).reshape(17, 2)
    scores = np.linspace(0.1, 0.9, 17).astype(np.float32)
    mapped, mapped_scores = map_skeleton(COCO_17, OPENPOSE_18).keypoints(xy, scores)
    left, right = COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")
    assert mapped[1] == pytest.approx((xy[left] + xy[right]) / 2)
    assert mapped_scores[1] == pytest.approx(min(scores[left], scores[right]))
    assert mapped[OPENPOSE_18.index("left_ear")] == pytest.approx(xy[COCO_17.index("left_ear")])
    xy[left] = np.nan
    assert np.isnan(map_skeleton(COCO_17, OPENPOSE_18).keypoints(xy, scores)[0][1]).all()


def test_lsp_knows_no_face() -> None:
    mapping = map_skeleton(LSP_14, COCO_17)
    assert mapping.known.tolist() == [False] * 5 + [True] * 12
    with pytest.raises(SkeletonError, match="head_top"):
        LSP_14.index("nose")
