"""One rule per group of the trainer's keys that belong together: what they are here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from posecore.errors import SettingsError
from posecore.families import family_of
from posecore.training.foreign.table import Finding, Given, Kind

#: The network that this trainer's default becomes; its family has the loss that the trainer's weights are about.
_LIGHTNING = "movenet-lightning"
Rule = Callable[[Given], Iterator[Finding]]


def _task(given: Given) -> Iterator[Finding]:
    for key in given.has("task"):
        if given.text(key) != "kpts":
            given.wrong(key, "is not about keypoints; only 'kpts' can be converted")
        yield Finding((key,), "same", {})


#: The trainer's names of backbones → ours by width.
_BACKBONES: dict[str, dict[float, str]] = {
    "mobilenetv2": {
        0.5: "movenet-mobilenet_v2-050",
        0.75: "movenet-mobilenet_v2-075",
        1.0: "movenet-lightning",
        1.75: "movenet-thunder",
    },
    "mobilenetv3": {1.0: "movenet-mobilenet_v3-large"},
    "mobilenetv3large": {1.0: "movenet-mobilenet_v3-large"},
    "mobilenetv3small": {1.0: "movenet-mobilenet_v3-small"},
    "shufflenetv2": {
        0.5: "movenet-shufflenet_v2-050",
        1.0: "movenet-shufflenet_v2-100",
        1.5: "movenet-shufflenet_v2-150",
    },
}


def _backbone(given: Given) -> Iterator[Finding]:
    keys = given.has("backbone", "width_mult")
    name = given.text("backbone") if "backbone" in keys else "mobilenet_v2"
    width = given.number("width_mult", 0.05, 10) if "width_mult" in keys else 1.0
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    # Some write the width behind the name: shufflenet_v2_x1_5, mobilenet_v2_100.
    known = _BACKBONES.get(plain)
    if known is None and (match := re.fullmatch(r"(.*?v2)x?(\d)[05]?(\d)?", plain)) and match[1] in _BACKBONES:
        known = _BACKBONES[match[1]]
        digits = plain.removeprefix(match[1]).removeprefix("x")
        width *= int(digits) / 10 ** (len(digits) - 1)
    if known is None:
        given.wrong("backbone", f"is not known; there are {', '.join(_BACKBONES)}")
    nearest = min(known, key=lambda one: abs(math.log(one / width)))
    ours = {"model.architecture": known[nearest]}
    if not keys:
        yield Finding((), "added", ours, "what the trainer builds unless told otherwise")
    elif math.isclose(nearest, width):
        yield Finding(keys, "same", ours)
    else:
        yield Finding(keys, "similar", ours, f"width {width:g} is not offered; {nearest:g} is the nearest")


def _count(given: Given) -> tuple[tuple[str, ...], int]:
    """The keys that say how many keypoints there are, and what they say."""
    keys = given.has("num_classes", "task_params.num_joints", "num_joints")
    counts = {given.integer(key, 1, 1000) for key in keys}
    if len(counts) > 1:
        raise SettingsError(f"{' and '.join(keys)} contradict each other: {', '.join(map(str, sorted(counts)))}.")
    return keys, counts.pop() if counts else 17


def _joints(given: Given) -> Iterator[Finding]:
    keys, count = _count(given)
    if count == 17:
        kind: Kind = "same" if keys else "added"
        yield Finding(keys, kind, {"model.skeleton": "coco-17"}, "" if keys else "the trainer's own 17 keypoints")
        return
    skeleton = {"name": f"custom-{count}", "keypoints": [f"keypoint_{index}" for index in range(count)]}
    yield Finding(
        keys,
        "similar",
        {"model.skeleton": skeleton, "augment.flip": 0.0},
        "the file does not name the keypoints: write the names that your labels use, add flip_pairs (left, right) and "
        "then set augment.flip",
    )


def _input(given: Given) -> Iterator[Finding]:
    keys = given.has("img_size")
    wanted = given.integer("img_size", 32, 1024) if keys else 192
    family = family_of(_LIGHTNING)
    settings = family.network_settings(_LIGHTNING)()
    side = family.training_side(wanted, settings)
    ours = {"training.input_sides": [side], "model.network.input_size": max(side, 64)}
    words = "" if side == wanted else "sides are multiples of 32"
    kind: Kind = "added" if not keys else "similar" if words else "same"
    yield Finding(keys, kind, ours, words)
    for key in given.has("target_stride"):
        if given.integer(key, 1, 64) == 4:
            yield Finding((key,), "same", {})
        else:
            yield Finding((key,), "no use", {}, "MoveNet's maps have a cell for every 4 pixels")


#: Augmentations of ours that the trainer's switches say nothing about.
_NO_COUNTERPART = ("any_angle", "shift", "blur", "jpeg", "cutout")
_COLOUR = ("brightness", "contrast", "saturation", "tint")


def _augmentation(given: Given) -> Iterator[Finding]:
    if given.has("use_color_aug", "use_flip", "use_rotate", "use_scale"):
        off = {f"augment.{name}": 0.0 for name in _NO_COUNTERPART}
        yield Finding((), "added", off, "changes that the trainer does not make")
    for key in given.has("use_color_aug"):
        if given.flag(key):
            yield Finding((key,), "similar", {}, "colours vary as strongly as they do here unless told otherwise")
        else:
            yield Finding((key,), "same", {f"augment.{name}": 0.0 for name in _COLOUR})
    for key in given.has("use_flip"):
        if given.flag(key) and _count(given)[1] != 17:
            yield Finding((key,), "no use", {}, "left and right are not known as long as keypoints have no names")
        else:
            yield Finding((key,), "same", {"augment.flip": 0.5 if given.flag(key) else 0.0})
    yield from _rotation(given)
    yield from _scale(given)


def _rotation(given: Given) -> Iterator[Finding]:
    keys = given.has("use_rotate", "rotate_deg")
    if not keys:
        return
    if "use_rotate" in keys and not given.flag("use_rotate"):
        yield Finding(keys, "same", {"augment.rotation": 0.0})
        return
    largest = given.number("rotate_deg", 0, 180) if "rotate_deg" in keys else 30.0
    ours = {"augment.rotation": round(largest / math.sqrt(3), 2)}
    words = f"the same spread, but normally distributed where theirs is even within ±{largest:g} degrees"
    yield Finding(keys, "similar", ours, words)


def _scale(given: Given) -> Iterator[Finding]:
    keys = given.has("use_scale", "scale_range", "expand_ratio")
    if not keys:
        return
    # A crop that is so many times as large as the person shows the person that much smaller.
    size = 1 / given.number("expand_ratio", 1, 5) if "expand_ratio" in keys else 0.8
    low = high = 1.0
    if "use_scale" not in keys or given.flag("use_scale"):
        low, high = _range(given) if "scale_range" in keys else (0.75, 1.25)
    ours = {
        "augment.size": round(size * math.sqrt(low * high), 4),
        "augment.scale": round(math.sqrt(high / low) - 1, 4),
    }
    if low == high:
        yield Finding(keys, "same", ours)
    else:
        yield Finding(keys, "similar", ours, "the same range, but evenly distributed by its logarithm")


def _range(given: Given) -> tuple[float, float]:
    value = given.values["scale_range"]
    numbers = [one for one in value if type(one) in (int, float)] if isinstance(value, list) else []
    if len(numbers) != 2 or len(value) != 2 or not 0 < numbers[0] <= numbers[1] < math.inf:
        given.wrong("scale_range", "must be two numbers above 0, the smaller first")
    if numbers[1] >= 4 * numbers[0]:
        given.wrong("scale_range", "is too wide: the larger number must be less than 4 times the smaller")
    return float(numbers[0]), float(numbers[1])


def _targets(given: Given) -> Iterator[Finding]:
    keys = given.has("gaussian_radius", "sigma_scale")
    if keys:
        radius = given.number("gaussian_radius", 0, 50) if "gaussian_radius" in keys else 2.0
        scale = given.number("sigma_scale", 0.01, 20) if "sigma_scale" in keys else 1.0
        spread = round((2 * radius + 1) / 6 * scale, 4)
        words = "Gaussians of one size for everybody; a sixth of the window of (2 · radius + 1) cells, as is the custom"
        yield Finding(keys, "similar", {"loss.least_spread": spread, "loss.most_spread": spread}, words)
    names = {"largest": "largest", "center": "central", "centre": "central", "central": "central", "nearest": "central"}
    keys = given.has("select_person")
    if not keys:
        yield Finding((), "added", {"loss.person": "central"}, "the trainer learns the person in the middle")
    for key in keys:
        wanted = given.text(key).lower()
        if wanted not in (*names, "all"):
            given.wrong(key, f"is not known; there are {', '.join((*names, 'all'))}")
        yield Finding((key,), "same", {"loss.person": names.get(wanted, "all")})


#: The trainer's weights of its losses → ours, and what that trainer usually has.
_WEIGHTS: dict[str, tuple[str, float]] = {
    "w_heatmap": ("heatmap_weight", 1),
    "w_center": ("centre_weight", 1),
    "w_reg": ("regression_weight", 3),
    "w_offset": ("offset_weight", 1),
    "w_bone": ("bone_weight", 20),
}


def _loss(given: Given) -> Iterator[Finding]:
    keys = given.has(*_WEIGHTS)
    if keys:
        ours: dict[str, Any] = {"loss.heatmap_loss": "mse", "loss.positive_weight": 8.0}
        yield Finding((), "added", ours, "how a trainer with these weights compares heatmaps")
        ours = {}
        for key in keys:
            name, usual = _WEIGHTS[key]
            default = float(family_of(_LIGHTNING).loss_settings.model_fields[name].default)
            ours[f"loss.{name}"] = round(default * given.number(key, 0, 100) / usual, 6)
        words = "in proportion: terms have other units here, so that what is usual there is our default here"
        yield Finding(keys, "similar", ours, words)


_OPTIMIZERS = {"adam": "adam", "adamw": "adamw", "sgd": "sgd"}
_RELATED = ("radam", "nadam", "adamax", "ranger", "rmsprop", "adagrad", "adabelief")


def _optimizer(given: Given) -> Iterator[Finding]:
    keys = given.has("optimizer")
    if not keys:
        yield Finding((), "added", {"optimizer.kind": "adam"}, "what the trainer uses unless told otherwise")
    for key in keys:
        wanted = given.text(key).lower()
        if wanted in _OPTIMIZERS:
            words = "with Nesterov's momentum of 0.9" if wanted == "sgd" else ""
            yield Finding((key,), "similar" if words else "same", {"optimizer.kind": _OPTIMIZERS[wanted]}, words)
        elif wanted in _RELATED:
            yield Finding((key,), "similar", {"optimizer.kind": "adamw"}, "not offered; adamw is the nearest")
        else:
            given.wrong(key, f"is not known; there are {', '.join((*_OPTIMIZERS, *_RELATED))}")
    for key in given.has("learning_rate"):
        yield Finding((key,), "same", {"optimizer.learning_rate": given.number(key, 1e-12, 10)})
    for key in given.has("weight_decay"):
        ours = {"optimizer.weight_decay": given.number(key, 0, 1)}
        yield Finding((key,), "similar", ours, "not applied to biases and BatchNorm")
    for key in given.has("clip_gradient"):
        ours = {"optimizer.clip": given.number(key, 0, 1e9)}
        words = "the length of the whole gradient is limited, not every number in it by itself"
        yield Finding((key,), "similar" if ours["optimizer.clip"] else "same", ours, words)


#: How schedules are written: a name, then numbers behind dashes.
_SCHEDULES = (
    "MultiStepLR-90,130-0.2", "step-10-0.5", "ExponentialLR-0.95", "CosineAnnealingLR-100-1e-6", "SGDR-5-2",
    "default-0.5-3", "OneCycleLR", "constant",
)  # fmt: skip
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"


def _schedule(given: Given) -> Iterator[Finding]:
    keys = given.has("epochs")
    epochs = given.integer("epochs", 1) if keys else 120
    yield Finding(keys, "same" if keys else "added", {"schedule.epochs": epochs})
    for key in given.has("scheduler"):
        yield _schedule_of(given, key, epochs)


def _schedule_of(given: Given, key: str, epochs: int) -> Finding:
    wanted = given.text(key)
    match = re.fullmatch(rf"([A-Za-z_]*)((?:-{_NUMBER}(?:,{_NUMBER})*)*)", wanted.replace(" ", ""))
    groups = re.findall(rf"-({_NUMBER}(?:,{_NUMBER})*)", match[2]) if match else []
    numbers = [[float(one) for one in group.split(",")] for group in groups]
    kind = match[1].lower().removesuffix("lr") if match else "?"
    first = [group[0] for group in numbers]
    if not all(math.isfinite(one) for group in numbers for one in group):
        given.wrong(key, "has a number that is too large")
    ours: dict[str, Any] = {"schedule.warmup": 0.0}
    if kind == "multistep" and len(numbers) == 2:
        return _dropping(given, key, numbers[0], first[1], epochs)
    if kind in ("step", "exponential") and len(numbers) == (2 if kind == "step" else 1):
        every = first[0] if kind == "step" else 1.0
        if every < 1 or epochs / every > 1000:
            given.wrong(key, f"drops the learning rate too often for {epochs} epochs; at most 1000 times")
        drops = [every * count for count in range(1, int(epochs / every) + 1)]
        return _dropping(given, key, drops, first[-1], epochs)
    if kind in ("cosineannealing", "cosine") and len(numbers) <= 2:
        length = first[0] if first else float(epochs)
        rate = given.number("learning_rate", 1e-12, 10) if given.has("learning_rate") else 1e-3
        ours |= {"schedule.kind": "cosine", "schedule.end_factor": min(first[1] / rate if len(first) > 1 else 0.0, 1.0)}
        words = "" if length == epochs else f"one wave over all epochs instead of one of {length:g}"
        return Finding((key,), "similar" if words else "same", ours, words)
    if kind == "sgdr":
        return Finding((key,), "similar", ours | {"schedule.kind": "cosine"}, "one wave, without restarts")
    if kind in ("default", "reducelronplateau"):
        words = "falls steadily instead of when the validation stops getting better"
        return Finding((key,), "similar", ours | {"schedule.kind": "cosine"}, words)
    if kind in ("onecycle", "constant", "none", "") and not numbers:
        named = "onecycle" if kind == "onecycle" else "constant"
        return Finding((key,), "same", {"schedule.kind": named, "schedule.warmup": 0.3 if named == "onecycle" else 0.0})
    given.wrong(key, f"is not understood; it should look like {', '.join(_SCHEDULES)}")


def _dropping(given: Given, key: str, drops: list[float], gamma: float, epochs: int) -> Finding:
    """A learning rate that is multiplied by ``gamma`` after the epochs ``drops``."""
    if not 0 < gamma <= 1:
        given.wrong(key, "must multiply the learning rate by a number above 0 and not above 1")
    if sorted(drops) != drops or min(drops, default=1.0) <= 0:
        given.wrong(key, "must name its epochs in rising order")
    reached = [drop / epochs for drop in drops if drop < epochs]
    late = [f"{drop:g}" for drop in drops if drop >= epochs]
    ours: dict[str, Any] = {"schedule.kind": "multistep" if reached else "constant", "schedule.warmup": 0.0}
    if reached:
        ours |= {"schedule.milestones": reached, "schedule.gamma": gamma}
    words = f"training ends before epoch {', '.join(late[:3])}" if late and late != [f"{epochs:g}"] else ""
    return Finding((key,), "same", ours, words)


def _engine(given: Given) -> Iterator[Finding]:
    for key in given.has("batch_size"):
        yield Finding((key,), "same", {"training.batch_size": given.integer(key, 1, 4096)})
    for key in given.has("random_seed"):
        yield Finding((key,), "same", {"training.seed": given.integer(key, 0, 2**31 - 1)})
    for key in given.has("GPU_ID"):
        value = given.values[key]
        cards = re.findall(r"\d+", str(value)) if re.fullmatch(r"\s*(-1|(\d+(\s*,\s*\d+)*)?)\s*", str(value)) else None
        if cards is None:
            given.wrong(key, "must be numbers of GPUs, for example '0' or '0,1', or '' for none")
        elif str(value).strip() in ("", "-1"):
            yield Finding((key,), "same", {"training.device": "cpu"})
        else:
            ours = {"training.device": "auto", "training.devices": len(cards)}
            yield Finding((key,), "similar", ours, "CUDA_VISIBLE_DEVICES says which; a machine without runs on the CPU")


def _data(given: Given) -> Iterator[Finding]:
    root, train, held = (
        given.has(*keys) for keys in (("dataset_root_path",), ("train_label_path",), ("val_label_path",))
    )
    pictures = given.has("img_path")
    source: dict[str, Any] = {"annotations": "annotations/person_keypoints_train2017.json", "images": "train2017"}
    words = "COCO's own files, as published; its crops of them are not needed, people are cut out here"
    if root:
        yield Finding(root, "similar", {"data.root": given.text(root[0])}, words)
    if train:
        source = {"annotations": given.text(train[0])}
        source |= {"images": given.text(pictures[0])} if pictures else {}
    words = (
        "must be COCO, YOLO or Dataloop labels (posecore data inspect reads them); for its own list of crops name the "
        "COCO file that it was made from"
    )
    side = _packed_side(given)
    pack = {"side": side} | ({"min_keypoints": given.integer(fewest[0], 1, 1000)} if (fewest := _fewest(given)) else {})
    kind: Kind = "similar" if train or pictures else "added"
    yield Finding((*train, *pictures, *fewest), kind, {"data.train": [source | {"pack": pack}]}, words if train else "")
    if held:
        held_out = {"annotations": given.text(held[0]), **{k: v for k, v in source.items() if k == "images" and train}}
        yield Finding(held, "similar", {"data.validation": [held_out | {"pack": pack}]}, words)
    elif root and not train:
        held_out = {"annotations": "annotations/person_keypoints_val2017.json", "images": "val2017", "pack": pack}
        yield Finding((), "added", {"data.validation": [held_out]}, "COCO's validation pictures")
    for key in given.has("training_data_split", "train_ratio"):
        part = given.number(key, 0, 100)
        part = part / 100 if part > 1 else part
        ours = {} if held else {"data.holdout": round(min(max(1 - part, 0.0), 0.5), 4)}
        yield Finding((key,), "same" if ours else "no use", ours, "" if ours else "there are validation labels")


def _fewest(given: Given) -> tuple[str, ...]:
    return given.has("min_visible_kpts")[:1]


def _packed_side(given: Given) -> int:
    """Side of the packed squares: a person in them has the pixels that the network's input will show."""
    wanted = given.integer("img_size", 32, 1024) if given.has("img_size") else 192
    return math.ceil(1.6 * 0.8 * wanted / 32) * 32


