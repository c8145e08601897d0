"""Why a joint is where it is, in plain words and tables, from the evidence that any decoder gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from posecore.drawing.field_values import field_values
from posecore.errors import SettingsError
from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, Trace
from posecore.fields import Fields
from posecore.settings import Control
from posecore.ui.shared.maps.map_views import natural_map
from posecore.ui.shared.widgets.components import Mark

#: What a step of a search means; steps of other names are shown as they are called.
STEP_WORDS = {
    "peak": "Peak of its map",
    "start": "Start",
    "displaced": "Along the arrow",
    "refined": "Moved exactly",
    "centre": "Person's centre",
    "regressed": "Centre's arrow",
}
#: Pixels of the picture within which two positions are the same peak.
_SAME = 1.0
#: Limbs and peaks drawn on the picture at most; the tables have all.
_DRAWN = 12
#: Values of a setting that are tried before the nearest one is narrowed down.
_GRID, _HALVINGS = 16, 6

Place = tuple[float, float]
Decode = Callable[[Mapping[str, Any]], Trace]


@dataclass(frozen=True)
class Trial:
    """What trying other values of a setting showed.

    Attributes:
        setting: Its label.
        now: Its present value.
        value: The nearest value that changes the outcome, or None when none of those tried does.
        tried: How many values were tried.
        wanted: What was hoped for, in words.
    """

    setting: str
    now: Any
    value: Any
    tried: int
    wanted: str = "taken"

    def __str__(self) -> str:
        now = _plain(self.now)
        if self.value is None:
            return f"No value of **{self.setting}** (now {now}) alone would have changed this; {self.tried} were tried."
        return f"Tried: with **{self.setting}** at {_plain(self.value)} (now {now}) it would have been {self.wanted}."


def joint_of(trace: Trace, person: int | None, keypoint: int) -> JointEvidence | None:
    """The evidence of one joint of one person."""
    if person is None or person >= len(trace.poses):
        return None
    return next((joint for joint in trace.poses[person] if joint.keypoint == keypoint), None)


def nearest_joint(trace: Trace, spot: Place, reach: float) -> tuple[int, int] | None:
    """Person and keypoint of the joint nearest to a place, within ``reach`` pixels."""
    found = [
        (math.dist(joint.path[-1], spot), person, joint.keypoint)
        for person, joints in enumerate(trace.poses)
        for joint in joints
        if np.isfinite(joint.path[-1]).all()
    ]
    distance, person, keypoint = min(found, default=(math.inf, 0, 0))
    return (person, keypoint) if distance <= reach else None


def nearest_candidate(candidates: Iterable[Candidate], spot: Place, reach: float) -> Candidate | None:
    """The candidate nearest to a place, within ``reach`` pixels."""
    near = [(math.dist(candidate.position, spot), index, candidate) for index, candidate in enumerate(candidates)]
    distance, _, candidate = min(near, default=(math.inf, 0, None))
    return candidate if distance <= reach else None


def candidates_of(trace: Trace, keypoint: int) -> list[Candidate]:
    """All peaks of a joint's map, the highest first."""
    return sorted((c for c in trace.candidates if c.keypoint == keypoint), key=lambda c: -c.score)


def limbs_of(trace: Trace, keypoint: int, place: Place) -> list[LimbEvidence]:
    """The pairs that the candidate at ``place`` was compared in, the best first."""
    found = [limb for limb in trace.limbs if any(math.dist(end, place) <= _SAME for end in _ends(limb, keypoint))]
    return sorted(found, key=lambda limb: (not limb.accepted, -limb.score))


def _ends(limb: LimbEvidence, keypoint: int) -> list[Place]:
    """The ends of a limb that are this keypoint."""
    both = zip(limb.edge, (limb.start, limb.end), strict=True)
    return [position for end, position in both if end == keypoint]


def _other_end(limb: LimbEvidence, keypoint: int) -> tuple[int, Place]:
    return (limb.edge[1], limb.end) if limb.edge[0] == keypoint else (limb.edge[0], limb.start)


# --- words -----------------------------------------------------------------------------------------------------------


def tell_joint(joint: JointEvidence, name: str, names: tuple[str, ...]) -> str:
    """Where a joint is and how it came there, as Markdown."""
    x, y = joint.path[-1]
    return f"**{name}** stands at x {x:.0f}, y {y:.0f} with score **{joint.score:.2f}**. {_way(joint, names)}"


