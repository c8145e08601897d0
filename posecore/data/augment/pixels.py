"""Colour, blur, JPEG damage and covered rectangles: changes that leave every joint where it is."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from posecore.data.augment.settings import AugmentSettings

#: Luminance and chrominance quantisation tables of the JPEG standard (ITU-T T.81, annex K.1).
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8 for _ in range(4)),
)  # fmt: skip
#: Weights of R, G and B in luminance (ITU-R BT.601), and the full colour matrix of JFIF.
_GREY = (0.299, 0.587, 0.114)
_TO_YCC = (_GREY, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def disturb(pixels: torch.Tensor, settings: AugmentSettings, seed: int) -> torch.Tensor:
    """Random colour, blur, JPEG damage and cut-outs.

    Args:
        pixels: ``(B, 3, H, W)`` float32 RGB 0 … 255.
        settings: Strengths and chances.
        seed: Of all randomness; drawn on the CPU, so the same on every device.

    Returns:
        The same shape and range.
    """
    generator = np.random.default_rng(seed)
    pixels = recolour(pixels, settings, generator)
    chosen = generator.random((3, len(pixels)))
    for row in np.flatnonzero(chosen[0] < settings.blur):
        sigma = generator.uniform(0.3, max(settings.blur_sigma, 0.3))
        pixels[row] = gaussian_blur(pixels[row : row + 1], sigma)[0]
    for row in np.flatnonzero(chosen[1] < settings.jpeg):
        quality = int(generator.integers(settings.jpeg_quality, 96))
        pixels[row] = jpeg_damage(pixels[row : row + 1], quality)[0]
    for row in np.flatnonzero(chosen[2] < settings.cutout):
        _cut_out(pixels[row], settings.cutout_size, generator)
    return pixels


def recolour(pixels: torch.Tensor, settings: AugmentSettings, generator: np.random.Generator) -> torch.Tensor:
    """Brightness, contrast, saturation and tint as one affine map of each picture's colours."""
    count = len(pixels)
    contrast = 1 + settings.contrast * generator.uniform(-1, 1, count)
    saturation = 1 + settings.saturation * generator.uniform(-1, 1, count)
    tint = 1 + settings.tint * generator.uniform(-1, 1, (count, 3))
    bright = 255 * settings.brightness * generator.uniform(-1, 1, count)
    grey = np.broadcast_to(_GREY, (3, 3))
    mixing = saturation[:, None, None] * np.eye(3) + (1 - saturation)[:, None, None] * grey
    matrix = contrast[:, None, None] * tint[:, :, None] * mixing
    # Contrast turns about middle grey.
    shift = bright + 127.5 * (1 - contrast)
    mixed = torch.einsum("bij,bjhw->bihw", torch.tensor(matrix, dtype=pixels.dtype).to(pixels.device), pixels)
    mixed += torch.tensor(shift, dtype=pixels.dtype).to(pixels.device)[:, None, None, None]
    return mixed.clamp_(0, 255)


def gaussian_blur(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    """``(B, 3, H, W)`` blurred with standard deviation ``sigma`` in pixels, the border reflected."""
    radius = min(math.ceil(3 * sigma), min(pixels.shape[2:]) - 1)
    taps = torch.arange(-radius, radius + 1, device=pixels.device, dtype=pixels.dtype)
    kernel = torch.exp(-(taps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    across = F.conv2d(F.pad(pixels, (radius, radius, 0, 0), mode="reflect"), kernel, groups=3)
    return F.conv2d(F.pad(across, (0, 0, radius, radius), mode="reflect"), kernel.transpose(2, 3), groups=3)


def jpeg_damage(pixels: torch.Tensor, quality: int) -> torch.Tensor:
    """What JPEG at ``quality`` (1 … 100) does to ``(B, 3, H, W)``, approximately: chroma keeps its full resolution."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    tables = torch.tensor([_LUMINANCE, _CHROMINANCE, _CHROMINANCE], dtype=pixels.dtype, device=pixels.device)
    tables = ((tables * scale + 50) / 100).floor().clamp(1, 255)
    colours = torch.tensor(_TO_YCC, dtype=pixels.dtype, device=pixels.device)
    index = torch.arange(8, dtype=pixels.dtype, device=pixels.device)
    cosine = torch.cos((2 * index + 1) * index[:, None] * math.pi / 16) / 2
    cosine[0] /= math.sqrt(2)
    height, width = pixels.shape[2:]
    padded = F.pad(pixels, (0, -width % 8, 0, -height % 8), mode="replicate")
    ycc = torch.einsum("ij,bjhw->bihw", colours, padded)
    ycc[:, 0] -= 128
    # (B, 3, rows, columns, 8, 8)
    blocks = torch.unflatten(torch.unflatten(ycc, 3, (-1, 8)), 2, (-1, 8)).transpose(3, 4)
    frequencies = cosine @ blocks @ cosine.T
    table = tables[:, None, None]
    blocks = cosine.T @ ((frequencies / table).round() * table) @ cosine
    ycc = blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    ycc[:, 0] += 128
    restored = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(colours), ycc)
    return restored[:, :, :height, :width].clamp(0, 255)


def _cut_out(picture: torch.Tensor, largest: float, generator: np.random.Generator) -> None:
    """Cover a rectangle of ``(3, H, W)`` with one colour, in place. Joints under it stay labelled: they are hidden."""
    height, width = picture.shape[1:]
    tall, wide = (int(generator.uniform(0.1, 1) * largest * side) for side in (height, width))
    top, left = int(generator.integers(height - tall + 1)), int(generator.integers(width - wide + 1))
    colour = torch.tensor(generator.uniform(0, 255, 3), dtype=picture.dtype).to(picture.device)
    picture[:, top : top + tall, left : left + wide] = colour[:, None, None]
