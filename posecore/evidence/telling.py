"""Evidence in plain words, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from posecore.evidence.lookup import other_end
from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, PersonEvidence


def tell_joint(joint: JointEvidence, name: str, names: tuple[str, ...]) -> str:
    """Where a joint is and how it came there, as Markdown."""
    x, y = joint.path[-1]
    return f"**{name}** is at x {x:.0f}, y {y:.0f} with score **{joint.score:.2f}**. {_way(joint, names)}"


def _way(joint: JointEvidence, names: tuple[str, ...]) -> str:
    moved = math.dist(joint.path[0], joint.path[-1])
    if joint.found_from is not None and joint.steps[0] == "peak":
        return f"It is a peak of its own map, and the limb from the {names[joint.found_from]} joined it to the person."
    if joint.found_from is not None:
        return f"Reached from the {names[joint.found_from]}, {moved:.0f} pixels away."
    if joint.steps[0] == "centre":
        return f"Reached from the person's centre, {moved:.0f} pixels away."
    return "It is a peak of its own map and was not found from another joint."


def tell_thresholds(joint: JointEvidence, person_score: float | None, settings: Mapping[str, Any]) -> list[str]:
    """Which thresholds every decoder has would hide this joint, and which do."""
    sentences = []
    least = settings.get("keypoint_threshold")
    if least is not None and joint.score < least:
        sentences.append(f"Hidden now: its score is below **Keypoint threshold** ({plain_value(least)}).")
    elif least is not None:
        sentences.append(
            f"Hidden once the **Keypoint threshold** reaches {_hiding(joint.score)} (now {plain_value(least)})."
        )
    lowest = settings.get("pose_threshold")
    if lowest is not None and person_score is not None:
        sentences.append(
            f"Its person disappears once the **Pose threshold** reaches {_hiding(person_score)} "
            f"(now {plain_value(lowest)})."
        )
    return sentences


def tell_candidate(candidate: Candidate, name: str, labels: Mapping[str, str]) -> str:
    """What became of a peak, as Markdown."""
    x, y = candidate.position
    decided = _decided(candidate.setting, labels)
    return f"Peak of **{name}** at x {x:.0f}, y {y:.0f}, height {candidate.score:.2f}: {candidate.outcome}.{decided}"


def tell_limb(limb: LimbEvidence, keypoint: int, names: tuple[str, ...], labels: Mapping[str, str]) -> str:
    """What became of a pair, as Markdown."""
    other, (x, y) = other_end(limb, keypoint)
    return (
        f"**{names[keypoint].capitalize()}** with the **{names[other]}** at x {x:.0f}, y {y:.0f}, score "
        f"{limb.score:.2f}: {limb.outcome}.{_decided(limb.setting, labels)}"
    )


def tell_person(person: PersonEvidence, labels: Mapping[str, str]) -> str:
    """How somebody who was looked at closely was found, and what became of them, as Markdown."""
    decided = _decided(person.setting, labels)
    return (
        f"Found with score **{person.found_score:.2f}**; the closer look gives **{person.score:.2f}**: "
        f"{person.outcome}.{decided}"
    )


def limb_labels(limbs: list[LimbEvidence], keypoint: int, names: tuple[str, ...]) -> list[str]:
    """A label for every pair, to choose from."""
    return [f"{n}. {names[other_end(limb, keypoint)[0]]} · {limb.score:.2f}" for n, limb in enumerate(limbs, 1)]


def _decided(setting: str | None, labels: Mapping[str, str]) -> str:
    return f" *{labels.get(setting, setting)}* decided." if setting else ""


def _hiding(score: float) -> str:
    """The lowest threshold of two digits that a score does not reach."""
    return f"{(math.floor(100 * score) + 1) / 100:.2f}"


def plain_value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
