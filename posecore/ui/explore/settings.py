"""What the page is set to: what pictures are looked at with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from posecore.data.box_files import Box
from posecore.drawing import DrawingOptions
from posecore.imaging import Region
from posecore.model import PoseModel
from posecore.ui.shared.models.engine import Analysis, analyse
from posecore.ui.shared.pictures.open_picture import Source, open_picture


@dataclass(frozen=True, eq=False)
class Settings:
    """What pictures are looked at with.

    Attributes:
        model: The model.
        network: Network settings.
        decode: Decode settings.
        options: How people are drawn.
        region: A picture's key, and the part of it that is looked at; other pictures are looked at as a whole.
        boxes: Where people are, by the pictures' keys, for a model that is told.
    """

    model: PoseModel
    network: Mapping[str, Any]
    decode: Mapping[str, Any]
    options: DrawingOptions
    region: tuple[str, Region] | None = None
    boxes: Mapping[str, Sequence[Box]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for settings that show the same."""
        return self.model.weights_id, *map(repr, (self.network, self.decode, self.options, self.region, self.boxes))

    def analyse(self, source: Source) -> Analysis:
        """Look at a picture.

        Raises:
            ImageError: When the picture or region cannot be used.
            SettingsError: When a setting does not fit this picture.
        """
        region = self.region[1] if self.region is not None and self.region[0] == source.key else None
        boxes = self.boxes.get(source.key, ())
        return analyse(self.model, open_picture(source), region, self.network, self.decode, boxes)
