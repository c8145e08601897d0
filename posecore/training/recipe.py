"""Fine-tuning in a few knobs: what to start from, which part learns, for how long, how strongly pictures are varied.

A recipe becomes the same :class:`RunConfig` that ``posecore train`` takes; everything it leaves out has a value that
suits fine-tuning.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from typing import Any, Literal

import torch
from pydantic import Field

from posecore.data.augment import AugmentSettings, check_mirror
from posecore.data.batches import PackSettings
from posecore.data.source import Sources
from posecore.errors import DataError, SettingsError
from posecore.families import FAMILIES, AnyFamily, family_of
from posecore.settings import Settings, narrow
from posecore.skeleton import SKELETONS, Skeleton, map_skeleton
from posecore.training.config import RunConfig, make_config
from posecore.zoo import ModelInfo, list_models, model_info, read_header

Part = Literal["heads", "last_blocks", "all"]
Augmentation = Literal["none", "light", "strong"]

#: Learning rates to choose from.
RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005)
#: How strongly the base model's own answers count beside the labels, to choose from.
KEEPS = (0.0, 0.3, 1.0)
#: Sides of training pictures to choose from, before each network's own rounding.
_SIDES = (129, 161, 193, 225, 257, 289, 321, 353, 385)
#: Longer side of a person as a part of the input, and of a packed square as a multiple of the box.
_SIZE, _EXPAND = 0.8, 1.6

_AUGMENTATION: dict[Augmentation, AugmentSettings] = {
    "none": AugmentSettings.none(_SIZE),
    "light": AugmentSettings(
        rotation=8, any_angle=0, size=_SIZE, scale=0.2, shift=0.08, brightness=0.1, contrast=0.2, saturation=0.2,
        tint=0.08, blur=0.05, jpeg=0.05, cutout=0,
    ),
    "strong": AugmentSettings(
        rotation=20, any_angle=0.03, size=_SIZE, scale=0.35, shift=0.12, brightness=0.15, contrast=0.3, saturation=0.4,
        tint=0.12, blur=0.1, jpeg=0.1, cutout=0.15,
    ),
}  # fmt: skip


class Recipe(Settings):
    """How a model is fine-tuned."""

    base: str = Field(title="Start from", description="The model whose weights training starts from.")
    part: Part = Field(
        "all",
        title="Layers to train",
        description="heads: only what turns features into maps, fast and hard to spoil. last_blocks: the last third of "
        "the blocks before it too. all: everything, the features ten times more slowly than the heads.",
    )
    epochs: int = Field(30, title="Epochs", ge=1, le=500, description="Passes over the training pictures, at most.")
    learning_rate: float = Field(
        0.0005,
        title="Learning rate",
        gt=0,
        le=0.1,
        description="Size of the steps at the beginning; it falls to nothing over the run. Too high forgets what the "
        "model knew, too low learns nothing.",
    )
    batch_size: int = Field(
        8, title="Batch size", ge=1, le=128, description="Pictures per step. More needs more memory."
    )
    input_side: int = Field(
        257,
        title="Input side",
        ge=65,
        le=769,
        description="Side of the training pictures in pixels, a person filling about four fifths of it. Larger is "
        "slower and finds joints more exactly.",
    )
    augmentation: Augmentation = Field(
        "light",
        title="Augmentation",
        description="How much pictures are varied at random: turned, scaled, mirrored, recoloured. Strong helps with "
        "few pictures.",
    )
    keep: float = Field(
        0.0,
        title="Retain original skills",
        ge=0,
        le=10,
        description="How much the base model's own answers to the training pictures count beside the labels (learning "
        "without forgetting). 0 learns from the labels alone and fits them best; 0.3 forgets far less of other kinds "
        "of pictures; 1 stays close to the base. Takes longer, for the base model looks at every picture too.",
    )
    patience: int = Field(
        10,
        title="Patience",
        ge=1,
        le=100,
        description="Training stops after so many epochs without a better result on the validation pictures.",
    )
    seed: int = Field(
        0, title="Seed", ge=0, le=9999, description="Of everything random; the same seed repeats a run exactly."
    )


def recipe_class(base: str | None = None, skeleton: Skeleton | None = None) -> type[Recipe]:
    """:class:`Recipe` with only the choices that are open on this machine, for widgets and flags.

    Args:
        base: The model chosen, whose network decides on the input sides, and whose keypoints on whether what it knew
            can be kept; the first one unless given.
        skeleton: Skeleton of the labels; models that cannot learn it are left out.

    Raises:
        SettingsError: When there is no model to start from.
    """
    bases = [info.name for info in trainable_bases(skeleton)]
    if not bases:
        raise SettingsError("There is no model to start from on this machine; fetch one first.")
    base = base if base in bases else bases[0]
    info = model_info(base)
    narrowed = narrow(narrow(Recipe, "base", bases, base), "learning_rate", RATES)
    narrowed = narrow(narrowed, "keep", KEEPS if _same_keypoints(info, skeleton) else (0.0,))
    return narrow(narrowed, "input_side", _sides(info.architecture), _side(info.architecture))


def trainable_bases(skeleton: Skeleton | None = None) -> list[ModelInfo]:
    """Models on this machine that can be fine-tuned, and taught ``skeleton`` when it is another one than theirs."""
    return [info for info in list_models() if info.available and _can_learn(info, skeleton)]


def _can_learn(info: ModelInfo, skeleton: Skeleton | None) -> bool:
    family = FAMILIES[info.family]
    return family.trainable and (family.learns_other_keypoints or _same_keypoints(info, skeleton))


def _same_keypoints(info: ModelInfo, skeleton: Skeleton | None) -> bool:
    return skeleton is None or skeleton_of(info).keypoints == skeleton.keypoints


def skeleton_of(info: ModelInfo) -> Skeleton:
    """The skeleton of a model on this machine."""
    if info.path is None:
        raise SettingsError(f"{info.name} is not on this machine; `posecore weights fetch {info.name}` fetches it.")
    return read_header(info.path).skeleton


def skeleton_to_learn(base: str, labels: Skeleton) -> Skeleton:
    """The base's own skeleton when the labels say all about it and nothing else, else that of the labels.

    A model that keeps its skeleton keeps all it knows: OpenPose's neck, for example, is learnt from labelled shoulders.
    """
    own = skeleton_of(model_info(base))
    complete = bool(map_skeleton(labels, own).known.all()) and set(labels.keypoints) <= set(own.keypoints)
    return own if complete else labels


def suggest(base: str, pictures: int, people: int, skeleton: Skeleton) -> Recipe:
    """A recipe that should make ``base`` better on so many pictures.

    * Epochs: as many as show about 5000 people, within 15 … 80, since it is steps that teach, not epochs. A model that
      has to learn new keypoints gets half as many again.
    * Part: everything, its features slowly; only the last blocks with fewer than 60 people, from whom a whole network
      would learn their backgrounds by heart.
    * Learning rate: 0.0005, twice that when there are new keypoints, whose heads begin at random.
    * Batch size: 8, or 16 from 400 people on; small batches take more steps, which few pictures need.
    * Augmentation: strong below 150 people, else light.
    * Patience: a third of the epochs, at least 6.

    Args:
        base: Name of the model to start from.
        pictures: How many are labelled for training.
        people: How many people are labelled on them.
        skeleton: What is to be learnt.
    """
    info = model_info(base)
    shown = max(people, pictures, 1)
    new = bool(set(skeleton.keypoints) - set(skeleton_of(info).keypoints))
    epochs = round(min(max(5000 / shown, 15), 80) * (1.5 if new else 1))
    return Recipe(
        base=base,
        part="last_blocks" if shown < 60 else "all",
        epochs=epochs,
        learning_rate=0.001 if new else 0.0005,
        batch_size=8 if shown < 400 else 16,
        input_side=_side(info.architecture),
        augmentation="strong" if shown < 150 else "light",
        patience=max(epochs // 3, 6),
    )


def to_config(recipe: Recipe, *, name: str, sources: Sources, skeleton: Skeleton) -> RunConfig:
    """What ``posecore train`` takes.

    Args:
        recipe: The knobs.
        name: Name of the run.
        sources: What to learn from, with absolute paths; what a source says about packing comes before the recipe.
        skeleton: What is to be learnt.

    Raises:
        SettingsError: When something does not fit.
    """
    info = model_info(recipe.base)
    family = family_of(info.architecture)
    known = SKELETONS.get(skeleton.name) == skeleton
    usual = PackSettings(
        side=round(recipe.input_side * _SIZE * _EXPAND),
        expand=_EXPAND,
        min_size=24,
        min_keypoints=max(min(5, len(skeleton) // 3), 1),
    )
    training, validation = ([source.packed_like(usual) for source in part] for part in sources)
    return make_config(
        {
            "name": name,
            "model": {
                "architecture": info.architecture,
                "skeleton": skeleton.name if known else asdict(skeleton),
                "start": recipe.base,
                "norm": "none",
                "freeze": _frozen(info.architecture, family, skeleton, recipe.part),
            },
            "data": {"train": training, "validation": validation, "holdout": 0.2},
            "augment": _augmentation(recipe.augmentation, skeleton).model_dump(),
            "loss": _loss(info, recipe.input_side),
            "teacher": {"model": recipe.base, "weight": recipe.keep} if recipe.keep else None,
            "optimizer": {
                "learning_rate": recipe.learning_rate,
                "weight_decay": 0.01,
                "clip": 5.0,
                "groups": dict.fromkeys(_features(info.architecture, family, skeleton), 0.1),
            },
            "schedule": {"kind": "cosine", "warmup": 0.05, "end_factor": 0.01, "epochs": recipe.epochs},
            "training": {
                "batch_size": recipe.batch_size,
                "input_sides": [recipe.input_side],
                "ema": 0.98,
                "patience": recipe.patience,
                "seed": recipe.seed,
            },
        },
        "the recipe",
    )


def _augmentation(kind: Augmentation, skeleton: Skeleton) -> AugmentSettings:
    """Settings of a strength; without mirroring where the skeleton does not say what is left and right."""
    settings = _AUGMENTATION[kind]
    try:
        check_mirror(skeleton)
    except DataError:
        return settings.model_copy(update={"flip": 0.0})
    return settings


def _loss(info: ModelInfo, side: int) -> dict[str, Any]:
    """How outputs are judged: as when a model of our own was trained, else as suits one person who fills the input.

    Maps mean what the loss taught them. Judged otherwise, a network first has to unlearn: with PoseNet's published
    disks of 32 pixels, which are large beside a person of 150, the shipped one was worse for several epochs.
    """
    assert info.path is not None
    header = read_header(info.path)
    if "config" in header.extra:
        return dict(json.loads(header.extra["config"]).get("loss", {}))
    return family_of(info.architecture).person_loss(info.architecture, side)


def _side(architecture: str) -> int:
    """Input side unless the person says."""
    family = family_of(architecture)
    settings = family.network_settings(architecture)()
    # Small enough for a processor, and about what the published networks were made for.
    return family.training_side(family.crop_side or int(getattr(settings, "input_size", 256)), settings)


def _sides(architecture: str) -> tuple[int, ...]:
    """Input sides that the network can be run at, among them the usual one."""
    family = family_of(architecture)
    settings = family.network_settings(architecture)()
    sides = {family.training_side(side, settings) for side in _SIDES}
    return tuple(sorted(sides | {_side(architecture)}))


def _parameter_names(architecture: str, family: AnyFamily, skeleton: Skeleton) -> list[str]:
    with torch.device("meta"):
        return [name for name, _ in family.build(architecture, skeleton).named_parameters()]


def _features(architecture: str, family: AnyFamily, skeleton: Skeleton) -> list[str]:
    """Beginnings of the names of the parameters that make features."""
    names = _parameter_names(architecture, family, skeleton)
    return list(dict.fromkeys(f"{name.partition('.')[0]}." for name in names if not name.startswith(family.heads)))


def _frozen(architecture: str, family: AnyFamily, skeleton: Skeleton, part: Part) -> list[str]:
    """Beginnings of the names of the parameters that do not learn."""
    if part == "all":
        return []
    names = [name for name in _parameter_names(architecture, family, skeleton) if not name.startswith(family.heads)]
    blocks = list(dict.fromkeys(_block(name) for name in names))
    return blocks if part == "heads" else blocks[: len(blocks) - max(len(blocks) // 3, 1)]


def _block(name: str) -> str:
    """The beginning of a parameter's name up to its first number, for example ``backbone.blocks.3.``."""
    parts = name.split(".")[:-1]
    upto = [*itertools.takewhile(lambda part: not part.isdigit(), parts)]
    return ".".join([*upto, *parts[len(upto) : len(upto) + 1]]) + "."
