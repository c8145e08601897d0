"""Opening every picture of a set: what a reader of labels leaves out because it takes long."""

from __future__ import annotations

from collections.abc import Callable

from posecore.data.annotations import PoseDataset, Problem
from posecore.errors import ImageError
from posecore.imaging import read_image


def verify_pictures(dataset: PoseDataset, advance: Callable[[], object] = lambda: None) -> list[Problem]:
    """Problems of pictures that are missing, damaged, or not of the size their labels were made for.

    Args:
        dataset: The set.
        advance: Called after every picture.
    """
    problems = []
    for image in dataset:
        place = f"image {image.image_id}"
        try:
            height, width = read_image(image.path).shape[:2]
            if (width, height) != image.size:
                expected = f"{image.size[0]} × {image.size[1]}"
                problems.append(Problem(image.path, place, f"{width} × {height} pixels, but labelled for {expected}"))
        except FileNotFoundError:
            problems.append(Problem(image.path, place, "the picture is missing"))
        except (ImageError, OSError) as error:
            problems.append(Problem(image.path, place, str(error)))
        advance()
    return problems
