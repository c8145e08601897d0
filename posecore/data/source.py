"""Where the pictures of a training run come from: what a stored set hands over, and what a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field, model_validator

from posecore.data.batches import PackSettings
from posecore.data.detect import ReadFormat
from posecore.settings import Settings


class SetMark(Settings):
    """Which stored set pictures were taken from, and as what it stood then."""

    name: str = Field(description="Name of the set in the library.")
    content: str = Field("", description="Hash of its labels when the run was set up.")


class Source(Settings):
    """One set of annotated pictures."""

    annotations: str | None = Field(
        None,
        description="COCO, Dataloop or labelme JSON, YOLO's data.yaml, CVAT's XML, DeepLabCut's CSV, a folder or zip "
        "in a known format, an LMDB of OpenPose, or tars of WebDataset.",
    )
    images: str | None = Field(None, description="Folder of the pictures where the labels are elsewhere.")
    format: ReadFormat | None = Field(None, description="Format of the annotations; found out unless given.")
    split: str | None = Field(None, description="Only this part of a set that has its own split, for example train.")
    names: Mapping[str, str] = Field(
        default_factory=dict, description="Keypoint names of the set that the skeleton calls differently."
    )
    class_names: tuple[str, ...] = Field(
        (),
        description="For networks that find boxes: learn the boxes of these classes, for example [person], of COCO "
        "JSON that needs no keypoints. Unless given, people who are labelled with keypoints are learnt.",
    )
    synthetic: int | None = Field(None, ge=1, le=1000000, description="Instead of files: so many drawn scenes.")
    seed: int = Field(100000, ge=0, description="Seed of the first drawn scene.")
    repeat: float = Field(1.0, gt=0, le=1000, description="How often each cut-out is shown per epoch.")
    pack: PackSettings = Field(default_factory=PackSettings, description="How pictures are cut.")
    mixed: int = Field(
        8,
        ge=1,
        le=1000,
        description="Tars are read one after the other, in another order every epoch; so many of them are shuffled "
        "together.",
    )
    stored: SetMark | None = Field(None, description="The stored set that annotations and images belong to.")

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        if (self.annotations is None) == (self.synthetic is None):
            raise ValueError("a source needs either annotations or synthetic")
        return self

    def packed_like(self, usual: PackSettings) -> Source:
        """The same source; each setting of packing that it leaves open is the one of ``usual``."""
        said = {name: getattr(self.pack, name) for name in self.pack.model_fields_set}
        return self.model_copy(update={"pack": usual.model_copy(update=said)})


class Sources(NamedTuple):
    """What there is to learn from.

    Attributes:
        train: Sets to train on.
        validation: Sets to measure on; without any, a part of the training pictures is held out.
    """

    train: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
