"""What can be told about people in the room."""

from __future__ import annotations

from pydantic import Field

from posecore.lifting.lift import HEIGHTS
from posecore.lifting.poses3d import USUAL_HEIGHT
from posecore.settings import Settings


class LiftSettings(Settings):
    """How people become people in the room."""

    height: float = Field(
        default=USUAL_HEIGHT,
        ge=HEIGHTS[0],
        le=HEIGHTS[1],
        title="Height in metres",
        description="How tall the people are; everything in metres rests on it.",
        json_schema_extra={"step": 0.01},
    )
    hold_feet: bool = Field(
        default=False,
        title="Hold feet",
        description="Keep each foot in one place while it stands, so that feet do not slide. Legs then agree a little "
        "less with the picture.",
    )

    @property
    def given_height(self) -> float | None:
        """The height if somebody said it, None where it is assumed."""
        return self.height if "height" in self.model_fields_set else None
