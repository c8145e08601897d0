"""Messages in a rosbag2, without ROS (extra ``ros``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from posecore.errors import DataError
from posecore.extras import require
from posecore.ros.messages import IDS, REGION, SKELETON, Message
from posecore.storage import writing

#: Types that ROS itself does not bring, as hri_msgs defines them.
DEFINITIONS: Mapping[str, str] = {
    "hri_msgs/msg/NormalizedPointOfInterest2D": "float32 x\nfloat32 y\nfloat32 c\n",
    IDS: "std_msgs/Header header\nstring[] ids\n",
    REGION: "std_msgs/Header header\nfloat32 xmin\nfloat32 ymin\nfloat32 xmax\nfloat32 ymax\nfloat32 c\n",
    SKELETON: "std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[18] skeleton\n",
}
#: NumPy types of arrays of numbers in messages.
_NUMBERS = frozenset({"float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})


def bag_types() -> Any:
    """Every type that a bag of ours may hold (a ``rosbags`` type store of ROS 2 Humble with those of hri_msgs)."""
    require("ros")
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    return store


class Bag:
    """A new bag, written in a ``with`` block; it begins with the first message.

    Args:
        folder: Where it goes; must not exist.

    Raises:
        DataError: When the folder exists.
        MissingExtraError: Without the extra ``ros``.
    """

    def __init__(self, folder: Path) -> None:
        self.types = bag_types()
        from rosbags.rosbag2 import Writer

        if folder.exists():
            raise DataError(f"{folder} exists already; give the bag another name.")
        self.folder = folder
        self._writer = Writer(folder, version=9)
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connections:
            with writing(self.folder):
                self._writer.close()

    def publish(self, message: Message) -> None:
        """Write a message under the time in its header; raises ``StorageError`` when it cannot be written."""
        if not self._connections:
            with writing(self.folder):
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                self._writer.open()
        if message.topic not in self._connections:
            connection = self._writer.add_connection(message.topic, message.type, typestore=self.types)
            self._connections[message.topic] = connection
        data = self.types.serialize_cdr(build(self.types, message.type, message.content), message.type)
        with writing(self.folder):
            self._writer.write(self._connections[message.topic], message.nanoseconds, data)


def build(store: Any, name: str, content: Mapping[str, Any]) -> Any:
    """A message of the type store from plain data; fields that are not given are empty or 0."""
    from rosbags.interfaces import Nodetype

    def value(node: Any, given: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.BASE:
            return given if given is not None else ("" if detail[0] == "string" else 0)
        if kind == Nodetype.NAME:
            return build(store, detail, given or {})
        inner, _ = detail
        items = [value(inner, one) for one in given or ()]
        numeric = inner[0] == Nodetype.BASE and inner[1][0] in _NUMBERS
        return np.array(items, inner[1][0]) if numeric else items

    _, fields = store.fielddefs[name]
    return store.types[name](**{field: value(node, content.get(field)) for field, node in fields})
