"""Saving the labels of one picture in sets of different sizes, against writing a set's whole file anew.

Sets have three people of 17 keypoints on every picture; all pictures are one file. Run with
``python -m benchmarks.labels [--sizes N …] [--rounds N]``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.timing import medians
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.coco import write_coco_json
from posecore.data.people import make_person
from posecore.data.stored import LABELS, PICTURES, StoredSet, new_note
from posecore.skeleton import COCO_17

PEOPLE = 3


def person(generator: np.random.Generator) -> Person:
    """Somebody anywhere."""
    return make_person(generator.uniform(0, 400, (17, 2)), np.full(17, Label.VISIBLE, np.uint8))


def a_set(folder: Path, count: int) -> StoredSet:
    """A set of ``count`` pictures, read."""
    generator = np.random.default_rng(count)
    (folder / PICTURES).mkdir(parents=True)
    path = folder / PICTURES / "one.png"
    Image.new("RGB", (400, 400)).save(path)
    people = [tuple(person(generator) for _ in range(PEOPLE)) for _ in range(100)]
    images = (AnnotatedImage(path, (400, 400), people[i % 100], i, split="train") for i in range(1, count + 1))
    write_coco_json(PoseDataset("drawn", COCO_17, tuple(images)), folder / LABELS)
    new_note("drawn", "drawn").write(folder)
    stored = StoredSet(folder)
    stored.dataset()
    return stored


def saving(stored: StoredSet) -> Callable[[], object]:
    """Saves people on one picture after another, and looks at the picture."""
    generator = np.random.default_rng(0)
    picture = itertools.cycle(range(1, len(stored.dataset()) + 1))

    def save() -> None:
        number = next(picture)
        stored.set_people(number, [person(generator) for _ in range(PEOPLE)])
        assert len(stored.image(number).people) == PEOPLE

    return save


def rewriting(stored: StoredSet) -> Callable[[], object]:
    """Saves a change and folds it in at once, which writes the whole file."""
    save = saving(stored)

    def rewrite() -> None:
        save()
        stored.fold()

    return rewrite


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 50_000])
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        sets = {size: a_set(Path(place) / str(size), size) for size in options.sizes}
        saved = medians({str(size): saving(stored) for size, stored in sets.items()}, options.rounds)
        for stored in sets.values():
            stored.fold()
        whole = medians({str(size): rewriting(stored) for size, stored in sets.items()}, max(options.rounds // 10, 3))
    smallest = saved[str(options.sizes[0])]
    lines = [f"{'pictures':>9} {'a save':>10} {'of the smallest':>16} {'whole file':>12} {'of a save':>10}"]
    for size in map(str, options.sizes):
        ratio = f"{saved[size] / smallest:.2f}"
        rewritten = f"{whole[size]:>9.1f} ms {whole[size] / saved[size]:>10.1f}"
        lines.append(f"{size:>9} {saved[size]:>7.2f} ms {ratio:>16} {rewritten}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
