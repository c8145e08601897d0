"""What people before a camera measure, drawn in the browser as it comes."""

from __future__ import annotations

from collections.abc import Sequence

from posecore.ui.shared.widgets.frontend import component

_gauges = component("gauges")


def gauges_view(address: str, measures: Sequence[str], *, label: str, key: str) -> None:
    """Show what is measured, person by person.

    Args:
        address: Where the browser asks for it, relative to the app's pages; see ``frontend/gauges/gauges.js``.
        measures: What is measured, in words.
        label: What is shown, for those who do not see it.
        key: Name of the widget.
    """
    _gauges(key=key, data={"label": label, "live": address, "measures": list(measures)})
