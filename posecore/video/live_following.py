"""People from picture to picture that keep coming: looked for, followed and smoothed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.video.finding import Finder, VideoModel
from posecore.video.live_options import LiveOptions
from posecore.video.sequence import PoseSequence
from posecore.video.smoothing import LiveSmoother
from posecore.video.tracking import Tracker

People = TypeVar("People", Poses, PoseSequence)


@dataclass(frozen=True, eq=False)
class Setup:
    """What the worker goes by; replaced as a whole, so that no picture sees half a change."""

    model: VideoModel
    options: LiveOptions


class Follower:
    """What is remembered about the people from picture to picture, for one model and one shape of picture."""

    def __init__(self, model: VideoModel, size: tuple[int, int], options: LiveOptions) -> None:
        self.model = model
        self.size = size
        self.finder = Finder(model)
        self._tracker = Tracker(model.skeleton, options.tracking)
        self._smoother = LiveSmoother(options.smoothing)

    def look(self, picture: Picture, options: LiveOptions) -> tuple[Any, bool]:
        """Fields of the picture, and whether it was cropped."""
        crop = self.finder.crops(options.cropping, options.decode, options.network)
        return self.finder.fields([picture], ["live"], options.network, crop)[0], crop

    def follow(self, poses: Poses, options: LiveOptions, seconds: float) -> Poses:
        """Give people identities and smooth them, in pixels of the first picture's size."""
        if not options.tracking.track:
            return poses
        self._tracker.settings = options.tracking
        followed = self._tracker.confirmed(self._tracker.update(poses.resized(self.size), seconds))
        if options.smoothing.smooth == "none":
            return followed
        if options.smoothing != self._smoother.settings:
            self._smoother = LiveSmoother(options.smoothing)
        return self._smoother.update(followed, seconds)


def follower_for(known: Follower | None, setup: Setup, picture: Picture) -> Follower:
    """The one that is known, or a new one for another model or another shape of picture."""
    size = (picture.shape[1], picture.shape[0])
    # A connection may change the size of its pictures at any time; a person is not lost for that.
    if (
        known is not None
        and known.model is setup.model
        and abs(known.size[0] * size[1] / size[0] / known.size[1] - 1) < 0.02
    ):
        return known
    return Follower(setup.model, size, setup.options)


def mirrored(picture: Picture) -> Picture:
    """The picture as a mirror shows it."""
    return np.ascontiguousarray(picture[:, ::-1])


def mirrored_poses(poses: People) -> People:
    """Where the people are in the mirrored picture or clip; a left wrist remains a left wrist."""
    keypoints = poses.keypoints.copy()
    keypoints[..., 0] = poses.image_size[0] - 1 - keypoints[..., 0]
    return replace(poses, keypoints=keypoints)
