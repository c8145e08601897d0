"""Pictures that browsers fetch once, so that pages need not send them with everything that changes above them."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from posecore.ui.shared.routes import route_path

_FOLDER = "pictures"
#: Bytes and number of pictures that are kept for browsers: as many bytes, and a few pictures whatever they take.
_BYTES, _FEW = 64_000_000, 32
#: Nobody can guess a picture's address who has not been sent it, not even with the picture at hand.
_SECRET = secrets.token_bytes(32)

_sent: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


def picture_address(jpeg: bytes) -> str:
    """Address of a picture, relative to the app's pages; the same for the same picture while the server runs."""
    token = hashlib.blake2b(jpeg, digest_size=16, key=_SECRET).hexdigest()
    with _lock:
        _sent[token] = jpeg
        _sent.move_to_end(token)
        held = sum(map(len, _sent.values()))
        while held > _BYTES and len(_sent) > _FEW:
            held -= len(_sent.popitem(last=False)[1])
    return f"{_FOLDER}/{token}.jpg"


def picture_routes() -> list[Route]:
    """Routes to add to the app. Whoever knows an address gets its picture."""
    return [Route(route_path(f"{_FOLDER}/{{token}}.jpg"), _send)]


async def _send(request: Request) -> Response:
    with _lock:
        jpeg = _sent.get(request.path_params["token"])
    if jpeg is None:
        return PlainTextResponse("This picture is not here any more; reload the page.", status_code=404)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})