def _way(joint: JointEvidence, names: tuple[str, ...]) -> str:
    moved = math.dist(joint.path[0], joint.path[-1])
    if joint.found_from is not None and joint.steps[0] == "peak":
        return f"It is a peak of its own map, and the limb from the {names[joint.found_from]} joined it to the person."
    if joint.found_from is not None:
        return f"The search came from the {names[joint.found_from]}, {moved:.0f} pixels away."
    if joint.steps[0] == "centre":
        return f"The search came from the person's centre, {moved:.0f} pixels away."
    return "It is a peak of its own map and was not found from another joint."


def tell_thresholds(joint: JointEvidence, person_score: float | None, settings: Mapping[str, Any]) -> list[str]:
    """Which thresholds every decoder has would hide this joint, and which do."""
    sentences = []
    least = settings.get("keypoint_threshold")
    if least is not None and joint.score < least:
        sentences.append(f"Hidden now: its score is below **Keypoint threshold** ({_plain(least)}).")
    elif least is not None:
        sentences.append(f"Hidden with **Keypoint threshold** above {_below(joint.score)} (now {_plain(least)}).")
    lowest = settings.get("pose_threshold")
    if lowest is not None and person_score is not None:
        sentences.append(
            f"Its person disappears with **Pose threshold** above {_below(person_score)} (now {_plain(lowest)})."
        )
    return sentences


def tell_candidate(candidate: Candidate, name: str, labels: Mapping[str, str]) -> str:
    """What became of a peak, as Markdown."""
    x, y = candidate.position
    decided = _decided(candidate.setting, labels)
    return f"Peak of **{name}** at x {x:.0f}, y {y:.0f}, height {candidate.score:.2f}: {candidate.outcome}.{decided}"


def tell_limb(limb: LimbEvidence, keypoint: int, names: tuple[str, ...], labels: Mapping[str, str]) -> str:
    """What became of a pair, as Markdown."""
    other, (x, y) = _other_end(limb, keypoint)
    return (
        f"**{names[keypoint].capitalize()}** with the **{names[other]}** at x {x:.0f}, y {y:.0f}, score "
        f"{limb.score:.2f}: {limb.outcome}.{_decided(limb.setting, labels)}"
    )


def limb_labels(limbs: list[LimbEvidence], keypoint: int, names: tuple[str, ...]) -> list[str]:
    """A label for every pair, to choose from."""
    return [f"{n}. {names[_other_end(limb, keypoint)[0]]} · {limb.score:.2f}" for n, limb in enumerate(limbs, 1)]


def _decided(setting: str | None, labels: Mapping[str, str]) -> str:
    return f" *{labels.get(setting, setting)}* decided." if setting else ""


def _below(score: float) -> str:
    """A score cut to two digits, so that the threshold said is one that the score still reaches."""
    return f"{math.floor(100 * score) / 100:.2f}"


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# --- tables ----------------------------------------------------------------------------------------------------------


def step_table(joint: JointEvidence, fields: Fields, names: tuple[str, ...]) -> pd.DataFrame:
    """Every step of the search: where it was, how far it moved, and what the joint's map says there."""
    moved = [0.0, *np.hypot(*np.diff(joint.path, axis=0).T).tolist()]
    return pd.DataFrame(
        {
            "step": [f"{n}. {_step(joint, step, names)}" for n, step in enumerate(joint.steps, 1)],
            "place": [_place(place) for place in joint.path],
            "moved": moved,
            "map": heat_at(fields, joint.keypoint, joint.path),
        }
    )


def _step(joint: JointEvidence, step: str, names: tuple[str, ...]) -> str:
    if step == "start" and joint.found_from is not None:
        return names[joint.found_from].capitalize()
    return STEP_WORDS.get(step, step)


def _place(place: Any) -> str:
    return f"{place[0]:.0f}, {place[1]:.0f}"


