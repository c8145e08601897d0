"""The configuration of a training run: one YAML or JSON file, checked before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError

from posecore.data.augment import AugmentSettings
from posecore.data.naming import tells_sides
from posecore.data.source import SetMark, Source
from posecore.errors import SettingsError, SkeletonError
from posecore.families import FAMILIES, AnyFamily, family_of
from posecore.lifting.loss import LifterLossSettings
from posecore.lifting.scenes import SceneSettings
from posecore.parsing import MalformedError, parse_json, parse_yaml, shown
from posecore.runs import NAME_PATTERN
from posecore.settings import NetworkSettings, Settings, build_settings
from posecore.skeleton import COCO_17, SKELETONS, Skeleton
from posecore.words import meant

#: Environment variable: the folder that data paths are relative to.
DATA_VARIABLE = "POSECORE_DATA"

#: Networks that lift poses, with words for people.
LIFTERS = {"lifter-temporal": "Lifter: 27 frames of keypoints to joints in space"}


class SkeletonConfig(Settings):
    """A skeleton of one's own."""

    name: str = Field("custom", description="Short name.")
    keypoints: tuple[str, ...] = Field(description="Names in channel order.")
    edges: tuple[tuple[int, int], ...] = Field((), description="Pairs of keypoint indices to join.")
    flip_pairs: tuple[tuple[int, int], ...] = Field((), description="(left, right) indices that swap when mirrored.")
    sigmas: tuple[float, ...] = Field((), description="OKS sigmas; 0.05 each when left out.")
    sides_known: bool | None = Field(
        None,
        description="false: nobody has said which keypoints are each other's mirror image. true: flip_pairs says it, "
        "even where it is empty. When left out, it goes by the pairs and the keypoints' names.",
    )

    def skeleton(self) -> Skeleton:
        """The skeleton; raises ``SkeletonError`` when its parts contradict each other."""
        known = tells_sides(self.keypoints, self.flip_pairs) if self.sides_known is None else self.sides_known
        return Skeleton(self.name, self.keypoints, self.edges, self.flip_pairs, self.sigmas, known)


class ModelConfig(Settings):
    """What is trained and what it starts from."""

    architecture: str = Field(
        description="For example posenet-mobilenet_v1-075; `posecore config architectures` lists all."
    )
    skeleton: str | SkeletonConfig = Field("coco-17", description="A known skeleton's name, or one of your own.")
    start: str = Field(
        "random",
        description="random, or the name of a model or a file whose weights to start from. Heads are kept as far as "
        "their keypoints have the same names.",
    )
    copies: Mapping[str, str] = Field(
        default_factory=dict,
        description="Parts that begin as copies of other parts of the start, by the start of their parameters' names, "
        "for example {stages.2.: stages.1.}: stages that an OpenPose trained with fewer of them has not learnt yet.",
    )
    norm: Literal["auto", "batch", "identity", "none"] = Field(
        "auto",
        description="BatchNorm in the network. batch: as the architecture has it (random start). none: train the fused "
        "convolutions. identity: insert BatchNorm that at first changes nothing. auto: batch for a random start, else "
        "none.",
    )
    freeze: tuple[str, ...] = Field((), description="Parts that do not learn, by the start of their parameters' names.")
    freeze_norm: bool = Field(False, description="Keep BatchNorm's statistics and factors as they are.")
    network: Mapping[str, Any] = Field(default_factory=dict, description="Network settings, for example output_stride.")


class DataConfig(Settings):
    """Where pictures come from."""

    root: str | None = Field(
        None,
        description=f"Folder that paths are relative to, itself relative to this file; ${DATA_VARIABLE} takes "
        "precedence. Unless given, the folder of this file.",
    )
    train: tuple[Source, ...] = Field(min_length=1, description="Sets to train on.")
    validation: tuple[Source, ...] = Field((), description="Sets to measure on after every epoch.")
    holdout: float = Field(
        0.03, ge=0, le=0.5, description="Without validation sets: part of the training pictures kept for measuring."
    )
    validation_limit: int = Field(384, ge=1, description="Most cut-outs measured after an epoch.")


