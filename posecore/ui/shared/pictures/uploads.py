"""Taking files over from an upload field."""

from __future__ import annotations

import shutil
from pathlib import Path

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile


def take_over(file: UploadedFile) -> bytes:
    """The content of an uploaded file, which Streamlit then forgets.

    Streamlit keeps uploads in memory until the session ends, even when their field is long gone; two hundred
    photographs would stay half a gigabyte.
    """
    data = file.getvalue()
    _forget(file)
    return data


def take_over_to(file: UploadedFile, path: Path) -> None:
    """Write an uploaded file to ``path``, a piece at a time; Streamlit then forgets it, as in :func:`take_over`."""
    file.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(file, target, 1 << 20)
    _forget(file)


def _forget(file: UploadedFile) -> None:
    context = get_script_run_ctx()
    forget = getattr(context.uploaded_file_mgr, "remove_file", None) if context is not None else None
    if context is not None and forget is not None:
        forget(session_id=context.session_id, file_id=file.file_id)
