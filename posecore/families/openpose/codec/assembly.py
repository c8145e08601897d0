"""Limbs put together to people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecore.families.openpose.codec.limbs import assembly_order
from posecore.families.openpose.codec.maps import Index
from posecore.families.openpose.codec.pairs import Pairs
from posecore.skeleton import Edge


@dataclass
class Person:
    """A person being put together.

    Attributes:
        joints: Keypoint → index into ``Peaks``.
        partners: Keypoint → the keypoint over whose limb it came; absent for the first one.
        limbs: Sum of the scores of its limbs.
    """

    joints: dict[int, int]
    partners: dict[int, int]
    limbs: float


def assemble(limbs: tuple[Edge, ...], pairs: Pairs, chosen: Index) -> tuple[list[Person], dict[int, str]]:
    """Put matched limbs together to people.

    Limbs come in the published order, the best of a kind first. A limb starts a person, adds a joint to one, joins two
    that have no joint in common, or confirms what is known; where it contradicts, what was there first stays.

    Returns:
        The people, and pair → why it was not used.
    """
    owner: dict[int, Person] = {}
    people: list[Person] = []
    unused: dict[int, str] = {}
    bounds = np.searchsorted(pairs.limbs[chosen], np.arange(len(limbs) + 1))
    for limb in assembly_order(limbs):
        a, b = limbs[limb]
        for pair in chosen[bounds[limb] : bounds[limb + 1]].tolist():
            start, end, score = int(pairs.starts[pair]), int(pairs.ends[pair]), float(pairs.scores[pair])
            first, second = owner.get(start), owner.get(end)
            if first is None and second is None:
                first = Person({a: start, b: end}, {b: a}, score)
                people.append(first)
                owner[start] = owner[end] = first
            elif first is second:
                assert first is not None
                first.limbs += score
            elif first is None or second is None:
                person, joint, peak, partner = (first, b, end, a) if first is not None else (second, a, start, b)
                assert person is not None
                if joint in person.joints:
                    unused[pair] = "the person has another such joint"
                    continue
                person.joints[joint], person.partners[joint] = peak, partner
                person.limbs += score
                owner[peak] = person
            elif first.joints.keys() & second.joints.keys():
                unused[pair] = "it would join two people"
            else:
                _merge(first, second, (b, a), score, owner)
                people = [person for person in people if person is not second]
    return people, unused


def _merge(person: Person, other: Person, joint: tuple[int, int], score: float, owner: dict[int, Person]) -> None:
    """Make ``other`` part of ``person``; ``joint`` is the keypoint of ``other`` that came over which of ``person``."""
    partners = dict(other.partners)
    # The other's first joint hung on nothing; from the limb's end to it, the way turns round.
    here, partner = joint
    while here in partners:
        following = partners[here]
        partners[here] = partner
        here, partner = following, here
    partners[here] = partner
    person.joints.update(other.joints)
    person.partners.update(partners)
    person.limbs += other.limbs + score
    for peak in other.joints.values():
        owner[peak] = person
