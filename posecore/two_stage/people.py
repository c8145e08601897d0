"""From what the second model says about each view to people: scored, each once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.families.trace import PersonEvidence
from posecore.fields import CloseUp
from posecore.poses import Poses


def best_of(poses: Poses) -> int | None:
    """The pose with the highest mean score over all joints: a view is of one person."""
    return int(poses.keypoint_scores.mean(1).argmax()) if len(poses) else None


def judged(
    close_ups: tuple[CloseUp, ...],
    keypoints: NDArray[np.float32],
    keypoint_scores: NDArray[np.float32],
    same_person: float,
    pose_threshold: float,
) -> list[PersonEvidence]:
    """What becomes of everybody who was looked at.

    A person's score is the mean over all their joints: of the scores tried (also the finder's, products and roots of
    both, medians) it ranks people best.

    Args:
        close_ups: The views.
        keypoints: ``(P, K, 2)``, a person for each view; NaN where nobody is.
        keypoint_scores: ``(P, K)``.
        same_person: See :class:`posecore.two_stage.settings.TwoStageDecodeSettings`.
        pose_threshold: Lowest score.
    """
    scores = keypoint_scores.mean(1) if len(keypoint_scores) else np.zeros(0)
    outcomes: dict[int, tuple[str, str | None]] = {}
    taken: list[int] = []
    for person in np.argsort(-scores, kind="stable").tolist():
        same = next((n for n, other in enumerate(taken, 1) if _one(keypoints[[person, other]], same_person)), None)
        if not np.isfinite(keypoints[person]).any():
            outcomes[person] = "nobody is seen there", None
        elif scores[person] < pose_threshold:
            outcomes[person] = "scores too low", "pose_threshold"
        elif same is not None:
            outcomes[person] = f"is person {same} again", "same_person"
        else:
            taken.append(person)
            outcomes[person] = "taken", None
    return [
        PersonEvidence(view.fields.provenance.region, view.score, float(scores[n]), *outcomes[n], _rank(n, taken))
        for n, view in enumerate(close_ups)
    ]


def _rank(view: int, taken: list[int]) -> int | None:
    return taken.index(view) if view in taken else None


def _one(pair: NDArray[np.float32], same_person: float) -> bool:
    """Whether two poses ``(2, K, 2)`` are of one person."""
    common = np.isfinite(pair).all((0, 2))
    if not common.any():
        return False
    apart = np.linalg.norm(pair[0, common] - pair[1, common], axis=1).mean()
    size = (np.nanmax(pair, axis=1) - np.nanmin(pair, axis=1)).max()
    return bool(apart < same_person * size)
