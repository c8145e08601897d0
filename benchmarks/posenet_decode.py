"""Our PoseNet decoder against the literal one, on encoded scenes, one thread.

Run with ``python -m benchmarks.posenet_decode [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.literal_posenet import decode_literally
from benchmarks.timing import medians
from posecore.families.posenet.codec import (
    COCO_TREE,
    PoseNetDecodeSettings,
    PoseNetMaps,
    decode_multi,
    encode,
)

WIDTH, HEIGHT, STRIDE = 1281, 721, 16
#: A standing person in a box of height 1, (x, y), COCO order.
STANDING = np.array(
    [
        [0.00, 0.08], [0.02, 0.06], [-0.02, 0.06], [0.05, 0.07], [-0.05, 0.07], [0.12, 0.20], [-0.12, 0.20],
        [0.16, 0.36], [-0.16, 0.36], [0.17, 0.50], [-0.17, 0.50], [0.08, 0.52], [-0.08, 0.52], [0.09, 0.75],
        [-0.09, 0.75], [0.09, 0.97], [-0.09, 0.97],
    ]
)  # fmt: skip


def scene(people: int, seed: int) -> np.ndarray:
    """``(P, 17, 2)`` people on a jittered lattice in a 1281 × 721 input, sized so that they do not touch."""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(people * WIDTH / HEIGHT)))
    rows = int(np.ceil(people / columns))
    cell = np.array([WIDTH / columns, HEIGHT / rows])
    size = 0.8 * min(cell[1], cell[0] * 2)
    places = [(index % columns, index // columns) for index in range(people)]
    centres = (np.array(places) + 0.5) * cell
    jitter = rng.normal(0, 0.01 * size, (people, 17, 2))
    return centres[:, None] + (STANDING - [0, 0.5]) * size + jitter


def maps_of(people: np.ndarray, soft: bool) -> PoseNetMaps:
    """Encoded fields; ``soft`` lets scores fall off with the distance, as a trained network's do."""
    keypoints = torch.from_numpy(people)[None]
    labelled = torch.ones(keypoints.shape[:3], dtype=torch.bool)
    grid = ((WIDTH - 1) // STRIDE + 1, (HEIGHT - 1) // STRIDE + 1)
    fields = {name: value[0].numpy() for name, value in encode(keypoints, labelled, grid, STRIDE, COCO_TREE).items()}
    scores = fields["heatmaps"]
    if soft:
        distance = np.linalg.norm(fields["offsets"], axis=1)
        noise = np.random.default_rng(0).uniform(0, 0.02, scores.shape)
        scores = (scores * np.exp(-((distance / 24) ** 2)) * 0.95 + noise).astype(np.float32)
    both = np.concatenate([fields["displacement_forward"], fields["displacement_backward"]])
    return PoseNetMaps(scores, fields["offsets"], both, STRIDE, COCO_TREE)


def main() -> None:
    """Print a line per scene and write the figures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = PoseNetDecodeSettings(max_poses=30, root_threshold=0.5, pose_threshold=0, nms_radius=20)
    lines = []
    for soft in (False, True):
        for people in (1, 5, 20):
            maps = maps_of(scene(people, seed=people), soft)
            found = len(decode_multi(maps, settings).scores)
            alternatives = {
                "ours": lambda m=maps: decode_multi(m, settings),
                "literal": lambda m=maps: decode_literally(m, 30, 0.5, 20),
            }
            ours, literal = medians(alternatives, 25).values()
            kind = "soft peaks" if soft else "encoded disks"
            lines.append({"maps": kind, "people": people, "found": found, "ours_ms": ours, "literal_ms": literal})
            print(f"{kind:14} {people:3} people, {found:3} found: {ours:6.2f} ms, literal {literal:7.1f} ms, "  # noqa: T201
                  f"ratio {literal / ours:5.1f}")  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
