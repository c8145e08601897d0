"""Augmentation of whole batches, on the CPU or a GPU: geometry in one resampling, then colour and damage."""

from posecore.data.augment.compose import Draw, check_mirror, check_pairs, compose, draw_batch
from posecore.data.augment.pixels import disturb
from posecore.data.augment.settings import AugmentSettings

__all__ = ["AugmentSettings", "Draw", "check_mirror", "check_pairs", "compose", "disturb", "draw_batch"]
