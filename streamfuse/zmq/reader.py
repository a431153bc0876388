"""Reads messages, and knows again what it has checked before: most of a header is the same for all frames of a stream.

streamfuse writes what is new with a frame first, and behind it the rest, the same to the byte. Of a header that ends
like one that was checked, with a payload as long, only the new half is checked. Any other message is read as a whole,
and so is one in which anything is wrong: there is one place that tells errors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import ValidationError

from streamfuse.core.frame import Array
from streamfuse.zmq.message import (
    DEFAULT_LIMITS,
    DTYPES,
    FrameHeader,
    FrameNews,
    Limits,
    Message,
    decode_message,
)

Part = bytes | memoryview
# Number of the payload part that an array is in, its first byte there, dtype and shape.
Place = tuple[int, int, np.dtype[np.generic], tuple[int, ...]]
_LASTING: Final = b',"streamfuse":'  # begins the half that does not change
_REMEMBERED: Final = 8  # halves: there may be several topics


class _News(FrameNews, extra="forbid"):
    """The half that changes; nothing of the other one may stand in it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was checked once.

    Args:
        topic: of the message.
        header: its header; what is new with each frame is replaced.
        sizes: bytes of each payload part.
        arrays: where each array is.
    """

    topic: str
    header: FrameHeader
    sizes: tuple[int, ...]
    arrays: tuple[Place, ...]


class MessageReader:
    """`decode_message` for the messages of one receiver.

    Args:
        limits: what is accepted.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._known: dict[tuple[bytes, bytes], _Known] = {}

    def read(self, parts: Sequence[Part]) -> Message:
        """Check a message and give its payload as arrays, without a copy.

        Raises:
            WireLimitError, WireVersionError, WireError: as `decode_message`.
        """
        if len(parts) < 3 or len(parts[0]) + len(parts[1]) > self._limits.header_bytes:
            return decode_message(parts, self._limits)
        data = bytes(parts[1])
        place = data.rfind(_LASTING)
        key = bytes(parts[0]), data[place:]
        known = self._known.get(key)
        if known is not None and tuple(map(len, parts[2:])) == known.sizes:
            try:
                news = _News.model_validate_json(data[:place] + b"}")
            except ValidationError:
                return decode_message(parts, self._limits)
            return Message(known.topic, known.header.renewed(news), _arrays(known, parts[2:]))
        message = decode_message(parts, self._limits)
        if place > 0 and (known := _remember(message, data, place, parts[2:])) is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = known
        return message


def _remember(message: Message, data: bytes, place: int, payload: Sequence[Part]) -> _Known | None:
    """Give what to know again of a message that was accepted; None if its header is not of two such halves."""
    header = message.header
    if not isinstance(header, FrameHeader) or header.encoding != "raw":
        return None
    try:
        news = _News.model_validate_json(data[:place] + b"}")
        lasting: dict[str, object] = json.loads(b"{" + data[place + 1 :])
    except (ValueError, RecursionError):
        return None
    if lasting.keys() & FrameNews.model_fields.keys() or header.renewed(news) != header:
        return None
    return _Known(message.topic, header, tuple(map(len, payload)), _places(header, joined=len(payload) == 1))


def _places(header: FrameHeader, *, joined: bool) -> tuple[Place, ...]:
    places: list[Place] = []
    begin = 0
    for number, info in enumerate(header.parts):
        places.append((0 if joined else number, begin, np.dtype(DTYPES[info.dtype]), info.shape))
        begin = begin + info.nbytes if joined else 0
    return tuple(places)


def _arrays(known: _Known, payload: Sequence[Part]) -> tuple[Array, ...]:
    """Give the arrays of a payload that has the right size, read-only and without a copy."""
    parts = [np.frombuffer(part, np.uint8) for part in payload]
    for part in parts:
        part.flags.writeable = False
    arrays = [np.ndarray(shape, dtype, parts[number], begin) for number, begin, dtype, shape in known.arrays]
    # Small parts may lie anywhere in the socket's buffer.
    return tuple(array if array.flags.aligned else _copy(array) for array in arrays)


def _copy(array: Array) -> Array:
    copy = array.copy()
    copy.flags.writeable = False
    return copy
