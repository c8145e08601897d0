"""Pages that need nothing else: HTML with its style, tables and pictures inside, for light and dark screens."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

import pandas as pd

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
div { overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid rgb(128 128 128 / 35%); text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 0 0 1.5rem; }
img, svg { max-width: 100%; height: auto; }
img { border-radius: 6px; }
.side { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
.side figure { margin: 0; }
figcaption { font-size: 13px; opacity: .8; }
"""


def html_page(title: str, parts: Iterable[str]) -> str:
    """The whole page; ``parts`` are HTML already."""
    head = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>',
        f"<h1>{escape(title)}</h1>",
    ]
    return "\n".join([*head, *parts, "</html>"])


def html_table(table: pd.DataFrame) -> str:
    """A table; what stands in its cells is text."""
    return f"<div>{table.to_html(index=False, border=0, na_rep='–')}</div>"


def html_picture(name: str, jpeg: bytes) -> str:
    """A picture with its name below it."""
    data = base64.b64encode(jpeg).decode("ascii")
    said = escape(name, quote=True)
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt="{said}"><figcaption>{said}</figcaption></figure>'
