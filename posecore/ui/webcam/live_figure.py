"""The people before a visitor's camera in space, with an address at which the browser asks for them."""

from __future__ import annotations

from collections.abc import Callable

from posecore.lifting.live_figure import LiveFigure
from posecore.ui.webcam.serving import offer
from posecore.video import LiveSession


class OfferedFigure(LiveFigure):
    """A figure that the visitor's browser may ask for.

    Args:
        running: As of :class:`LiveFigure`.

    Attributes:
        address: Where the browser asks, relative to the app's pages.
    """

    def __init__(self, running: Callable[[], LiveSession | None]) -> None:
        super().__init__(running)
        self.address = offer(self)
