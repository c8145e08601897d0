"""What there is to know about a set and a recipe before training begins, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecore.data.library import StoredSet
from posecore.skeleton import Skeleton
from posecore.words import counted

#: Labelled people below which a network rather learns the pictures by heart.
FEW_PEOPLE = 20
#: Validation pictures below which a figure says little.
FEW_VALIDATION = 5


@dataclass(frozen=True)
class SetFacts:
    """What counts of a set for training.

    Attributes:
        name, title: The set's.
        skeleton: Meaning of the keypoints that are learnt: its own unless somebody chooses others.
        pictures: Pictures that somebody has labelled.
        waiting: Pictures that nobody has labelled yet; nothing is learnt from them.
        people: Labelled people.
        training, validation: Labelled pictures in these parts; all are in ``training`` without a split.
        split: Whether the set has parts.
        person_side: Median of the longer side of people's boxes in pixels, 0 without people.
        left_out: Entries that cannot be used.
    """

    name: str
    title: str
    skeleton: Skeleton
    pictures: int
    waiting: int
    people: int
    training: int
    validation: int
    split: bool
    person_side: float
    left_out: int


def facts_of(stored: StoredSet) -> SetFacts:
    """The facts of a set; raises ``DataError`` when its files cannot be read."""
    dataset = stored.dataset()
    labelled = [image for image in dataset if not image.waits]
    people = [p for image in labelled for p in image.people if p.labelled.any() and not p.crowd]
    sides = [max(p.box[2] - p.box[0], p.box[3] - p.box[1]) for p in people]
    split = any(image.split for image in dataset)
    validation = sum(image.split == "val" for image in labelled)
    return SetFacts(
        stored.name,
        stored.title,
        dataset.skeleton,
        pictures=len(labelled),
        waiting=len(dataset) - len(labelled),
        people=len(people),
        training=sum(image.split == "train" for image in labelled) if split else len(labelled),
        validation=validation,
        split=split,
        person_side=float(np.median(sides)) if sides else 0.0,
        left_out=len(stored.problems),
    )


def in_words(facts: SetFacts) -> str:
    """A line about a set."""
    parts = [counted(facts.pictures, "labelled picture"), counted(facts.people, "person", "people")]
    if facts.split:
        parts.append(f"{facts.training} for training, {facts.validation} for validation")
    parts.append(f"{len(facts.skeleton)} keypoints ({facts.skeleton.name})")
    return " · ".join(parts)


def what_happens(facts: SetFacts, epochs: int, patience: int) -> str:
    """What a run on a set will do, in a sentence or two."""
    pictures = counted(facts.training, "picture")
    if facts.split and facts.validation:
        measured = f"Trains on {pictures} and is measured on {facts.validation} others"
    else:
        measured = f"Trains on {pictures}, of which some people are kept apart to measure on,"
    early = f"; stops early after {patience} epochs without improvement" if patience < epochs else ""
    return f"{measured} after each of {counted(epochs, 'epoch')}{early}. The best epoch is kept."


def obstacle(facts: SetFacts) -> str:
    """Why nothing can be learnt from a set, or nothing."""
    if not facts.people:
        return "Nobody is labelled in this set yet. Label some people on the Label page, or choose another set."
    if not facts.training:
        return "No labelled picture of this set is for training. Change its parts on the Data page."
    return ""


def warnings(facts: SetFacts, base: Skeleton, input_side: int, batch_size: int) -> list[str]:
    """What may disappoint, as sentences; the most important first.

    Args:
        facts: The set.
        base: Keypoints of the model that training starts from.
        input_side: Side of the network's input in pixels.
        batch_size: Cut-outs per step.
    """
    found = []
    if facts.people < FEW_PEOPLE:
        found.append(
            f"Only {counted(facts.people, 'person is', 'people are')} labelled. The network may learn them by heart; "
            "from about 50 people in different pictures on, it learns something about others."
        )
    elif facts.training < batch_size:
        found.append(f"There are fewer training pictures than a batch of {batch_size} holds; choose a smaller batch.")
    if not facts.split:
        found.append(
            "The set has no part for validation, so some of its people are kept apart to measure on. Parts made on "
            "the Data page compare better between runs."
        )
    elif facts.validation < FEW_VALIDATION:
        found.append(
            f"Only {counted(facts.validation, 'picture is', 'pictures are')} for validation: figures will jump about, "
            "and the best epoch is partly luck."
        )
    if new := [name for name in facts.skeleton.keypoints if name not in base.keypoints]:
        found.append(
            f"The base model does not know {_listed(new)}: {'this part' if len(new) == 1 else 'these parts'} of its "
            f"heads {'starts' if len(new) == 1 else 'start'} from random numbers and need more epochs. Keypoints of "
            "the same name keep what they know."
        )
    if not facts.skeleton.sides_known:
        found.append(
            "Nobody has said which keypoints are left and right, so pictures are not mirrored, which would double what "
            "there is to learn from. Answer it on the Data page, under Skeleton."
        )
    if facts.waiting:
        found.append(
            f"{counted(facts.waiting, 'picture waits', 'pictures wait')} for labels; nothing is learnt from "
            f"{'it' if facts.waiting == 1 else 'them'}."
        )
    if 0 < facts.person_side < 0.6 * input_side:
        found.append(
            f"People are about {facts.person_side:.0f} pixels high, less than the input of {input_side}: they are "
            "enlarged, which costs time and adds nothing. A smaller input is faster and as good."
        )
    if facts.left_out:
        found.append(
            f"{counted(facts.left_out, 'entry', 'entries')} of the set cannot be used; the Data page says which and "
            "why."
        )
    return found


def _listed(names: list[str], most: int = 6) -> str:
    shown = ", ".join(name.replace("_", " ") for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
