"""Messages to a running ROS through its websocket: the rosbridge protocol, version 2 (extra ``ros``)."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from posecore.errors import SettingsError
from posecore.extras import require
from posecore.ros.messages import Message

#: Port at which rosbridge listens unless told otherwise.
DEFAULT_PORT = 9090
#: Seconds in which a bridge has to answer.
PATIENCE = 10.0


class Bridge:
    """A connection to rosbridge, open in a ``with`` block.

    Args:
        address: Such as ``ws://robot:9090``; ``wss`` is encrypted.

    Raises:
        SettingsError: For an address of another kind, or when nobody answers there.
        MissingExtraError: Without the extra ``ros``.
    """

    def __init__(self, address: str) -> None:
        wrong = SettingsError(f"{address!r} is no address of a bridge; it looks like ws://robot:{DEFAULT_PORT}.")
        try:
            parts = urlsplit(address)
            port = parts.port or DEFAULT_PORT
        except ValueError as error:
            raise wrong from error
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise wrong
        require("ros")
        self.address = parts._replace(netloc=f"{parts.netloc.removesuffix(f':{port}')}:{port}").geturl()
        self._open = ExitStack()
        self._socket: Any = None
        self._topics: set[str] = set()

    def __enter__(self) -> Bridge:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        try:
            self._socket = self._open.enter_context(connect(self.address, open_timeout=PATIENCE, proxy=None))
        except (OSError, UnicodeError, WebSocketException) as error:
            # A name that no machine can have is a UnicodeError.
            raise SettingsError(
                f"No bridge answers at {self.address}; start one on the robot (ros2 launch rosbridge_server "
                "rosbridge_websocket_launch.xml) or check the address."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(SettingsError):
            for topic in sorted(self._topics):
                self._send(op="unadvertise", topic=topic)
        self._open.close()

    def publish(self, message: Message) -> None:
        """Send a message; its topic is made known at the first one.

        Raises:
            SettingsError: When the bridge is gone.
        """
        if message.topic not in self._topics:
            self._topics.add(message.topic)
            self._send(op="advertise", topic=message.topic, type=message.type)
        self._send(op="publish", topic=message.topic, msg=message.content)

    def _send(self, **operation: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            self._socket.send(json.dumps(operation))
        except (OSError, ConnectionClosed) as error:
            raise SettingsError(
                f"The bridge at {self.address} is gone; start the command again when it is back."
            ) from error
