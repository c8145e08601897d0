"""Batches as they are drawn, compared."""

from __future__ import annotations

from posecore.data.augment import Draw


def same(one: Draw, other: Draw) -> bool:
    """Equal to the last bit."""
    return (one.pictures, one.side, one.seed, len(one.layers)) == (
        other.pictures,
        other.side,
        other.seed,
        len(other.layers),
    ) and all(
        getattr(a, name).numpy().tobytes() == getattr(b, name).numpy().tobytes()
        for a, b in zip(one.layers, other.layers, strict=True)
        for name in vars(a)
    )