class TeacherConfig(Settings):
    """Another network to learn from beside the labels. It only teaches: its weights are never taken over."""

    model: str = Field(description="Name of a model or run:NAME; of the same family and skeleton.")
    network: Mapping[str, Any] = Field(
        default_factory=dict, description="Network settings of the teacher, for example output_stride."
    )
    weight: float = Field(
        1.0, gt=0, le=100, description="Weight of each of its maps in the total; those of labels have their own."
    )
    features: Mapping[str, float] = Field(
        default_factory=dict,
        description="Features to be copied as well, for which the teacher must have the same architecture: weights by "
        "the start of layers' names, for example {backbone.blocks: 20}.",
    )
    blockwise: int = Field(
        0,
        ge=0,
        le=100,
        description="So many blocks that follow one another learn by themselves to answer the teacher's input of the "
        "first as the teacher's last does: 1 is every block alone, 0 the whole network. Labels do not count. A quick "
        "beginning that needs a teacher of the same architecture.",
    )


class OptimizerConfig(Settings):
    """How weights are changed."""

    kind: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Rule.")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Highest learning rate.")
    weight_decay: float = Field(0.02, ge=0, le=1, description="Not applied to biases and BatchNorm.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD, first beta of Adam.")
    clip: float = Field(0.0, ge=0, description="Largest norm of the gradient; 0 does not clip.")
    groups: Mapping[str, float] = Field(
        default_factory=dict,
        description="Factors of the learning rate by the start of parameters' names, for example {backbone: 0.1}.",
    )


class ScheduleConfig(Settings):
    """How long, and the learning rate over that time."""

    kind: Literal["onecycle", "cosine", "multistep", "constant"] = Field("onecycle", description="Shape.")
    epochs: int = Field(20, ge=1, le=100000, description="Passes over the data, at most.")
    minutes: float | None = Field(
        None,
        gt=0,
        description="Time for training. The schedule then follows the clock (time before a resume counts) and ends "
        "when it is used up, or after the epochs.",
    )
    warmup: float = Field(0.1, ge=0, le=0.9, description="Part of the run in which the learning rate rises.")
    start_factor: float = Field(0.04, ge=0, le=1, description="Learning rate at the start, relative to the highest.")
    end_factor: float = Field(0.001, ge=0, le=1, description="Learning rate at the end, relative to the highest.")
    milestones: tuple[float, ...] = Field((0.6, 0.85), description="multistep: parts of the run after which it drops.")
    gamma: float = Field(0.1, gt=0, le=1, description="multistep: factor of each drop.")


class EngineConfig(Settings):
    """The engine, whatever it trains."""

    batch_size: int = Field(32, ge=1, le=4096, description="Examples per step and process.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Arithmetic; bfloat16 is faster where the processor computes with it."
    )
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the averaged weights that are kept; 0 for none.")
    seed: int = Field(0, ge=0, lt=2**31, description="Of everything random.")
    threads: int | None = Field(None, ge=1, le=1024, description="Threads on the CPU.")
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="Where to train.")
    devices: int = Field(1, ge=1, le=1024, description="Processes per machine; more than one uses DDP.")
    nodes: int = Field(1, ge=1, le=1024, description="Machines.")
    loggers: tuple[Literal["tensorboard", "wandb"], ...] = Field(
        (), description="Where curves go, besides curves.csv in the run's folder."
    )


class TrainingConfig(EngineConfig):
    """The engine for networks that look at pictures."""

    input_sides: tuple[int, ...] = Field(
        (193,),
        min_length=1,
        description="Sides of the network's input in pixels, one after the other in equal parts of the run: small "
        "pictures first learn much in little time.",
    )
    output_strides: tuple[int, ...] = Field(
        (),
        description="Output strides that steps take in turn, for example [16, 16, 8], so that one set of weights is "
        "good at several; unless given, all take that of model.network.",
    )
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without a better validation.")
    data_workers: Literal["local", "ray"] = Field(
        "local",
        description="Who makes batches: local is the training process, ray are workers of the Ray cluster that "
        "RAY_ADDRESS names, else of a Ray of this machine.",
    )
    data_worker_count: int = Field(2, ge=1, le=256, description="Workers of ray.")
    overlays: int = Field(12, ge=0, le=64, description="Validation pictures drawn after every epoch.")


class BaseConfig(Settings):
    """What every run has."""

    name: str = Field(pattern=NAME_PATTERN, description="Name of the run unless given.")
    title: str = Field("", description="Words for people.")
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)


