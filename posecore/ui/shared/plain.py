"""Foreign words in Markdown: names, titles, notes and messages are text, whatever stands in them."""

from __future__ import annotations

import re

#: Every ASCII punctuation character may be escaped (CommonMark 2.4); those of Markdown, LaTeX, HTML and Streamlit's
#: directives are.
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~:&^=\"'/@])")
#: What would become a link by itself even so.
_LINKS = re.compile(r"(?<=\\:)(?=\\/\\/)|(?<=[wW]{3})(?=\\\.)|(?=\\@)")
_WORD_JOINER = "\u2060"


def plain(text: object) -> str:
    """Text for a place that Streamlit reads as Markdown, so that it is shown as it is, in one line."""
    escaped = _MARKS.sub(r"\\\1", " ".join(str(text).split()))
    return _LINKS.sub(_WORD_JOINER, escaped)