_NO_USE = {
    "task_params.export_keypoints": "posecore image --save csv,json writes keypoints of any model",
    "task_params.class_agnostic_nms": "is about boxes of other things than people",
    "task_params.class_filter": "is about boxes of other things than people",
    "task_params.cls_mode": "is about sorting whole pictures",
    "cfg_verbose": "the run's folder holds its configuration",
    "save_dir": "runs are kept in POSECORE_HOME, under their names",
    "save_best_only": "the best and the last weights are kept",
    "log_interval": "progress is reported every two seconds, figures after every epoch",
    "pin_memory": "pictures are cut and varied where the network runs, not by workers",
    "num_workers": "pictures are cut and varied where the network runs, not by workers",
    "class_weight": "keypoints count alike",
    "balance_data": "a source's repeat says how often its pictures are shown",
    "from_scratch": "training starts from random weights unless model.start says otherwise",
    **dict.fromkeys(
        ("newest_ckpt", "pretrained", "pretrained_path", "pretrained_model"),
        "that trainer's checkpoints have other layers; model.start takes ours, and Google's MoveNet files",
    ),
    "dataset": "only names the data",
    "label": "only names the run; --name does that here",
    "pre-separated_data": "follows from whether there are validation labels",
    "separated_data": "follows from whether there are validation labels",
    "th": "posecore evaluate measures PCK at several thresholds",
}  # fmt: skip
_PREDICTION = re.compile(r"(test|exam|eval|predict|results)_\w*")


