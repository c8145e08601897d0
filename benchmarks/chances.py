"""What the calibrations are worth on pictures that they were not learnt from.

``python -m benchmarks.chances FOLDER --models A B`` judges them by ``FOLDER/annotations/SET.json``: expected
calibration error (ECE) and Brier score of scores as they are and as chances, and which part is right of what has a
chance of .45 to .55. The calibrations themselves come from ``posecore calibrate --annotations coco_train.json --to
posecore/calibrations``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.tables import NOTHING, Row, printed, table_parser
from posecore.calibration import ScoreMap
from posecore.data.coco import read_coco
from posecore.evaluation.calibration import check, with_nothing_hidden
from posecore.evaluation.confidence import Samples, joint_samples, person_samples
from posecore.zoo import load_model


def lines(names: Sequence[str], folder: Path, set_name: str, limit: int) -> Iterator[Row]:
    """A line for the joints and one for the people of every model."""
    dataset = read_coco(folder / "annotations" / f"{set_name}.json", folder / "images")
    for name in names:
        model = load_model(name)
        calibration = model.calibration
        if calibration is None:
            continue
        seen = with_nothing_hidden(model, dataset, limit, {})
        # The neck of some skeletons is in no label.
        places = [model.skeleton.keypoints.index(joint) for joint in seen.skeleton.keypoints]
        joint = calibration.joint.of_joints(places)
        yield _line(name, "joints", joint, joint_samples(seen))
        yield _line(name, "people", calibration.person, person_samples(seen))


def _line(name: str, what: str, map_: ScoreMap, samples: Samples) -> Row:
    found = check(map_, samples)
    low, high = found.after.brier_interval.low, found.after.brier_interval.high
    return {
        "model": name,
        "of": what,
        "number": f"{len(samples):,}",
        "ECE": f"{found.before.ece:.3f} → {found.after.ece:.3f}",
        "Brier": f"{found.before.brier:.3f} → {found.after.brier:.3f} ({low:.3f} … {high:.3f})",
        "right at .45–.55": NOTHING if found.band is None else f"{found.band:.2f} of {found.in_band}",
    }


def main() -> None:
    """Print the table."""
    parser = table_parser(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", default="coco_val")
    parser.add_argument("--limit", type=int, default=5000)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    found = lines(chosen.models, chosen.folder, chosen.set, chosen.limit)
    printed(found, chosen.into, "chances", ("model", "of"))


if __name__ == "__main__":
    main()
