"""Names, titles, notes and messages of others are shown as text, never read as Markdown."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from posecore.ui.shared.plain import plain
from tests.app_support import ROOT

#: What Streamlit reads as Markdown.
MARKDOWN = {
    *("markdown", "caption", "error", "info", "warning", "success", "toast", "write", "subheader", "header", "title"),
    *("spinner", "progress", "status", "badge", "button", "checkbox", "toggle", "expander", "metric"),
}
#: What holds words of others.
FOREIGN = {"title", "label", "note", "name", "path", "error", "description", "message", "licence", "sentence", "folder"}


@pytest.mark.parametrize(
    "text",
    [
        "![x](https://evil.example/p.png)",
        "shot_$5_to_$6.jpg",
        "_a_ *b* **c** ~~d~~ `e`",
        ":red[x] :material/home: :smile:",
        "<b>bold</b> &amp; <script>alert(1)</script>",
        "# heading",
        "- item",
        "1. item",
        "[link](javascript:alert(1))",
        "a | b\n--|--\n1 | 2",
        "line\n\n## other",
        "\\*",
    ],
)
def test_marks_are_shown(text: str) -> None:
    assert shown(text) == " ".join(text.split())


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=40))
def test_any_text_is_shown(text: str) -> None:
    assert shown(text) == " ".join(text.split())


def test_nothing_becomes_a_link_by_itself() -> None:
    for text in ("https://evil.example", "www.evil.example", "a@evil.example"):
        # A joiner of no width stands where the address would be recognised.
        assert "\u2060" in plain(text)


def shown(text: str) -> str:
    """What a reader of Markdown sees; fails when there is anything but text."""
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(plain(text))
    inline = [token for token in tokens if token.type == "inline"]
    assert {token.type for token in tokens} <= {"inline", "paragraph_open", "paragraph_close"}
    parts = [child for token in inline for child in token.children or ()]
    assert {part.type for part in parts} <= {"text", "text_special", "softbreak"}
    return "".join(part.content for part in parts).replace("\u2060", "")


def test_words_of_others_are_escaped_wherever_they_stand_in_markdown() -> None:
    found = [place for file in sorted((ROOT / "posecore" / "ui").rglob("*.py")) for place in unescaped(file)]
    assert found == []


def unescaped(file: Path) -> Iterator[str]:
    """Places where an f-string for Markdown takes such words as they are."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKDOWN:
            for argument in node.args[:1]:
                for part in ast.walk(argument):
                    if isinstance(part, ast.FormattedValue) and foreign(part.value):
                        yield f"{file.relative_to(ROOT)}:{part.lineno}: {ast.unparse(part.value)}"


def foreign(value: ast.expr) -> bool:
    """Whether this is an attribute or variable that holds words of others; our own labels of controls are not."""
    if isinstance(value, ast.Attribute):
        return value.attr in FOREIGN and ast.unparse(value) != "control.label"
    return isinstance(value, ast.Name) and value.id in FOREIGN - {"title", "label"}
