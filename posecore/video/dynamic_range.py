"""High dynamic range and wide gamut brought to the range and gamut of ordinary pictures (sRGB).

Reference white, which is 75 % of HLG's signal and 203 cd/m² of PQ (ITU-R BT.2408), becomes white; what is brighter is
rolled off. HLG is taken as light of the scene, so that it looks as the same camera's ordinary picture does.
"""

from __future__ import annotations

from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from posecore.imaging import Picture

Curve = NDArray[np.float32]

#: Luminance of reference white in cd/m².
_WHITE = 203.0
#: Linear light from which on highlights are compressed.
_KNEE = 0.85
#: Linear light that is told apart from brighter one.
_BRIGHTEST = 5.0
#: Linear BT.2020 RGB to linear BT.709 RGB (ITU-R BT.2087).
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)


def needs_conversion(frame: av.VideoFrame) -> bool:
    """Whether a frame's plain RGB values would look washed out."""
    return frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67) or _is_wide(frame)


def to_ordinary(frame: av.VideoFrame) -> Picture:
    """``(H, W, 3)`` uint8 sRGB of a frame in HLG or PQ, or in the colours of BT.2020."""
    signal = np.asarray(frame.to_ndarray(format="rgb48le"), np.uint16)
    light = np.take(_light_of(int(frame.color_trc)), signal)
    if _is_wide(frame):
        light = np.asarray(cv2.transform(light, _TO_709), np.float32)
    light *= 65535 / _BRIGHTEST
    np.clip(light, 0, 65535, out=light)
    return np.take(_to_srgb(), light.astype(np.uint16))


def _is_wide(frame: av.VideoFrame) -> bool:
    return frame.color_primaries == ColorPrimaries.BT2020


@cache
def _light_of(transfer: int) -> Curve:
    """Linear light, 1 at reference white, of each of the 65536 values of a signal."""
    signal = np.linspace(0, 1, 65536)
    if transfer == ColorTrc.ARIB_STD_B67:
        light = _from_hlg(signal) / _from_hlg(np.array(0.75))
    elif transfer == ColorTrc.SMPTE2084:
        light = 10000 / _WHITE * _from_pq(signal)
    else:
        light = np.where(signal < 0.081, signal / 4.5, ((signal + 0.099) / 1.099) ** (1 / 0.45))
    return light.astype(np.float32)


def _from_hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse OETF of HLG (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _from_pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """EOTF of PQ (ITU-R BT.2100, table 4), 1 at 10000 cd/m²."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


@cache
def _to_srgb() -> Picture:
    """The sRGB value, 0 … 255, of 65536 steps of linear light up to ``_BRIGHTEST``, highlights rolled off."""
    light = np.linspace(0, _BRIGHTEST, 65536)
    light = np.where(light > _KNEE, 1 - (1 - _KNEE) * np.exp(-(light - _KNEE) / (1 - _KNEE)), light)
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * value).astype(np.uint8)
