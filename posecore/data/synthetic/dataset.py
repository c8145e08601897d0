"""Writing synthetic scenes as a COCO keypoint data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from posecore.data.synthetic.scenes import OUTSIDE, SyntheticPerson, render_scene
from posecore.errors import SettingsError
from posecore.skeleton import COCO_17
from posecore.storage import write_json

_JPEG_QUALITY = 92
_CATEGORY = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": list(COCO_17.keypoints),
    "skeleton": [[a + 1, b + 1] for a, b in COCO_17.edges],
}


def write_dataset(
    directory: str | Path,
    count: int,
    seed: int = 0,
    size: tuple[int, int] = (640, 480),
    people: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw ``count`` scenes into ``directory/images`` and describe them in ``directory/annotations.json``.

    The JSON appears only when all pictures are there, so an interrupted run leaves no half of it; running it again
    with the same arguments writes the same files.

    Args:
        directory: Made when it is not there.
        count: How many pictures.
        seed: Picture ``i`` is the scene of seed ``seed + i``.
        size: (width, height) of each picture in pixels.
        people: People per picture; None for 1 to 4.
        progress: Called with (done, count) after each picture.

    Returns:
        Path of the JSON file.

    Raises:
        SettingsError: When count, size or people is impossible.
    """
    if count < 1:
        raise SettingsError(f"A data set of {count} pictures is empty; ask for at least 1.")
    root = Path(directory)
    folder = root / "images"
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        scene = render_scene(seed + number, size, people)
        name = f"{seed + number:08d}.jpg"
        Image.fromarray(scene.image).save(folder / name, quality=_JPEG_QUALITY)
        images.append({"id": number + 1, "file_name": name, "width": size[0], "height": size[1]})
        for person in scene.people:
            annotations.append(_annotation(person, len(annotations) + 1, number + 1))
        if progress is not None:
            progress(number + 1, count)
    content = {
        "info": {"description": "Synthetic people drawn by posecore", "seed": seed},
        "images": images,
        "annotations": annotations,
        "categories": [_CATEGORY],
    }
    target = root / "annotations.json"
    write_json(target, content)
    return target


def _annotation(person: SyntheticPerson, annotation_id: int, image_id: int) -> dict[str, Any]:
    """One COCO annotation; keypoints outside the picture are written as 0, 0, 0, as COCO does.

    Keypoints keep the centre of the top-left pixel as their origin, boxes are counted from its corner.
    """
    inside = person.visibility != OUTSIDE
    triples = np.column_stack([person.keypoints.astype(float), person.visibility])
    triples = np.where(inside[:, None], np.round(triples, 2), 0)
    x0, y0, x1, y1 = (float(edge) + 0.5 for edge in person.box)
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": [int(value) if number % 3 == 2 else float(value) for number, value in enumerate(triples.ravel())],
        "num_keypoints": int(inside.sum()),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": person.area,
        "iscrowd": 0,
        "absent": np.flatnonzero(~inside).tolist(),
    }