def heat_at(fields: Fields, keypoint: int, places: Any) -> list[float]:
    """What the keypoint's map says at places in the picture; NaN outside it."""
    found = natural_map(fields, keypoint)
    if found is None:
        return [math.nan] * len(places)
    # A copy of the map in the picture's size would be 50 MB for a large photograph.
    width, height = fields.transform.image_size
    factor = min(1.0, 1280 / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    values = field_values(fields, found[0].name, found[1], size=size)
    readings = []
    for x, y in np.asarray(places, np.float64):
        column, row = int((x + 0.5) * size[0] / width), int((y + 0.5) * size[1] / height)
        inside = 0 <= column < size[0] and 0 <= row < size[1]
        readings.append(float(values[row, column]) if inside else math.nan)
    return readings


def candidate_table(candidates: list[Candidate], labels: Mapping[str, str]) -> pd.DataFrame:
    """Peaks of one joint and what became of them."""
    return pd.DataFrame(
        {
            "peak": range(1, len(candidates) + 1),
            "place": [_place(candidate.position) for candidate in candidates],
            "height": [candidate.score for candidate in candidates],
            "outcome": [candidate.outcome for candidate in candidates],
            "setting": [labels.get(c.setting, c.setting) if c.setting else "" for c in candidates],
        }
    )


def limb_table(limbs: list[LimbEvidence], keypoint: int, names: tuple[str, ...]) -> pd.DataFrame:
    """Partners of one joint: how well the fields agree along the way, and what became of the pair."""
    others = [_other_end(limb, keypoint) for limb in limbs]
    return pd.DataFrame(
        {
            "partner": [names[other] for other, _ in others],
            "score": [limb.score for limb in limbs],
            "samples": [[round(float(sample), 3) for sample in limb.samples] for limb in limbs],
            "outcome": [limb.outcome for limb in limbs],
            "place": [_place(place) for _, place in others],
        }
    )


# --- on the picture --------------------------------------------------------------------------------------------------


def marks_of(
    joint: JointEvidence | None, candidates: list[Candidate], limbs: list[LimbEvidence], picked: Candidate | None
) -> list[Mark]:
    """What the picture shows of the evidence: partners below, then peaks, then the way of the joint."""
    drawn = sorted(limbs[:_DRAWN], key=lambda limb: limb.accepted)
    marks = [Mark("line", (limb.start, limb.end), "chosen" if limb.accepted else "rejected") for limb in drawn]
    for candidate in candidates[:_DRAWN]:
        taken = candidate.outcome == "taken"
        marks.append(Mark("ring", (candidate.position,), "chosen" if taken else "rejected"))
    if picked is not None:
        marks.append(Mark("ring", (picked.position,), "picked"))
    if joint is not None:
        path = tuple((float(x), float(y)) for x, y in joint.path)
        marks.append(Mark("path", path, "path", joint.steps))
    return marks


# --- what would have changed it --------------------------------------------------------------------------------------


def is_taken(trace: Trace, candidate: Candidate) -> bool:
    """Whether a decoding takes the peak that ``candidate`` is."""
    return any(
        other.outcome == "taken"
        and other.keypoint == candidate.keypoint
        and math.dist(other.position, candidate.position) <= _SAME
        for other in trace.candidates
    )


def is_chosen(trace: Trace, limb: LimbEvidence) -> bool:
    """Whether a decoding chooses the pair that ``limb`` is."""
    return any(
        other.accepted
        and other.edge == limb.edge
        and math.dist(other.start, limb.start) <= _SAME
        and math.dist(other.end, limb.end) <= _SAME
        for other in trace.limbs
    )


def try_setting(decode: Decode, hoped: Callable[[Trace], bool], control: Control, now: Any, wanted: str) -> Trial:
    """Decode with other values of the setting that decided until something happens.

    Only what the decoder itself then does is reported, so the answer holds whatever the decoder is.

    Args:
        decode: Decodes with changed settings.
        hoped: Whether it happened.
        control: The setting.
        now: Its present value.
        wanted: What is hoped for, in words.
    """
    tried = 0

    def happens(value: Any) -> bool:
        nonlocal tried
        tried += 1
        try:
            return hoped(decode({control.name: value}))
        except SettingsError:
            return False

    found = next((value for value in _other_values(control, now) if happens(value)), None)
    if found is not None and control.kind in ("int", "float"):
        found = _narrowed(control, now, found, happens)
    return Trial(control.label, now, found, tried, wanted)


def _other_values(control: Control, now: Any) -> list[Any]:
    """Values to try, the nearest to the present one first."""
    if control.kind == "flag":
        return [not now]
    if control.kind == "choice":
        return [choice for choice in control.choices if choice != now]
    low = now - 1 if control.minimum is None else control.minimum
    high = 2 * now + 1 if control.maximum is None else control.maximum
    values = np.linspace(low, high, _GRID).tolist()
    if control.kind == "int":
        values = [*{round(value) for value in values}, now - 1, now + 1]
    fitting = {value for value in values if low <= value <= high and value != now}
    return sorted(fitting, key=lambda value: abs(value - now))


def _narrowed(control: Control, now: Any, found: Any, happens: Callable[[Any], bool]) -> Any:
    """A value nearer to ``now`` that has the same effect."""
    near = now
    for _ in range(_HALVINGS):
        middle = (near + found) / 2
        if control.kind == "int":
            middle = round(middle)
        if middle in (near, found):
            break
        if happens(middle):
            found = middle
        else:
            near = middle
    return found
