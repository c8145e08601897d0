"""Clips on their way to the browser: straight from the disk and in the pieces that a player asks for."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from posecore.errors import VideoError
from posecore.ui.shared.routes import route_path

_FOLDER = "clips"


def clip_address(token: str, clip: Path) -> str:
    """Address of a run's clip, relative to the app's pages."""
    return f"{_FOLDER}/{token}/{clip.name}"


def clip_routes() -> list[Route]:
    """Routes to add to the app. Whoever knows a run's token gets its clip."""
    return [Route(route_path(f"{_FOLDER}/{{token}}/{{name}}"), _send_clip)]


async def _send_clip(request: Request) -> Response:
    path = await run_in_threadpool(_find, request.path_params["token"], request.path_params["name"])
    if path is None:
        return PlainTextResponse("This clip is not here any more; run the video again.", status_code=404)
    # A clip drawn anew has another name, so an address never changes its content.
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type="video/mp4", headers=headers, filename=request.query_params.get("save"))


def _find(token: str, name: str) -> Path | None:
    # Imported here: it needs torch, which takes seconds that the start of the server need not wait for.
    from posecore.ui.video.runs import run_desk

    run = run_desk().get(token)
    try:
        clip = None if run is None else run.clip
    except VideoError:
        return None
    return clip if clip is not None and clip.name == name and clip.is_file() else None
