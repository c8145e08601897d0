"""People from picture to picture: everybody is looked for where they were, and the finder searches now and then."""

from __future__ import annotations

import numpy as np

from posecore.poses import Poses
from posecore.two_stage.views import View, square_around

#: Joints that score lower are guesses and do not say where a person is.
_SEEN = 0.2


class PeopleFollower:
    """Says where people are in the next picture of a sequence, and whether to search it for others.

    Args:
        expand: Side of the square around a person relative to their joints' extent.
        every: Pictures after which the finder searches again; it also does when somebody was lost or nobody is known.
    """

    def __init__(self, expand: float, every: int) -> None:
        self.expand = expand
        self.every = every
        self._size: tuple[int, int] | None = None
        self._views: list[View] = []
        self._since = 0
        self._lost = False

    def next_views(self, image_size: tuple[int, int]) -> tuple[list[View], bool]:
        """Where everybody known is in the next picture, of ``image_size`` (width, height), and whether to search it.

        A picture of another size starts a new sequence.
        """
        if image_size != self._size:
            self._size, self._views = image_size, []
        find = not self._views or self._lost or self._since + 1 >= self.every
        self._since = 0 if find else self._since + 1
        return self._views, find

    def observe(self, poses: Poses) -> None:
        """Learn from the poses of that picture; unsure joints must be among them."""
        views = []
        for keypoints, scores, score in zip(poses.keypoints, poses.keypoint_scores, poses.scores, strict=True):
            region = square_around(np.where(scores[:, None] >= _SEEN, keypoints, np.nan), self.expand)
            if region is not None:
                views.append(View(region, float(score)))
        # Right after a search there may be fewer for good reasons: some were seen twice.
        self._lost = bool(self._since) and len(views) < len(self._views)
        self._views = views
