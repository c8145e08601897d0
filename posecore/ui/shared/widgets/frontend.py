"""The browser's side of the app's own widgets: a folder of ``posecore/ui/frontend`` each.

The browser loads the JavaScript module by module, as it is written. The address of the modules has a fingerprint of all
of them in it: what a browser keeps never mixes two versions, and need never be asked for again.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from posecore.shipped import FRONTEND, browser_modules
from posecore.ui.shared.routes import route_path

_ADDRESS = "posecore-modules"
#: Nothing can be pressed before its module is there.
_UNREADY = '[class^="posecore-"]:not([data-ready]) { visibility: hidden; }'


def component(name: str, *, styles: tuple[str, ...] = ()) -> Any:
    """Register the component whose files are ``frontend/NAME/NAME.*``.

    Args:
        name: Of the folder.
        styles: Style sheets of ``frontend/shared`` that come before its own.
    """
    folder = FRONTEND / name
    sheets = [*(FRONTEND / "shared" / f"{style}.css" for style in styles), folder / f"{name}.css"]
    return st.components.v2.component(
        f"posecore_{name}",
        html=(folder / f"{name}.html").read_text("utf-8"),
        css="\n".join([_UNREADY, *(sheet.read_text("utf-8") for sheet in sheets)]),
        js=_entry(module_address(f"{name}/{name}.js")),
    )


def module_address(name: str) -> str:
    """Address of a module, relative to the app's pages."""
    return f"{_ADDRESS}/{_fingerprint()}/{name}"


def _entry(address: str) -> str:
    """What the browser runs in place of a module without an address: it takes the real one, relative to the page."""
    return (
        f'const module = await import(new URL("{address}", document.baseURI).href);\n'
        "export default (component) => {\n"
        "  const leave = module.default(component);\n"
        """  component.parentElement.querySelector('[class^="posecore-"]').dataset.ready = "";\n"""
        "  return leave;\n"
        "};\n"
    )


def module_routes() -> list[Route]:
    """Routes to add to the app, where the browser finds the modules."""
    return [Route(route_path(f"{_ADDRESS}/{{fingerprint}}/{{name:path}}"), _send_module)]


@cache
def _fingerprint() -> str:
    content = hashlib.blake2b(digest_size=8)
    for name, path in browser_modules().items():
        content.update(f"{name}\n".encode() + path.read_bytes())
    return content.hexdigest()


async def _send_module(request: Request) -> Response:
    path = browser_modules().get(request.path_params["name"])
    if path is None or request.path_params["fingerprint"] != _fingerprint():
        return PlainTextResponse("There is no such module; reload the page.", status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(path, media_type="text/javascript", headers=headers)
