"""How far models' joints lie from labels: the noise that lifting is trained with.

Each labelled person is looked at in the *crops* protocol. Errors are in sizes of the person (root mean square distance
of the labelled limb joints from their middle). People whom a model did not find (median error above ``FOUND``) are left
out: a tracker would not follow them either. Joints are missing below ``THRESHOLD``; one is swapped when it lies at its
mirror image; what is farther off than four spreads is astray.

Run with ``python -m benchmarks.lifting_noise --people FOLDER [--limit 300] [--models …]``; it prints the table that
``posecore/lifting/noise.py`` holds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.data.coco import read_coco
from posecore.data.operations import mapped
from posecore.evaluation.predictions import predict, protocol_settings
from posecore.skeleton import COCO_17
from posecore.zoo import load_model

Array = NDArray[np.float64]
MODELS = (
    "posenet-mobilenet_v1-075.posecore",
    "posenet-mobilenet_v1-075.google_quant2",
    "movenet-lightning.google_int8",
)
FOUND, THRESHOLD = 0.25, 0.2
_LIMBS = np.arange(5, 17)


def errors(model: str, people: Path, name: str, limit: int) -> tuple[Array, Array, Array]:
    """``(P, 17, 2)`` errors, ``(P, 17, 2)`` the same from the mirrored joint, ``(P, 17)`` scores; NaN unlabelled."""
    dataset = mapped(read_coco(people / "annotations" / f"{name}.json", people / "images"), COCO_17)
    loaded = load_model(model, device="cpu")
    network, decode = protocol_settings(loaded, "crops", {"runtime": "torch"})
    found = predict(loaded, dataset, "crops", network, decode, limit=limit)
    rows: list[tuple[Array, Array, Array]] = []
    for picture in found:
        assert picture.answers is not None
        for row, index in enumerate(picture.answers):
            person = picture.image.people[index]
            truth = np.where(person.labelled[:, None], person.keypoints, np.nan).astype(np.float64)
            limbs = truth[_LIMBS][np.isfinite(truth[_LIMBS, 0])]
            if len(limbs) < 8:
                continue
            size = float(np.sqrt(((limbs - limbs.mean(0)) ** 2).sum(1).mean()))
            own = (picture.poses.keypoints[row] - truth) / size
            other = (picture.poses.keypoints[row] - truth[COCO_17.flip_permutation]) / size
            if np.nanmedian(np.linalg.norm(own, axis=1)) < FOUND:
                rows.append((own, other, picture.poses.keypoint_scores[row].astype(np.float64)))
    sys.stderr.write(f"{model} {name}: {len(rows)} people\n")
    own, other, scores = (np.array(part) for part in zip(*rows, strict=True))
    return own, other, scores


def table(parts: Sequence[tuple[Array, Array, Array]]) -> dict[str, tuple[float, ...]]:
    """Joint → bias x, bias y, spread, part astray, spread of those, part missing, part swapped; sides together."""
    own, other, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    result: dict[str, tuple[float, ...]] = {}
    for joint in dict.fromkeys(name.removeprefix("left_").removeprefix("right_") for name in COCO_17.keypoints):
        which = [i for i, name in enumerate(COCO_17.keypoints) if name.endswith(joint)]
        error = own[:, which].copy()
        right = [COCO_17.keypoints[i].startswith("right") for i in which]
        error[..., 0] *= np.where(right, -1, 1)
        labelled = np.isfinite(error[..., 0])
        missing = scores[:, which] < THRESHOLD
        far = np.linalg.norm(error, axis=-1)
        mirrored = np.linalg.norm(other[:, which], axis=-1)
        seen = labelled & ~missing
        swapped = seen & (mirrored < 0.5 * far) & (mirrored < 0.2)
        kept = error[seen & ~swapped]
        bias = np.median(kept, axis=0)
        spread = 1.4826 * float(np.median(np.abs(kept - bias)))
        distance = np.linalg.norm(kept - bias, axis=1)
        astray = distance > 4 * spread
        wide = float(np.median(distance[astray]) / 1.18) if astray.any() else spread
        shares = (float(astray.mean()), wide, float(missing[labelled].mean()), float(swapped[seen].mean()))
        result[joint] = (float(bias[0]), float(bias[1]), spread, *shares)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    options = parser.parse_args()
    sets = ("coco_train", "lsp_train")
    parts = [errors(model, options.people, name, options.limit) for model in options.models for name in sets]
    for joint, values in table(parts).items():
        sys.stdout.write(f'    "{joint}": ({", ".join(f"{value:.3f}" for value in values)}),\n')


if __name__ == "__main__":
    main()
