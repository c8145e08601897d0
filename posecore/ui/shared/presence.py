"""Which visitors are here, and which have been away for too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from streamlit.runtime.scriptrunner import get_script_run_ctx

#: Seconds that a session may be away, as while a laptop sleeps or a page is reloaded, before what belongs to it goes.
#: Streamlit itself forgets it after two minutes.
PATIENCE = 150.0


def current_session() -> str | None:
    """Identity of the session whose page is being drawn; None outside a page."""
    context = get_script_run_ctx()
    return None if context is None else context.session_id


class Presence:
    """Remembers when sessions were seen last."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def gone(self, sessions: Iterable[str], is_active: Callable[[str], bool], now: float | None = None) -> set[str]:
        """Those of ``sessions`` that have been away for longer than :data:`PATIENCE`; asked every now and then.

        Args:
            sessions: All that still own something; others are forgotten.
            is_active: Tells of a session whether somebody is connected to it.
            now: Seconds of a clock that never goes back; by default ``time.monotonic``.
        """
        now = time.monotonic() if now is None else now
        self._seen = {one: now if is_active(one) else self._seen.get(one, now) for one in sessions}
        return {one for one, seen in self._seen.items() if now - seen >= PATIENCE}
