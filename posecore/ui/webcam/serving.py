"""What a camera sees on its way to the browser, which asks for the newest again and again."""

from __future__ import annotations

import secrets
from typing import Any, Protocol
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from posecore.ui.shared.routes import route_path

_FOLDER = "live"


class Telling(Protocol):
    """Something that tells the newest of what a camera sees."""

    def newest(self) -> dict[str, Any] | None:
        """What was not told yet, as plain data for JSON; None when there is nothing soon."""


#: What all visitors may ask for, each for as long as its session lasts.
_offered: WeakValueDictionary[str, Telling] = WeakValueDictionary()


def offer(telling: Telling) -> str:
    """A new address, relative to the app's pages, that nobody can guess."""
    token = secrets.token_urlsafe(24)
    _offered[token] = telling
    return f"{_FOLDER}/{token}.json"


def live_routes() -> list[Route]:
    """Routes to add to the app. Whoever knows an address is told what it offers."""
    return [Route(route_path(f"{_FOLDER}/{{token}}.json"), _send)]


async def _send(request: Request) -> Response:
    telling = _offered.get(request.path_params["token"])
    if telling is None:
        return PlainTextResponse("This camera is not here any more; reload the page.", status_code=404)
    told = await run_in_threadpool(telling.newest)
    headers = {"Cache-Control": "no-store"}
    return Response(status_code=204, headers=headers) if told is None else JSONResponse(told, headers=headers)
