"""Which pairs of keypoints are limbs, in which order their channels come and in which they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from posecore.skeleton import OPENPOSE_18, Edge, Skeleton

#: Limbs of the published networks in the order of their part affinity channels: limb ``i`` has channels 2i (x), 2i + 1.
LIMBS: tuple[Edge, ...] = (
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 2), (2, 3), (3, 4), (2, 16), (1, 5), (5, 6), (6, 7),
    (5, 17), (1, 0), (0, 14), (0, 15), (14, 16), (15, 17),
)  # fmt: skip
#: The same limbs in the order in which people are put together (Cao et al.'s published decoding): the trunk first.
ASSEMBLY_ORDER: tuple[Edge, ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
)  # fmt: skip


@lru_cache(maxsize=32)
def limbs_of(skeleton: Skeleton) -> tuple[Edge, ...]:
    """Limbs in channel order: the published ones for OpenPose-18, else the edges and what joins parts left apart."""
    if skeleton == OPENPOSE_18:
        return LIMBS
    edges = list(dict.fromkeys(skeleton.edges))
    undirected = {frozenset(edge) for edge in edges}
    extra = [edge for edge in skeleton.directed_tree() if frozenset(edge) not in undirected]
    return (*edges, *(edge for edge in extra if not _joined(edge, edges)))


def _joined(edge: Edge, edges: Sequence[Edge]) -> bool:
    """True when ``edges`` already lead from one end of ``edge`` to the other."""
    reached, frontier = {edge[0]}, [edge[0]]
    while frontier:
        here = frontier.pop()
        for a, b in edges:
            for start, end in ((a, b), (b, a)):
                if start == here and end not in reached:
                    reached.add(end)
                    frontier.append(end)
    return edge[1] in reached


@lru_cache(maxsize=32)
def assembly_order(limbs: tuple[Edge, ...]) -> tuple[int, ...]:
    """Order in which limbs are put together: the published one, else by distance from the first limb's start."""
    if limbs == LIMBS:
        return tuple(LIMBS.index(limb) for limb in ASSEMBLY_ORDER)
    order: list[int] = []
    reached: set[int] = set()
    while len(order) < len(limbs):
        left = [index for index in range(len(limbs)) if index not in order]
        touching = [index for index in left if reached & set(limbs[index])]
        order.append((touching or left)[0])
        reached |= set(limbs[order[-1]])
    return tuple(order)
