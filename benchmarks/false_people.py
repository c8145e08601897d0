"""People that models see where nobody is, at the settings that the app and the commands begin with.

``python -m benchmarks.false_people`` draws places without anybody and asks every model on this machine. With
``--annotations FILE --images FOLDER`` it asks about the pictures of a labelled set that have nobody on them as well
(COCO's own files have some hundreds), with ``--pictures FOLDER`` about all pictures of a folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.tables import Row, printed, table_parser
from posecore.data.annotations import PoseDataset
from posecore.data.bare import bare_pictures
from posecore.data.detect import open_dataset
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError
from posecore.evaluation import evaluate
from posecore.evaluation.groups import false_people, is_empty
from posecore.model import PoseModel
from posecore.settings import EXACT_NETWORK
from posecore.skeleton import COCO_17
from posecore.zoo import load_model

#: Seed of the first drawn place: none that our networks were trained on.
_SEED = 900_000


def drawn_places(folder: Path, count: int) -> PoseDataset:
    """So many drawn places without anybody, written to a folder."""
    return replace(open_dataset(write_dataset(folder, count, _SEED, people=0)), name="drawn")


def without_people(dataset: PoseDataset) -> PoseDataset:
    """The pictures of a set that are known to have nobody on them; raises ``DataError`` when there are none."""
    images = tuple(image for image in dataset.images if is_empty(image))
    if not images:
        raise DataError(f"Somebody is, or may be, on every picture of {dataset.name}; give a set with empty pictures.")
    return replace(dataset, images=images)


def pictures_of_nobody(folder: Path) -> PoseDataset:
    """All pictures of a folder, which the caller knows to have nobody on them; raises ``DataError`` without any."""
    found = bare_pictures(folder, COCO_17)
    if found is None:
        raise DataError(f"There is no picture in {folder}.")
    return replace(found, name=folder.name, images=tuple(replace(image, ignore=()) for image in found.images))


def line(model: PoseModel, empty: PoseDataset) -> Row:
    """A row of the table."""
    settings = {**model.network_settings(**EXACT_NETWORK).model_dump(), **model.decode_settings().model_dump()}
    evaluation = evaluate(model, empty, "full", settings)
    found = false_people(evaluation)
    assert found is not None
    somebody = sum(bool(len(item.poses)) for item in evaluation.predictions)
    return {
        "model": model.name,
        "set": empty.name,
        "pictures": found.pictures,
        "false people per 100 pictures": f"{found.per_100:.1f} ({found.interval.low:.1f} … {found.interval.high:.1f})",
        "pictures with any": f"{100 * somebody / found.pictures:.0f} %",
    }


def lines(names: Sequence[str], sets: Sequence[PoseDataset]) -> Iterator[Row]:
    """A row for every model and set."""
    for name in names:
        model = load_model(name, device="cpu")
        for empty in sets:
            yield line(model, empty)


def main() -> None:
    """Print the table."""
    parser = table_parser(__doc__)
    parser.add_argument("--drawn", type=int, default=200, help="places that are drawn; 0 for none")
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--pictures", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    sets = []
    if chosen.annotations is not None:
        sets.append(without_people(open_dataset(chosen.annotations, images=chosen.images)))
    if chosen.pictures is not None:
        sets.append(pictures_of_nobody(chosen.pictures))
    with tempfile.TemporaryDirectory() as folder:
        if chosen.drawn:
            sets.insert(0, drawn_places(Path(folder), chosen.drawn))
        printed(lines(chosen.models, sets), chosen.into, "false people", ("model", "set"))


if __name__ == "__main__":
    main()
