"""Changing the keypoints of a set together with the proposals that wait beside its labels."""

from __future__ import annotations

from posecore.data.stored import StoredSet
from posecore.labelling.desk import LabelDesk
from posecore.skeleton import SkeletonMapping


def change_skeleton(stored: StoredSet, mapping: SkeletonMapping) -> None:
    """Give a set other keypoints; proposals, whose joints go by place, are thrown away where labels change theirs.

    Args:
        stored: The set.
        mapping: From its skeleton to the new one.

    Raises:
        DataError: As :meth:`StoredSet.set_skeleton`.
    """
    stored.set_skeleton(mapping)
    if mapping.sources != tuple((place,) for place in range(len(mapping.source))):
        LabelDesk(stored).discard()
