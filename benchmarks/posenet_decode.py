"""Our PoseNet decoder against the literal one, on encoded scenes, one thread.

Run with ``python -m benchmarks.posenet_decode [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from benchmarks.timing import medians
from posecore.families.posenet.codec import PoseNetDecodeSettings, decode_multi
from tests.oracles.posenet import decode_literally
from tests.oracles.scenes import posenet_maps, scene


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
            maps = posenet_maps(scene(people, seed=people), soft)
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
