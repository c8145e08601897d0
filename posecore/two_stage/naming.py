"""Names of joined models, and which models can be joined."""

from __future__ import annotations

from posecore.errors import UnknownModelError
from posecore.families.contract import AnyFamily
from posecore.model import PoseModel
from posecore.two_stage.close import CloseUpModel

#: Stands between the names of the two models.
JOIN = "+"
_EXAMPLE = "posenet-mobilenet_v1-075+movenet-thunder"


def split_name(name: str) -> tuple[str, str]:
    """The two names in ``FINDER+CLOSER``; raises ``UnknownModelError`` when there are not exactly two."""
    parts = [part.strip() for part in name.split(JOIN)]
    if len(parts) != 2 or not all(parts):
        raise UnknownModelError(
            f"{name!r} does not name two models; join one that finds people and one that looks closely at each, "
            f"as in {_EXAMPLE}."
        )
    return parts[0], parts[1]


def check_stages(finder: tuple[str, AnyFamily, str], closer: tuple[str, AnyFamily, str]) -> None:
    """Refuse models that cannot be joined in this order.

    Args:
        finder: Name, family and architecture of the model that finds people.
        closer: The same of the model that looks closely at each.

    Raises:
        UnknownModelError: When the first is for one person or the second for several.
    """
    if for_one_person(*finder[1:]):
        raise UnknownModelError(
            f"{finder[0]} sees one person at most, so it cannot find people for {closer[0]}; begin with a model for "
            f"several people, as in {_EXAMPLE}."
        )
    if not for_one_person(*closer[1:]):
        raise UnknownModelError(
            f"{closer[0]} is made for several people, so it cannot look at one; end with a model for one person, as in "
            f"{_EXAMPLE}."
        )


def check_closer(model: PoseModel) -> None:
    """Refuse a model that cannot look at boxes: one for several people, or a joined one; raises UnknownModelError."""
    if isinstance(model, CloseUpModel):
        raise UnknownModelError(
            f"{model.name} finds people by itself; to look at boxes name its second model alone: {model.closer.name}."
        )
    if not for_one_person(model.family, model.architecture):
        raise UnknownModelError(
            f"{model.name} is made for several people, so it cannot look at one in a box; choose a model for one "
            "person, such as movenet-thunder."
        )


def for_one_person(family: AnyFamily, architecture: str) -> bool:
    """Whether networks of this architecture are made for pictures of one person."""
    return family.follower(architecture, family.decode_settings()) is not None