def _without_use(given: Given) -> Iterator[Finding]:
    for key in [key for key in given.values if key in _NO_USE or _PREDICTION.fullmatch(key)]:
        yield Finding((key,), "no use", {}, _NO_USE.get(key, "is not about training; see posecore image and evaluate"))


RULES: tuple[Rule, ...] = (
    _task, _backbone, _joints, _input, _data, _augmentation, _targets, _loss, _optimizer, _schedule, _engine,
    _without_use,
)  # fmt: skip

#: Every key that some rule knows, to name the nearest to an unknown one.
KNOWN_KEYS = frozenset(
    {
        "task", "task_params", "backbone", "width_mult", "num_classes", "task_params.num_joints", "num_joints",
        "img_size", "target_stride", "use_color_aug", "use_flip", "use_rotate", "rotate_deg", "use_scale",
        "scale_range", "expand_ratio", "gaussian_radius", "sigma_scale", "select_person", "optimizer", "learning_rate",
        "weight_decay", "clip_gradient", "epochs", "scheduler", "batch_size", "random_seed", "GPU_ID",
        "dataset_root_path", "train_label_path", "val_label_path", "img_path", "training_data_split", "train_ratio",
        "min_visible_kpts", *_WEIGHTS, *_NO_USE,
    }
)  # fmt: skip
