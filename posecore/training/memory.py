"""What training on a processor asks of the C library's memory."""

from __future__ import annotations

import ctypes
import sys

#: Numbers of glibc's ``mallopt``: how much free memory at the top is given back, and how many blocks are mapped apart.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: A threshold that is never reached; as a number it could be 2 GB at most.
_NEVER = -1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for what it needs next.

    A step of training makes and frees the same large arrays as the step before. By default glibc gives blocks of more
    than 32 MB back to the system at once, which has to clear them before it hands them out again: a quarter to a third
    of a step's CPU time. The process stays as large as it was at its largest.

    Returns:
        Whether anything was changed: on Linux with glibc only.

    Source:
        ``man 3 mallopt``.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
