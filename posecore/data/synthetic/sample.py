"""A small set of drawn people that is always the same, for trying out what needs labelled pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.data.synthetic.dataset import write_dataset
from posecore.home import home
from posecore.storage import DraftFolder, writing

#: Pictures of the set, and the seed of the first.
SAMPLE_PICTURES, _SEED = 40, 5000
SAMPLE_TITLE = "Drawn people"
#: What the name of a folder begins with in which the set is being drawn.
_DRAFT = ".drawing-"


def sample_folder() -> Path:
    """Where the set lies, or will lie."""
    return home() / "cache" / "people"


def sample_people() -> PoseDataset:
    """The set, drawn when it is asked for first.

    Raises:
        StorageError: When it cannot be written.
    """
    folder = sample_folder()
    with writing(folder):
        if not (folder / "annotations.json").is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with DraftFolder(_DRAFT, folder.parent) as draft:
                write_dataset(draft, SAMPLE_PICTURES, _SEED)
                if not folder.exists():
                    draft.rename(folder)
    return replace(read_coco(folder / "annotations.json", folder / "images"), name=SAMPLE_TITLE)