class LifterModelConfig(Settings):
    """The network that lifts."""

    architecture: Literal["lifter-temporal"] = Field(description="Which network.")
    width: int = Field(256, ge=16, le=2048, description="Channels inside.")
    start: str = Field("random", description="random, run:NAME, or a file whose weights to start from.")


class MotionConfig(Settings):
    """Where motions come from."""

    root: str | None = Field(
        None,
        description=f"Folder of BVH files, relative to this file; ${DATA_VARIABLE} takes precedence. Unless given, the "
        "folder of this file.",
    )
    files: tuple[str, ...] = Field(("*.bvh",), min_length=1, description="Names, with * for any letters.")
    held_out: tuple[str, ...] = Field((), description="Those of them to measure on; they are not trained on.")
    exclude: tuple[str, ...] = Field((), description="Those of them to leave out.")
    skip_first: int = Field(1, ge=0, le=1000, description="Frames at the start of each file that are no motion.")


class LifterConfig(BaseConfig):
    """Everything about a run that trains a network to lift poses."""

    model: LifterModelConfig
    data: MotionConfig = Field(default_factory=MotionConfig)
    scenes: SceneSettings = Field(default_factory=SceneSettings)
    loss: LifterLossSettings = Field(default_factory=LifterLossSettings)
    lengths: tuple[int, ...] = Field(
        (64,), min_length=1, description="Frames of a scene, in steps in turn; a step always has about as many in all."
    )
    steps: int = Field(250, ge=1, le=1_000_000, description="Steps of an epoch.")
    training: EngineConfig = Field(default_factory=EngineConfig)

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton that is lifted."""
        return COCO_17

    @property
    def stored_sets(self) -> tuple[SetMark, ...]:
        """Labelled sets that are trained on: none."""
        return ()


class RunConfig(BaseConfig):
    """Everything about a run that trains a network to see people."""

    model: ModelConfig
    data: DataConfig
    augment: AugmentSettings = Field(default_factory=AugmentSettings)
    loss: Mapping[str, Any] = Field(default_factory=dict, description="Settings of the family's loss.")
    teacher: TeacherConfig | None = Field(None, description="A network to learn from beside the labels.")
    training: TrainingConfig = Field(default_factory=TrainingConfig)

    @property
    def family(self) -> AnyFamily:
        """Family of the architecture; raises ``SettingsError`` naming the nearest architecture."""
        try:
            return family_of(self.model.architecture)
        except KeyError:
            known = [*(name for family in FAMILIES.values() for name in family.architectures), *LIFTERS]
            raise SettingsError(
                f"There is no architecture {self.model.architecture!r}; {meant(self.model.architecture, known)}"
            ) from None

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton that the network learns; of networks that find boxes it is theirs."""
        if self.family.finds_boxes:
            return self.family.skeleton
        wanted = self.model.skeleton
        if isinstance(wanted, str):
            if wanted not in SKELETONS:
                raise SettingsError(f"There is no skeleton {wanted!r}; {meant(wanted, list(SKELETONS))}")
            return SKELETONS[wanted]
        try:
            return wanted.skeleton()
        except SkeletonError as error:
            raise SettingsError(str(error)) from error

    @property
    def stored_sets(self) -> tuple[SetMark, ...]:
        """The stored sets that are trained on, each once."""
        return tuple(dict.fromkeys(source.stored for source in self.data.train if source.stored is not None))

    @property
    def network_settings(self) -> NetworkSettings:
        """Network settings of the forward pass in training."""
        settings: NetworkSettings = build_settings(
            self.family.network_settings(self.model.architecture), self.model.network
        )
        return settings

    @property
    def step_settings(self) -> tuple[NetworkSettings, ...]:
        """Network settings that training steps take in turn.

        Raises:
            SettingsError: For a stride that the architecture cannot be run at, or that does not fit the inputs' sides.
        """
        if not self.training.output_strides:
            return (self.network_settings,)
        family, kind = self.family, self.family.network_settings(self.model.architecture)
        sides = {family.training_side(side, self.network_settings) for side in self.training.input_sides}
        made = []
        for stride in self.training.output_strides:
            settings = build_settings(kind, {**self.model.network, "output_stride": stride})
            odd = [side for side in sorted(sides) if family.training_side(side, settings) != side]
            if odd:
                raise SettingsError(
                    f"training.output_strides: an input of {odd[0]} pixels does not fit an output stride of {stride}; "
                    f"take {family.training_side(odd[0], settings)} pixels or leave the stride out."
                )
            made.append(settings)
        return tuple(made)

    @property
    def loss_settings(self) -> Settings:
        """Settings of the family's loss."""
        settings: Settings = build_settings(self.family.loss_settings, self.loss)
        return settings


