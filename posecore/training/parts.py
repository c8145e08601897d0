"""Parts of a network, as configurations name them: by the beginnings of the names of their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from posecore.data.augment import check_mirror
from posecore.errors import SettingsError
from posecore.lifting.network import Lifter
from posecore.training.config import AnyConfig, LifterConfig
from posecore.training.start import insert_norm
from posecore.words import closest


def check_prefixes(network: nn.Module, starts: Iterable[str], where: str) -> None:
    """Refuse beginnings that fit no parameter, which would change nothing without a word.

    Args:
        network: The network in training form.
        starts: Beginnings of parameters' names.
        where: The key of the configuration, for the message.

    Raises:
        SettingsError: Naming the nearest part that there is.
    """
    check_starts([name for name, _ in network.named_parameters()], starts, where)


def check_starts(names: Sequence[str], starts: Iterable[str], where: str) -> None:
    """As :func:`check_prefixes`, of the ``names`` themselves."""
    for start in starts:
        if not start or not any(name.startswith(start) for name in names):
            raise SettingsError(f"{where}: the network has no part {start!r}; {_nearest(start, names)}")


def _nearest(start: str, names: Iterable[str]) -> str:
    """The part most like ``start``, or all parts at the top."""
    parts = {
        ".".join(pieces[:depth]) + "."
        for name in names
        for pieces in [name.split(".")]
        for depth in range(1, len(pieces))
    }
    if close := closest(start if start.endswith(".") else f"{start}.", sorted(parts)):
        return f"did you mean {close!r}?"
    return f"there are {', '.join(sorted(part for part in parts if part.count('.') == 1))}."


def check_run(config: AnyConfig) -> None:
    """Check what a configuration says of its network and of left and right, without loading any weights.

    Raises:
        SettingsError: When ``model.freeze`` or ``optimizer.groups`` names a part that the network does not have.
        DataError: When pictures are to be mirrored and nobody has said which keypoints are left and right.
    """
    if isinstance(config, LifterConfig):
        with torch.device("meta"):
            check_prefixes(Lifter(config.model.width), config.optimizer.groups, "optimizer.groups")
        return
    if config.augment.flip:
        check_mirror(config.skeleton)
    fused = config.model.start != "random"
    with torch.device("meta"):
        network = config.family.build(config.model.architecture, config.skeleton, fused=fused)
        if fused and config.model.norm == "identity":
            insert_norm(network)
    check_prefixes(network, config.model.freeze, "model.freeze")
    check_prefixes(network, config.optimizer.groups, "optimizer.groups")
