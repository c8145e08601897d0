"""Protocol buffers' wire format, as far as weights and records of pictures need it: fields by number, no schema.

A message is a run of fields, each a tag (number and wire type) and a value: a varint, eight or four fixed bytes, or a
counted run of bytes that may itself be text, a message or packed numbers
(https://protobuf.dev/programming-guides/encoding/). Every length is checked against the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import WeightsError

_VARINT, _FIXED64, _COUNTED, _FIXED32 = 0, 1, 2, 5
#: A varint holds at most 64 bits, seven to a byte.
_LONGEST_VARINT = 10
#: More elements than any tensor of a pose network has; what claims more is damaged.
MAX_ELEMENTS = 2**28


class Message:
    """One encoded message: values of its fields by number.

    Args:
        data: The message's bytes.
        what: Whose bytes these are, for messages of errors.
    """

    def __init__(self, data: memoryview, what: str) -> None:
        self.what = what
        self._fields: dict[int, list[int | memoryview]] = {}
        for number, value in _fields(data, what):
            self._fields.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def __iter__(self) -> Iterator[int]:
        return iter(self._fields)

    def integer(self, number: int, default: int = 0) -> int:
        """Last value of a varint field as a signed 64-bit integer (the last one wins, as the format demands)."""
        value = self._fields.get(number, [default])[-1]
        if isinstance(value, memoryview):
            raise WeightsError(f"{self.what} is damaged: field {number} should be a number.")
        return value - 2**64 if value >= 2**63 else value

    def floating(self, number: int, default: float = 0.0) -> float:
        """Last value of a 32-bit float field."""
        values = self.numbers(number, "<f4")
        return float(values[-1]) if len(values) else default

    def text(self, number: int) -> str:
        """Last value of a text field."""
        values = self.texts(number)
        return values[-1] if values else ""

    def texts(self, number: int) -> list[str]:
        """All values of a repeated text field."""
        try:
            return [bytes(value).decode() for value in self.spans(number)]
        except UnicodeDecodeError as error:
            raise WeightsError(f"{self.what} is damaged: field {number} should be text.") from error

    def message(self, number: int) -> Message:
        """Last value of a message field; an empty message when it is absent."""
        spans = self.spans(number)
        return Message(spans[-1] if spans else memoryview(b""), self.what)

    def messages(self, number: int) -> list[Message]:
        """All values of a repeated message field."""
        return [Message(span, self.what) for span in self.spans(number)]

    def spans(self, number: int) -> list[memoryview]:
        """All values of a counted field, undecoded."""
        values = self._fields.get(number, [])
        if not all(isinstance(value, memoryview) for value in values):
            raise WeightsError(f"{self.what} is damaged: field {number} should be a counted run of bytes.")
        return values  # type: ignore[return-value]

    def numbers(self, number: int, dtype: str) -> NDArray[Any]:
        """A repeated field of fixed-size numbers, packed or one by one, as ``dtype`` (``<f4`` or ``<f8``)."""
        raw = b"".join(self._fixed(value, np.dtype(dtype).itemsize) for value in self._fields.get(number, []))
        if len(raw) % np.dtype(dtype).itemsize:
            raise WeightsError(f"{self.what} is damaged: field {number} holds {len(raw)} bytes, not whole numbers.")
        return np.frombuffer(raw, dtype)

    def integers(self, number: int) -> list[int]:
        """A repeated varint field, packed or one by one, as signed 64-bit integers."""
        values: list[int] = []
        for value in self._fields.get(number, []):
            if isinstance(value, memoryview):
                position = 0
                while position < len(value):
                    single, position = _varint(value, position, self.what)
                    values.append(single)
            else:
                values.append(value)
        return [value - 2**64 if value >= 2**63 else value for value in values]

    def _fixed(self, value: int | memoryview, size: int) -> bytes:
        if isinstance(value, memoryview):
            return bytes(value)
        try:
            return value.to_bytes(size, "little")
        except OverflowError as error:
            raise WeightsError(f"{self.what} is damaged: a number is too large for {size} bytes.") from error


def _fields(data: memoryview, what: str) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of every field in order."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position, what)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise WeightsError(f"{what} is damaged or of another format: a field has number 0.")
        if wire == _VARINT:
            value, position = _varint(data, position, what)
            yield number, value
            continue
        if wire == _COUNTED:
            size, position = _varint(data, position, what)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise WeightsError(f"{what} is damaged or of another format: wire type {wire} at byte {position}.")
        if size > len(data) - position:
            raise WeightsError(f"{what} is cut off: {size} bytes are announced where {len(data) - position} are left.")
        span = data[position : position + size]
        position += size
        yield number, span if wire == _COUNTED else int.from_bytes(span, "little")


def _varint(data: memoryview, position: int, what: str) -> tuple[int, int]:
    """An unsigned integer of up to 64 bits, and the position behind it."""
    value = 0
    for index, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, position + index + 1
    raise WeightsError(f"{what} is damaged or cut off: no number ends at byte {position}.")
