"""Figures on their way to the browser: it asks for the newest one again and again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from posecore.ui.shared.routes import route_path

if TYPE_CHECKING:
    # It needs torch, which takes seconds that the start of the server need not wait for.
    from posecore.lifting.live_figure import LiveFigure

_FOLDER = "figures"
#: Those of all visitors, each for as long as its session lasts.
_figures: WeakValueDictionary[str, LiveFigure] = WeakValueDictionary()


def offer_figure(figure: LiveFigure) -> str:
    """A new address of a figure, relative to the app's pages, that nobody can guess."""
    token = secrets.token_urlsafe(24)
    _figures[token] = figure
    return f"{_FOLDER}/{token}.json"


def figure_routes() -> list[Route]:
    """Routes to add to the app. Whoever knows an address gets its figure."""
    return [Route(route_path(f"{_FOLDER}/{{token}}.json"), _send)]


async def _send(request: Request) -> Response:
    figure = _figures.get(request.path_params["token"])
    if figure is None:
        return PlainTextResponse("This camera is not here any more; reload the page.", status_code=404)
    told = await run_in_threadpool(figure.newest)
    headers = {"Cache-Control": "no-store"}
    return Response(status_code=204, headers=headers) if told is None else JSONResponse(told, headers=headers)
