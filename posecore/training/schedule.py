"""The learning rate as a function of how much of the run is done."""

from __future__ import annotations

import math

from posecore.training.config import ScheduleConfig


def factor(config: ScheduleConfig, progress: float) -> float:
    """Learning rate relative to the highest.

    Args:
        config: Shape.
        progress: Part of the run that is done, 0 … 1.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warmup:
        part = progress / config.warmup
        if config.kind == "onecycle":
            part = (1 - math.cos(math.pi * part)) / 2
        return config.start_factor + (1 - config.start_factor) * part
    if config.kind == "constant":
        return 1.0
    if config.kind == "multistep":
        return config.gamma ** sum(progress >= milestone for milestone in config.milestones)
    part = (progress - config.warmup) / (1 - config.warmup)
    return config.end_factor + (1 - config.end_factor) * (1 + math.cos(math.pi * part)) / 2


def phase(count: int, progress: float) -> int:
    """Which of ``count`` equal parts of the run ``progress`` lies in."""
    return min(int(progress * count), count - 1)
