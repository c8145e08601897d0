"""Foreign words in Markdown: names, titles, notes and messages are text, whatever stands in them."""

from __future__ import annotations

import re

#: What begins something else than text wherever it stands (any of them may be escaped: CommonMark 2.4), …
_MARKS = re.compile(r"([\\`*_\[\]<>$~|&]|:(?=\S))")
#: … and what does so at the beginning of a line.
_BEGINNINGS = re.compile(r"^([-+=#])|^(\d+)(?=[.)])")
#: What would become a link by itself even so.
_LINKS = re.compile(r"(?<=\\:)(?=//)|(?<=[wW]{3})(?=\.)|(?=@)")
_WORD_JOINER = "\u2060"


def plain(text: object) -> str:
    """Text for a place that Streamlit reads as Markdown, so that it is shown as it is, in one line."""
    escaped = _MARKS.sub(r"\\\1", " ".join(str(text).split()))
    escaped = _BEGINNINGS.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}{_WORD_JOINER}", escaped)
    return _LINKS.sub(_WORD_JOINER, escaped)
