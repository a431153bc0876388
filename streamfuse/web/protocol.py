"""The connection to one client, which is cut when the client does not keep going."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
STALL_SECONDS = 20.0
MAX_CONNECTIONS = 256  # more than requests are answered: a few are always left for those who ask for health


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection with limits that it lacks.

    A client has `HEAD_SECONDS` to say what it wants, and the data that waits for it has to go out in
    `STALL_SECONDS`. Else a few clients that send or read a byte a second would use up all connections. Beyond
    `MAX_CONNECTIONS` the one that has been without a request for longest makes room for the next: connections that
    ask for nothing can keep nobody out, and the run has its file descriptors.
    """

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        if len(self.connections) > MAX_CONNECTIONS:
            self._longest_idle().transport.abort()
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

    def on_response_complete(self) -> None:
        """It may ask for something else."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def _longest_idle(self) -> TimedProtocol:
        """The connection that goes: this one itself where all others are being answered."""
        open_ones = [one for one in self.connections if isinstance(one, TimedProtocol)]
        idle = [one for one in open_ones if not one._answering() and not one.transport.is_closing()]
        return min(idle, key=lambda one: one._idle_since, default=self)

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
