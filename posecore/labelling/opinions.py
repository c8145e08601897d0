"""What a model says of labelled people, kept as it is found, so that asking thousands of them survives a break."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import AnnotatedImage
from posecore.data.batches import stamp
from posecore.parsing import MalformedError, parse_json
from posecore.storage import writing


@dataclass(frozen=True, eq=False)
class Opinion:
    """What a model says of one person, from a view and its mirror image.

    Attributes:
        keypoints: ``(K, 2)`` picture pixels (x, y), the mean of both views.
        low, high: ``(K,)`` lower and higher score of the two views.
        agreement: ``(K,)`` similarity of the two views.
    """

    keypoints: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    agreement: NDArray[np.float64]


class OpinionFile:
    """Opinions of one model, a line of JSON each; the first line says of which.

    A file of another model or of other settings is begun anew. Opinions are of a person's box in a picture file as it
    is: another box, or a picture that has changed, is a person nobody was asked about.

    Args:
        path: The file; None keeps opinions in memory only.
        made_by: Who is asked, and how.
    """

    def __init__(self, path: Path | None, made_by: Mapping[str, Any]) -> None:
        self.path, self._head = path, json.dumps(dict(made_by), sort_keys=True)
        self._known: dict[str, Opinion] = {}
        self._begun = path is not None and path.is_file() and self._read(path)

    def _read(self, path: Path) -> bool:
        """Take up what a file holds; False when it is of something else."""
        first, *lines = path.read_text("utf-8").splitlines() or [""]
        if first != self._head:
            return False
        for line in lines:
            try:
                key, *values = parse_json(line)
                self._known[key] = Opinion(*(np.array(value, np.float64) for value in values))
            except (MalformedError, TypeError, ValueError):
                # What a killed process began to write.
                continue
        return True

    def get(self, image: AnnotatedImage, index: int) -> Opinion | None:
        """What is known of a person."""
        return self._known.get(_key(image, index))

    def add(self, opinions: Iterable[tuple[AnnotatedImage, int, Opinion]]) -> None:
        """Keep what was said of some people.

        Raises:
            StorageError: When it cannot be written.
        """
        lines = [] if self._begun else [self._head]
        for image, index, opinion in opinions:
            key = _key(image, index)
            xy = opinion.keypoints.round(2)
            scores = [values.round(4) for values in (opinion.low, opinion.high, opinion.agreement)]
            # What is taken up later is what counts now.
            self._known[key] = Opinion(xy, *scores)
            lines.append(json.dumps([key, *(values.tolist() for values in (xy, *scores))]))
        if self.path is None:
            return
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a" if self._begun else "w", encoding="utf-8") as file:
                # A line that a killed process began ends here.
                file.write("\n" * self._begun + "\n".join(lines))
        self._begun = True


def _key(image: AnnotatedImage, index: int) -> str:
    box = [round(float(side), 2) for side in image.people[index].box]
    return json.dumps([str(image.path.absolute()), stamp(image.path), box])
