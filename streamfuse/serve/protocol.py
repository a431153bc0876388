"""The connection to one client, which is cut when the client does not keep going."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
STALL_SECONDS = 20.0


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection with limits that it lacks.

    A client has `HEAD_SECONDS` to say what it wants, and the data that waits for it has to go out in
    `STALL_SECONDS`. Else a few clients that send or read a byte a second would use up all connections. Where more
    than twice as many are open as are answered, further ones are cut at once.
    """

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > 2 * self.limit_concurrency:
            # uvicorn would keep it until it can tell it to go, and the run needs its file descriptors itself.
            transport.abort()
            return
        self._head = self.loop.call_later(HEAD_SECONDS, self._head_too_late)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        if self._answering():
            self._head = _cancelled(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._head_too_late)

    def pause_writing(self) -> None:
        """More waits for the client than it has taken."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()
        self._stall = _cancelled(self._stall)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was cut off."""
        self._head = _cancelled(self._head)
        self._stall = _cancelled(self._stall)
        super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_too_late(self) -> None:
        self._head = None
        if not self._answering():
            self.transport.abort()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
