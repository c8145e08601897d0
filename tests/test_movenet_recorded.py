"""MoveNet's decoders against what TensorFlow.js 4.22 made of the same maps with the published graphs' own decoders.

The maps are numbers from a formula, fed to the graphs in place of their heads' outputs; ``movenet_decoded.npz`` holds
the answers: ``(17, 3)`` (y, x, score), for MultiPose ``(6, 56)`` with the box and the person's score behind the joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from posecore.families.movenet.codec import MoveNetDecodeSettings, MoveNetMaps, decode_multi, decode_single

RECORDED = Path(__file__).parent / "data" / "movenet_decoded.npz"
#: Output → channels, and the range of its numbers.
SINGLE = {"centre": (1, -6, 2), "regression": (34, -9, 9), "heatmaps": (17, -6, 2), "offsets": (34, -1, 2)}
MULTI = SINGLE | {"box_size": (2, 2, 14), "box_offset": (2, -1, 2)}
#: What Lightning's graph multiplies cells by: 1/48 rounded to float16, which moves its answers by up to 0.047 pixels.
LIGHTNING_CELL = float(np.float16(1 / 48))


def published(height: int, width: int, outputs: dict[str, tuple[int, int, int]]) -> MoveNetMaps:
    """Maps in the published layout ``(H, W, C)``, (y, x) from a cell's corner, turned into the decoder's."""
    first = 1
    maps: dict[str, NDArray[np.float32]] = {}
    for name, (channels, low, high) in outputs.items():
        index = np.arange(first, first + height * width * channels, dtype=np.int64)
        first += len(index)
        even = (index * index * 7919 + index * 104729) % 1000003 / 1000003
        values = (even * (high - low) + low).astype(np.float32).reshape(height, width, channels).transpose(2, 0, 1)
        if name in ("centre", "heatmaps"):
            maps[name] = expit(values)
            continue
        vectors = values.reshape(channels // 2, 2, height, width)[:, ::-1]
        maps[name] = vectors if name == "box_size" else vectors - 0.5
    boxes = [maps[name][0] for name in ("box_size", "box_offset") if name in maps]
    return MoveNetMaps(maps["centre"][0], maps["regression"], maps["heatmaps"], maps["offsets"], *boxes)


@pytest.mark.parametrize(("name", "side", "cell"), [("lightning", 48, LIGHTNING_CELL), ("thunder", 64, 1 / 64)])
def test_one_person(name: str, side: int, cell: float) -> None:
    expected = np.load(RECORDED)[name]
    found = decode_single(published(side, side, SINGLE), MoveNetDecodeSettings())
    assert (found.xy[0, :, ::-1] + 0.5) * cell == pytest.approx(expected[:, :2], abs=1e-5)
    assert found.keypoint_scores[0] == pytest.approx(expected[:, 2], abs=1e-5)


def test_several_people() -> None:
    expected = np.load(RECORDED)["multipose"]
    # The graph's constants are rounded to float16.
    constants = {"search_spread": float(np.float16(0.3)), "rescoring_threshold": float(np.float16(0.127))}
    found = decode_multi(published(12, 16, MULTI), MoveNetDecodeSettings(root_threshold=0.0, **constants))
    assert len(found.scores) == len(expected)
    joints = expected[:, :51].reshape(-1, 17, 3)
    assert (found.xy[..., ::-1] + 0.5) / (12, 16) == pytest.approx(joints[..., :2], abs=1e-5)
    assert found.keypoint_scores == pytest.approx(joints[..., 2], abs=1e-5)
    assert found.scores == pytest.approx(expected[:, 55], abs=1e-5)
    # Some joints are shared, and some count for nothing: both rules are at work.
    assert (joints[..., 2] < 0.127).any()
    assert len(np.unique(joints[..., :2].reshape(-1, 2), axis=0)) < joints[..., 0].size