#: A run of any kind.
AnyConfig: TypeAlias = RunConfig | LifterConfig


def read_config(path: Path) -> AnyConfig:
    """Read and check a configuration file.

    Raises:
        SettingsError: Naming the key that is wrong and, for an unknown one, the nearest known one.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration {path} cannot be read: {error}.") from error
    try:
        values = parse_json(text) if path.suffix.lower() == ".json" else parse_yaml(text)
    except MalformedError as error:
        raise SettingsError(f"{path} is neither YAML nor JSON: {error}.") from error
    return any_config(values, str(path))


def any_config(values: Any, where: str = "the configuration") -> AnyConfig:
    """As :func:`make_config`, for a run of any kind."""
    return _validated(LifterConfig, values, where) if trains_lifter(values) else make_config(values, where)


def trains_lifter(values: Any) -> bool:
    """Whether a configuration's values are those of a run that trains a network to lift poses."""
    model = values.get("model") if isinstance(values, Mapping) else None
    architecture = model.get("architecture") if isinstance(model, Mapping) else None
    return isinstance(architecture, str) and architecture.startswith("lifter")


def make_config(values: Any, where: str = "the configuration") -> RunConfig:
    """Check values that came from a file or a form; raises ``SettingsError`` as :func:`read_config` does."""
    if trains_lifter(values):
        raise SettingsError(f"{where} trains a network that lifts poses, which does not look at pictures.")
    config = _validated(RunConfig, values, where)
    # Resolving them finds unknown names and values out of range now rather than after the data has been read.
    for part in ("skeleton", "network_settings", "step_settings", "loss_settings"):
        getattr(config, part)
    return config


_Config = TypeVar("_Config", bound=BaseConfig)


def _validated(kind: type[_Config], values: Any, where: str) -> _Config:
    """A configuration of one kind; raises ``SettingsError`` naming what is wrong."""
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where} must hold keys and values, not {type(values).__name__}.")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems: list[Any] = error.errors()
        # A list whose only entry is wrong is also reported as too short; the entry's own problem says it better.
        places = [problem["loc"] for problem in problems]
        inner = [p for p in problems if not any(place[: len(p["loc"])] == p["loc"] != place for place in places)]
        raise SettingsError(f"{where}: " + " ".join(_sentence(kind, problem) for problem in inner)) from error


def _sentence(kind: type[BaseModel], problem: Mapping[str, Any]) -> str:
    """One of pydantic's problems in words."""
    path = [str(part) for part in problem["loc"] if part not in ("str", "SkeletonConfig")]
    place = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"{place:.100} is unknown; {meant(path[-1], _known_keys(kind, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"{place} is missing."
    message = str(problem["msg"])
    return f"{place} = {shown(problem['input'])}: {message[0].lower()}{message[1:]}."


def _known_keys(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Keys that the model at ``location`` of a configuration of the class ``model`` has."""
    for part in location:
        if part in model.model_fields:
            nested = _model_in(model.model_fields[part].annotation)
            if nested is not None:
                model = nested
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings class inside an annotation such as ``tuple[Source, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


_Placed = TypeVar("_Placed", RunConfig, LifterConfig, AnyConfig)


def placed(config: _Placed, config_folder: Path) -> _Placed:
    """The configuration with absolute paths, so that it means the same wherever it is read again.

    Args:
        config: A configuration.
        config_folder: Folder of its file.
    """
    data = config.data.model_copy(update={"root": str(data_root(config, config_folder).resolve())})
    model = config.model
    if (file := config_folder / model.start).is_file():
        model = model.model_copy(update={"start": str(file.resolve())})
    return config.model_copy(update={"data": data, "model": model})


def data_root(config: AnyConfig, config_folder: Path) -> Path:
    """Folder that the data paths of a configuration in ``config_folder`` are relative to."""
    if chosen := os.environ.get(DATA_VARIABLE):
        return Path(chosen).expanduser()
    return (config_folder / Path(config.data.root or ".").expanduser()).resolve()
