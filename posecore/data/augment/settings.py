"""What augmentation does and how strongly. Every strength 0 switches its transform off."""

from __future__ import annotations

from pydantic import Field

from posecore.settings import Settings


class AugmentSettings(Settings):
    """Random changes made to every training picture."""

    flip: float = Field(0.5, title="Flip", ge=0, le=1, description="Chance of mirroring; left and right joints swap.")
    rotation: float = Field(25.0, title="Rotation", ge=0, le=180, description="Standard deviation in degrees.")
    any_angle: float = Field(0.1, title="Any angle", ge=0, le=1, description="Chance of a rotation by any angle.")
    size: float = Field(
        0.8,
        title="Size",
        gt=0,
        le=5,
        description="Longer side of the person as a part of the input's side, before the change of scale.",
    )
    scale: float = Field(
        0.35, title="Scale", ge=0, lt=1, description="Largest relative change of size, log-uniform in both directions."
    )
    shift: float = Field(
        0.15,
        title="Shift",
        ge=0,
        le=1,
        description="Largest move of the person's centre, as a part of the input's side; together with a large size it "
        "crops the person.",
    )
    whole: float = Field(
        0.3,
        title="Whole scenes",
        ge=0,
        le=1,
        description="For whole pictures: chance of showing the picture as it is instead of one person in it.",
    )
    close_up: float = Field(
        0.0,
        title="Close-ups",
        ge=0,
        le=1,
        description="Chance of looking at a part of the person from near (a head, a bust, a half body, a leg); the "
        "other joints lie outside.",
    )
    mosaic: float = Field(0.0, title="Mosaic", ge=0, le=1, description="Chance of four pictures in one.")
    paste: float = Field(0.0, title="Paste", ge=0, le=1, description="Chance of a second person laid on the picture.")
    brightness: float = Field(0.2, title="Brightness", ge=0, le=1, description="Largest change, as a part of 255.")
    contrast: float = Field(0.3, title="Contrast", ge=0, lt=1, description="Largest relative change.")
    saturation: float = Field(0.4, title="Saturation", ge=0, le=1, description="Largest relative change.")
    tint: float = Field(0.15, title="Tint", ge=0, lt=1, description="Largest relative change of each colour.")
    blur: float = Field(0.1, title="Blur", ge=0, le=1, description="Chance of a Gaussian blur.")
    blur_sigma: float = Field(1.5, title="Blur sigma", gt=0, le=10, description="Largest sigma in pixels.")
    jpeg: float = Field(0.1, title="JPEG", ge=0, le=1, description="Chance of JPEG damage (approximated).")
    jpeg_quality: int = Field(25, title="JPEG quality", ge=1, le=95, description="Lowest quality.")
    cutout: float = Field(0.2, title="Cut-out", ge=0, le=1, description="Chance of a covered rectangle.")
    cutout_size: float = Field(
        0.35, title="Cut-out size", gt=0, le=1, description="Largest side of the rectangle, as a part of the input's."
    )

    @classmethod
    def none(cls, size: float = 0.8) -> AugmentSettings:
        """Settings that only place the person in the middle."""
        off = dict.fromkeys(("flip", "rotation", "any_angle", "scale", "shift", "close_up", "mosaic", "paste"), 0.0)
        off |= dict.fromkeys(("brightness", "contrast", "saturation", "tint", "blur", "jpeg", "cutout"), 0.0)
        return cls(size=size, whole=0.0, **off)
