"""Requests that the server answers at all, what its pages may be put into, and the cookie that browsers get.

A name that somebody else's server gives to this machine (DNS rebinding) would let a foreign page act as a visitor, so
requests must be for a known host. A page in a foreign frame could be clicked without being seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posecore.ui.shared.visitors import COOKIE, is_cookie, is_local_name

#: Seconds for which a browser is known again.
_COOKIE_LIFE = 365 * 24 * 3600
_HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """ASGI middleware that refuses foreign hosts, websockets included, and forbids foreign frames."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is for this server."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif not host_allowed(Headers(scope=scope).get("host")):
            await _refuse(scope, receive, send)
        else:
            await self._app(scope, receive, _protected(send, _new_cookie(scope)))


def host_allowed(host: str | None) -> bool:
    """Whether requests for ``host`` are answered.

    Those of ``server.allowedHosts`` are; without that list, a server that listens to its own machine alone answers to
    that machine's names, and any other to every name.
    """
    allowed: Sequence[str] = st.get_option("server.allowedHosts") or ()
    if allowed:
        return any(_matches(host, one.strip().lower()) for one in allowed)
    return is_local_name(host) or not is_local_name(_bound())


def _bound() -> str:
    address = str(st.get_option("server.address") or "")
    return f"[{address}]" if ":" in address else address


def _matches(host: str | None, allowed: str) -> bool:
    """``*`` is every host, ``*.example.org`` every name below it."""
    name = (host or "").lower()
    name = name.partition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]
    return allowed == "*" or name == allowed.strip("[]") or (allowed.startswith("*.") and name.endswith(allowed[1:]))


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted, this is a 403.
        await send({"type": "websocket.close", "code": 1008})
        return
    words = "This server does not answer to that name; whoever runs it can add it to server.allowedHosts."
    await PlainTextResponse(words, status_code=403)(scope, receive, send)


def _new_cookie(scope: Scope) -> str | None:
    """What a browser that has no cookie of this server's is told to keep."""
    asking = HTTPConnection(scope)
    if is_cookie(asking.cookies.get(COOKIE)):
        return None
    path = "/" + str(st.get_option("server.baseUrlPath") or "").strip("/")
    secure = "https" in (asking.url.scheme, asking.headers.get("x-forwarded-proto"))
    # Not for scripts. Lax: a link from elsewhere must not make a new visitor of somebody who has one.
    kept = f"{COOKIE}={secrets.token_urlsafe(32)}; Path={path}; Max-Age={_COOKIE_LIFE}; HttpOnly; SameSite=Lax"
    return kept + "; Secure" * secure


def _protected(send: Send, cookie: str | None) -> Send:
    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if cookie is not None and headers.get("content-type", "").startswith("text/html"):
                headers.append("Set-Cookie", cookie)
        await send(message)

    return protected
