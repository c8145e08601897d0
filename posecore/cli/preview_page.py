"""The page that shows live pictures, and beside them the people in space."""

from __future__ import annotations

import json
from html import escape

from posecore.lifting.figure_data import packed_live
from posecore.lifting.live_figure import LiveFigure
from posecore.shipped import FRONTEND

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>posecore webcam</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --back: #fff;
          --st-font: system-ui, sans-serif; --st-base-radius: 10px; --st-primary-color: #0e7c86;
          --st-gray-color: #6b7a86; --st-text-color: #13212b; --st-secondary-background-color: #f3f6f8; }
  @media (prefers-color-scheme: dark) {
    :root { --back: #0e1419; --st-primary-color: #2db5a8; --st-gray-color: #8a99a6; --st-text-color: #e6edf3;
            --st-secondary-background-color: #18212a; }
  }
  body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center;
         background: var(--back); color: var(--st-text-color); }
  main { width: 100%; --high: calc(100vh - 3.5rem); }
  img { width: 100%; height: auto; max-height: var(--high); object-fit: contain; display: block; }
  .basis { font-size: 13px; }
  @media (min-width: 821px) {
    main:has(section) { display: grid; grid-template-columns: 3fr 2fr; gap: 12px; align-items: start; padding: 12px;
                        box-sizing: border-box; --high: calc(100vh - 6.5rem); }
  }
  @media (max-width: 820px) { main:has(section) { --high: 42vh; } section { padding: 12px 12px 0; } }
  p { margin: .75rem; }
STYLE
</style>
</head>
<body>
<main>
<img src="/stream?token=TOKEN" alt="The camera's picture with the poses in it">
FIGURE
</main>
<p id="status" role="status">Waiting for the first picture …</p>
<script>
  const line = document.getElementById("status");
  const look = async () => {
    try {
      line.textContent = (await (await fetch("/status?token=TOKEN")).json()).line;
      setTimeout(look, 1000);
    } catch (error) {
      line.textContent = "posecore has stopped.";
    }
  };
  look();
</script>
</body>
</html>
"""

_FIGURE = """<section>
HTML
<p class="basis">BASIS</p>
<script type="module">
  import show from "/modules/figure/figure.js";
  show({ data: DATA, parentElement: document.querySelector("section") });
</script>
</section>"""
#: Of the frame with the figure: what is said about it stays below.
_ROOM = "min(calc(var(--high) - 4.5rem), 34rem)"


def preview_page(token: str, figure: LiveFigure | None) -> str:
    """The page as HTML.

    Args:
        token: What the page has to show when it asks for pictures.
        figure: The people in space, where they are shown.
    """
    page = _PAGE
    if figure is None:
        page = page.replace("STYLE\n", "").replace("FIGURE\n", "")
    else:
        page = page.replace("STYLE", (FRONTEND / "figure" / "figure.css").read_text("utf-8"))
        page = page.replace("FIGURE", _figure(figure))
    return page.replace("TOKEN", token)


def _figure(figure: LiveFigure) -> str:
    data = {"label": "The people in three dimensions", "room": _ROOM, **packed_live("/figure?token=TOKEN")}
    parts = {
        "HTML": (FRONTEND / "figure" / "figure.html").read_text("utf-8"),
        "BASIS": escape(figure.basis),
        "DATA": json.dumps(data),
    }
    text = _FIGURE
    for name, part in parts.items():
        text = text.replace(name, part)
    return text
