"""How the browser and the app reach each other for live video, and what to say when they do not.

Between two machines of one network nothing is needed. Across the internet both need a STUN server to learn their own
addresses, and often a TURN server that passes the pictures on. They are named

- in ``POSECORE_ICE_SERVERS``: addresses separated by commas (``stun:stun.example.org:3478,turn:turn.example.org``),
  with ``POSECORE_ICE_USERNAME`` and ``POSECORE_ICE_CREDENTIAL`` for the ``turn`` ones; or
- in ``.streamlit/secrets.toml``, one table ``[[ice_servers]]`` each, with ``urls`` and perhaps ``username`` and
  ``credential``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit_webrtc import Translations

from posecore.errors import SettingsError

_SCHEMES = ("stun", "stuns", "turn", "turns")
#: Names of the machine itself, from which browsers give the camera without HTTPS.
_HERE = ("localhost", "127.0.0.1", "::1")

#: The component's own words.
TRANSLATIONS: Translations = {
    "start": "Start camera",
    "stop": "Stop",
    "select_device": "Choose camera",
    "media_api_not_available": "Your browser gives no camera to this page: it does so only over https or on localhost.",
    "device_ask_permission": "Your browser asks whether this page may use the camera; please allow it.",
    "device_not_available": "No camera was found: connect one, or close the program that uses it",
    "device_access_denied": "The browser refuses the camera: allow it at the left end of the address bar, then try "
    "again",
}


def ice_servers(environment: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """STUN and TURN servers that this app was told to use; none unless it was.

    Raises:
        SettingsError: When they are named wrongly.
    """
    named = environment.get("POSECORE_ICE_SERVERS", "").strip()
    if named:
        urls = [_checked(url.strip()) for url in named.split(",") if url.strip()]
        login = {
            "username": environment.get("POSECORE_ICE_USERNAME", ""),
            "credential": environment.get("POSECORE_ICE_CREDENTIAL", ""),
        }
        return [{"urls": url, **(login if url.startswith("turn") and login["username"] else {})} for url in urls]
    return _from_secrets(st.secrets.get("ice_servers", []) if st.secrets.load_if_toml_exists() else [])


def _from_secrets(servers: Any) -> list[dict[str, Any]]:
    if isinstance(servers, str) or not isinstance(servers, Sequence):
        raise SettingsError('ice_servers in .streamlit/secrets.toml must be tables: [[ice_servers]] with urls = "…".')
    result = []
    for server in servers:
        if not isinstance(server, Mapping) or "urls" not in server:
            raise SettingsError("Every [[ice_servers]] in .streamlit/secrets.toml needs urls, such as stun:HOST:PORT.")
        urls = [server["urls"]] if isinstance(server["urls"], str) else list(server["urls"])
        login = {name: str(server[name]) for name in ("username", "credential") if server.get(name)}
        result += [{"urls": _checked(str(url)), **login} for url in urls]
    return result


def _checked(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    if scheme not in _SCHEMES or not colon or not rest.strip("/"):
        raise SettingsError(f"{url!r} is no STUN or TURN server; write for example stun:stun.example.org:3478.")
    return url


def camera_is_withheld(address: str | None) -> bool:
    """True when browsers give no camera to a page at ``address``: neither over HTTPS nor on this machine."""
    if not address:
        return False
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "http" and host not in _HERE and not host.endswith(".localhost")


def why_no_picture(servers: Sequence[Mapping[str, Any]]) -> str:
    """What to say when the browser gives the camera but no picture arrives."""
    if servers:
        return (
            "**No picture arrives.** The browser and the app have not reached each other, although STUN or TURN "
            "servers are set. Check their addresses and the login, and whether a firewall blocks UDP."
        )
    return (
        "**No picture arrives.** The browser and the app cannot reach each other directly. Between two networks they "
        "need a STUN or TURN server: start the app with `POSECORE_ICE_SERVERS`, for example "
        "`stun:stun.example.org:3478`, and see the README. On one machine, look whether a firewall or VPN blocks UDP."
    )
