"""The receiving half of a stream: in the thread that asks, if it wants every frame, else in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Protocol

from streamfuse.core.forking import Owner
from streamfuse.core.protocols import SourceInfo
from streamfuse.core.queue import END, End, Queue
from streamfuse.core.reports import ReceiverStatistics
from streamfuse.errors import InputError
from streamfuse.zmq.decode import Arrived, FrameDecoder, source_info
from streamfuse.zmq.endpoint import Endpoint
from streamfuse.zmq.received import ReceivedFrame
from streamfuse.zmq.socket_receiver import WAIT_SECONDS, ReceiveSettings, SocketReceiver

Item = Arrived | ReceivedFrame
_MAX_WAITING = 64  # frames, however young they are


class Receiver:
    """Receives one stream.

    Args:
        endpoint: where from.
        settings: how.

    Attributes:
        warnings: a sentence for each thing the user should know.

    Raises:
        InputError: the socket cannot be opened.
        InputNotFoundError: a key file is not there.
    """

    def __init__(self, endpoint: Endpoint, settings: ReceiveSettings) -> None:
        self._owner = Owner(f"The stream from {endpoint.address}")
        self._socket = SocketReceiver(endpoint, settings)
        self.warnings = _warnings(endpoint, settings)
        self._feed: _Feed
        if settings.max_age is None:
            self._feed = _Direct(self._socket, settings.follow)
        else:
            self._feed = _Ahead(self._socket, settings.follow, settings.max_age)
        self._first: Item | None = None  # came while `wait_info` waited
        self._asked: float | None = None  # since when a frame has been waited for

    @property
    def statistics(self) -> ReceiverStatistics:
        """Give the counts so far; read, do not write."""
        counts = self._socket.statistics
        counts.skipped = self._feed.skipped
        return counts

    def wait_info(self) -> SourceInfo:
        """Give what the pictures are like, as soon as that is known.

        Raises:
            StreamTimeoutError: nothing came in time.
            StreamAccessError: the publisher refuses this end, or is not the one that was expected.
            InputError: the stream ended before that, or this end was closed.
        """
        asked = time.monotonic()
        while self._socket.header is None:
            item = self._feed.get()
            if item is END:
                raise InputError(f"The stream at {self._socket.name} ended before its first frame.")
            if item is None:
                self._check_silence(asked)
            else:
                self._first = item
        return source_info(self._socket.header, self._socket.name)

    def get(self, patience: Callable[[], bool] = lambda: True) -> ReceivedFrame | None:
        """Give the next frame, or None at the end of the stream, or when `patience` says False.

        Raises:
            StreamTimeoutError: nothing came in time.
            StreamAccessError: the publisher refuses this end, or is not the one that was expected.
            WireError: a message was refused, and `strict` is set.
            ForkedError: it was begun in the process that this one was forked from.
        """
        self._owner.check()
        self._asked = self._asked or time.monotonic()
        while patience():
            item, self._first = self._first or self._feed.get(), None
            if item is None:
                self._check_silence(self._asked)
            elif item is END:
                return None
            elif (frame := self._socket.decode(item) if isinstance(item, Arrived) else item) is not None:
                self._asked = None
                return frame
        return None

    def close(self) -> None:
        """Stop receiving; from any thread, more than once."""
        if self._owner.is_here:
            self._feed.close()

    def _check_silence(self, asked: float) -> None:
        try:
            self._socket.check_silence(asked)
        except BaseException:
            with suppress(Exception):
                self.close()
            raise


def _warnings(endpoint: Endpoint, settings: ReceiveSettings) -> list[str]:
    if not endpoint.public or settings.server is not None:
        return []
    return [
        f"{endpoint.address} can be reached from other machines, and everybody there can send to it: add "
        "server=NAME.key (the publisher's public key, made by `streamfuse keys new NAME`), or bind to 127.0.0.1."
    ]


class _Feed(Protocol):
    """Where a receiver's frames come from.

    Attributes:
        skipped: frames that were left out because they were too old.
    """

    @property
    def skipped(self) -> int: ...

    def get(self) -> Item | End | None:
        """Give a frame, `END`, or None if there was neither for a short while."""

    def close(self) -> None:
        """Stop, from any thread or a signal handler."""


class _Direct:
    """Reads when it is asked: nothing is left out, and what is not taken stays in the socket."""

    skipped = 0

    def __init__(self, socket_receiver: SocketReceiver, follow: bool) -> None:
        self._socket, self._follow = socket_receiver, follow
        self._reading = threading.Lock()
        self._over = False

    def get(self) -> Item | End | None:
        try:
            with self._reading:
                item = END if self._over else self._socket.next()
                if item is END and self._follow and not self._over:
                    self._socket.reopen()
                    item = None
        except BaseException:
            self._over = True
            raise
        finally:
            self._hang_up_if_over()
        if item is END:
            self.close()
        return item

    def close(self) -> None:
        self._over = True
        self._hang_up_if_over()

    def _hang_up_if_over(self) -> None:
        """Whoever reads at this moment hangs up when it has read."""
        if self._over and self._reading.acquire(blocking=False):
            try:
                self._socket.close()
            finally:
                self._reading.release()


class _Ahead:
    """A thread reads on, so that old frames can be left out when newer ones are there."""

    def __init__(self, socket_receiver: SocketReceiver, follow: bool, max_age: float) -> None:
        self._socket, self._follow = socket_receiver, follow
        self._queue: Queue[Item] = Queue(_MAX_WAITING, "drop-oldest", _older_than(max_age))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"receive {socket_receiver.name}", daemon=True)
        self._thread.start()

    @property
    def skipped(self) -> int:
        return self._queue.drops

    def get(self) -> Item | End | None:
        return self._queue.get(WAIT_SECONDS)

    def close(self) -> None:
        self._stop.set()
        self._queue.cancel()
        self._queue.end()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            while not self._stop.is_set() and not self._receive_stream():
                self._socket.reopen()
        except BaseException as error:
            failure = error
        finally:
            self._socket.close()
            self._queue.end(failure)

    def _receive_stream(self) -> bool:
        """Receive until the end of a stream; False if the next one is wanted."""
        while not self._stop.is_set():
            item = self._socket.next()
            if item is END:
                return not self._follow
            if isinstance(item, Arrived):
                self._pass_on(item)
        return True

    def _pass_on(self, arrived: Arrived) -> None:
        if not FrameDecoder.stateful(arrived.header):
            self._queue.put(arrived)  # decoded when it is taken: one that is left out costs nothing
        elif (frame := self._socket.decode(arrived)) is not None:
            self._queue.put(frame)


def _older_than(max_age: float) -> Callable[[Sequence[Item]], int]:
    """Give the rule by which frames that have waited for longer are left out, while newer ones are there."""

    def excess(waiting: Sequence[Item]) -> int:
        oldest = time.monotonic() - max_age
        return sum(1 for _ in takewhile(lambda item: item.received_at <= oldest, waiting))

    return excess
