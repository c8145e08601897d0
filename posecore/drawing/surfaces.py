"""What poses are drawn on: the pixels of a picture, or strokes that a browser draws on the picture it has.

Positions are (x, y) in pixels, the centre of the top-left one at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from posecore.drawing.shapes import Color, Points, capsules, discs, fill
from posecore.drawing.text import baseline, outline_width, paint, text_masks
from posecore.imaging import Picture

Colors = Color | Sequence[Color]


class Surface(Protocol):
    """Takes shapes, each on top of those before it."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""

    def lines(self, segments: Points, width: float, color: Colors, steps: int = 6) -> None:
        """Round-ended lines along segments ``(N, 2, 2)``; a round end has about ``steps`` corners on pixels."""

    def discs(self, centres: Points, radius: float, color: Colors) -> None:
        """Discs around ``(N, 2)`` centres."""

    def plate(self, left: int, top: int, width: int, height: int, color: Color) -> None:
        """A filled rectangle of whole pixels."""

    def text(self, text: str, corner: tuple[int, int], size: int, color: Color, rim: Color | None, bold: bool) -> None:
        """A line of text whose box begins at ``corner``, with a rim unless that is None."""


class Pixels:
    """A picture that is drawn on."""

    def __init__(self, canvas: Picture) -> None:
        self._canvas = canvas

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._canvas.shape[1], self._canvas.shape[0]

    def lines(self, segments: Points, width: float, color: Colors, steps: int = 6) -> None:
        """As :class:`Surface` says."""
        fill(self._canvas, capsules(segments, width, self._canvas, steps=steps), color)

    def discs(self, centres: Points, radius: float, color: Colors) -> None:
        """As :class:`Surface` says."""
        fill(self._canvas, discs(centres, radius, self._canvas), color)

    def plate(self, left: int, top: int, width: int, height: int, color: Color) -> None:
        """As :class:`Surface` says."""
        self._canvas[top : top + height, left : left + width] = color

    def text(self, text: str, corner: tuple[int, int], size: int, color: Color, rim: Color | None, bold: bool) -> None:
        """As :class:`Surface` says."""
        around, letters = text_masks(text, size, 0 if rim is None else outline_width(size), bold)
        if rim is not None:
            paint(self._canvas, around, corner, rim)
        paint(self._canvas, letters, corner, color)


class Strokes:
    """Shapes written down for another program.

    Attributes:
        list: The shapes in their order, as plain data. Positions count from the picture's edge, as browsers do. Lines
            and discs have ``layers``, (width or radius, colours) of each: all shapes once for every layer.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.list: list[dict[str, Any]] = []

    def lines(self, segments: Points, width: float, color: Colors, steps: int = 6) -> None:
        """As :class:`Surface` says."""
        seen = np.asarray(np.isfinite(segments).all((1, 2)))
        if seen.any():
            self._add("lines", segments[seen].reshape(-1, 4), _seen(color, seen), width)

    def discs(self, centres: Points, radius: float, color: Colors) -> None:
        """As :class:`Surface` says."""
        seen = np.asarray(np.isfinite(centres).all(1))
        if seen.any():
            self._add("discs", centres[seen], _seen(color, seen), radius)

    def plate(self, left: int, top: int, width: int, height: int, color: Color) -> None:
        """As :class:`Surface` says."""
        self.list.append({"kind": "plate", "at": [left, top, width, height], "color": _hex(color)})

    def text(self, text: str, corner: tuple[int, int], size: int, color: Color, rim: Color | None, bold: bool) -> None:
        """As :class:`Surface` says."""
        around = 0 if rim is None else outline_width(size)
        letters = text_masks(text, size, around, bold)[1]
        self.list.append(
            {
                "kind": "text",
                "at": [corner[0] + around, corner[1] + around + baseline(size, bold)],
                "length": letters.shape[1] - 2 * around,
                "size": size,
                "text": text,
                "bold": bold,
                "color": _hex(color),
                "rim": None if rim is None else [_hex(rim), 2 * around],
            }
        )

    def _add(self, kind: str, places: Points, colors: list[str], size: float) -> None:
        at = np.round(places + 0.5, 1).ravel().tolist()
        last = self.list[-1] if self.list else {}
        if (last.get("kind"), last.get("at")) != (kind, at):
            last = {"kind": kind, "at": at, "layers": []}
            self.list.append(last)
        # A shape on its own rim: the places are said once.
        last["layers"].append([round(size, 2), colors])


def _seen(color: Colors, seen: NDArray[np.bool_]) -> list[str]:
    """One colour for all, or one each of those that are seen."""
    if isinstance(color[0], int):
        return [_hex(color)]  # type: ignore[arg-type]
    each = [_hex(one) for one, shown in zip(color, seen.tolist(), strict=True) if shown]  # type: ignore[arg-type]
    return each[:1] if len(set(each)) == 1 else each


def _hex(color: Color) -> str:
    return "#" + bytes(color).hex()
