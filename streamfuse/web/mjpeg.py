"""A view as an endless multipart answer, which browsers, players and recorders show as moving pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from streamfuse.core.multipart import BOUNDARY, MEDIA_TYPE, part
from streamfuse.runtime.live.status import View
from streamfuse.web.pictures import Pictures

MAX_STREAMS = 16
_REPEAT_SECONDS = 5.0  # a picture is sent again after so long, which also finds out who has gone


class Streams:
    """Counts the clients that watch, so that there are never more than `MAX_STREAMS`."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def full(self) -> bool:
        """Tell whether another one has to be refused."""
        return self.count >= MAX_STREAMS


class MotionJpeg(StreamingResponse):
    """The pictures of a view until the client goes; one that is slow gets fewer of them, always the newest."""

    def __init__(self, pictures: Pictures, view: View, streams: Streams) -> None:
        super().__init__(_parts(pictures, view), media_type=MEDIA_TYPE)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        self._streams.count += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.count -= 1


async def _parts(pictures: Pictures, view: View) -> AsyncIterator[bytes]:
    number = -1
    found = None
    yield BOUNDARY
    while True:
        found = await pictures.jpeg(view, "preview", number, _REPEAT_SECONDS) or found
        if found is None:
            continue
        number = found.number
        yield part(found.made, number)
