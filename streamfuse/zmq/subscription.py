"""Frames of a publisher, in a loop:

for frame in streamfuse.subscribe("tcp://127.0.0.1:5556"):
    picture = frame.rgb()
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from streamfuse.core.arguments import described
from streamfuse.core.options import SubscribeOptions
from streamfuse.core.protocols import Closable, SourceInfo
from streamfuse.core.reports import ReceiverStatistics
from streamfuse.errors import UsageError
from streamfuse.zmq.endpoint import parse_endpoint
from streamfuse.zmq.message import DEFAULT_LIMITS, Limits
from streamfuse.zmq.receive import Receiver
from streamfuse.zmq.receive_options import receive_settings
from streamfuse.zmq.received import ReceivedFrame

DEFAULT_MAX_AGE = 0.05


def subscribe(
    endpoint: str,
    *,
    topic: str = "",
    timeout: float | None = 30.0,
    latest: bool = False,
    max_age: float | None = DEFAULT_MAX_AGE,
    follow: bool = False,
    strict: bool = False,
    server: str | Path | None = None,
    keys: str | Path | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Subscription:
    """Receive the frames of a publisher until its stream ends.

    Reconnects by itself when the publisher goes away and comes back. A frame that waited longer than `max_age` is
    left out if there is a newer one, so that a slow loop sees the present; `Subscription.statistics` counts it.

    Args:
        endpoint: where the publisher is, such as 'tcp://127.0.0.1:5556', 'ipc:///tmp/frames', or
            'pull+connect:tcp://...' for a publisher that pushes; see `streamfuse.zmq.endpoint`. Its options
            (`?timeout=60&server=camera.key`) go before the arguments here.
        topic: only topics that begin so.
        timeout: seconds without a sign of life after which it is an error; None waits for ever.
        latest: the newest frame only (`max_age` = 0).
        max_age: seconds that a frame may wait while there is a newer one; None: until it is taken. Not used for
            `pull`, which leaves nothing out.
        follow: after the end of a stream wait for the next one.
        strict: a message that is refused is an error, in place of being counted.
        server: file with the publisher's public key, for CURVE.
        keys: file with one's own key pair, where the publisher lets in only those it knows.
        limits: what is accepted.

    Raises:
        UsageError, InputError, InputNotFoundError: here; while iterating: StreamTimeoutError, StreamAccessError, and
            with `strict` WireError.

    Example:
        >>> import numpy as np, streamfuse
        >>> with streamfuse.publish("pub+bind:ipc://here") as publisher, subscribe("ipc://here") as frames:
        ...     while (frame := frames.get(0.1)) is None:
        ...         publisher.send(np.zeros((36, 64, 3), np.uint8))
        >>> frame.rgb().shape
        (36, 64, 3)
    """
    parsed = parse_endpoint(endpoint, "source")
    for name, value in (("timeout", timeout), ("max_age", max_age)):
        if value is not None and not (isinstance(value, int | float) and value >= 0):
            raise UsageError(f"{name} has to be seconds, 0 or more, or None, and is {described(value)}.")
    if parsed.kind == "pull":
        max_age = None
    elif latest:
        max_age = 0.0
    settings = receive_settings(
        parsed, topic=topic, timeout=timeout, max_age=max_age, follow=follow, strict=strict, limits=limits,
        server=server, keys=keys,
    )  # fmt: skip
    return Subscription(Receiver(parsed, settings))


def subscribe_async(endpoint: str, **options: Unpack[SubscribeOptions]) -> AsyncSubscription:
    """`subscribe` for asyncio: `async for frame in subscribe_async("tcp://127.0.0.1:5556")`."""
    return AsyncSubscription(subscribe(endpoint, **options))


class Subscription(Closable):
    """An iterator over `ReceivedFrame`, and a context manager. It receives from the moment it is made."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._closed = threading.Event()

    @property
    def statistics(self) -> ReceiverStatistics:
        """Frames received, lost, skipped; messages refused; connections."""
        return self._receiver.statistics

    @property
    def warnings(self) -> list[str]:
        """Give a sentence for each thing the user should know."""
        return self._receiver.warnings

    @property
    def info(self) -> SourceInfo:
        """Give what the frames are like; waits until the publisher says so."""
        return self._receiver.wait_info()

    def __iter__(self) -> Iterator[ReceivedFrame]:
        return self

    def __next__(self) -> ReceivedFrame:
        frame = self.get()
        if frame is None:
            raise StopIteration
        return frame

    def get(self, seconds: float = math.inf) -> ReceivedFrame | None:
        """Give the next frame; None if it does not come within so many seconds, or at the end (then this is `closed`).

        Raises:
            StreamTimeoutError, StreamAccessError, WireError: as while iterating.
        """
        until = time.monotonic() + seconds
        try:
            frame = self._receiver.get(lambda: not self._closed.is_set() and time.monotonic() < until)
        except BaseException:
            self.close()
            raise
        if frame is None and time.monotonic() < until:
            self.close()
        return frame

    @property
    def closed(self) -> bool:
        """Tell whether the stream has ended, or nobody wants more of it."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop receiving; from any thread, more than once."""
        self._closed.set()
        self._receiver.close()

    def __del__(self) -> None:
        if hasattr(self, "_receiver"):
            self.close()


class AsyncSubscription:
    """The same for `async for` and `async with`; waiting never blocks the event loop.

    A wait that is cancelled (`asyncio.wait_for`) loses no frame: the next one gets it.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._turn = asyncio.Lock()
        self._pending: Future[ReceivedFrame | None] | None = None  # outlives a wait that is cancelled
        # Where nobody closes it, such as after a Ctrl-C: when it is forgotten, or Python ends.
        weakref.finalize(self, subscription.close)

    @property
    def statistics(self) -> ReceiverStatistics:
        """As in `Subscription`."""
        return self._subscription.statistics

    def __aiter__(self) -> AsyncIterator[ReceivedFrame]:
        return self

    async def __anext__(self) -> ReceivedFrame:
        async with self._turn:
            if self._pending is None:
                self._pending = _in_thread(self._subscription.get)
            try:
                frame = await asyncio.wrap_future(self._pending)
            except asyncio.CancelledError:
                raise
            except BaseException:
                self._pending = None
                raise
            self._pending = None
        if frame is None:
            raise StopAsyncIteration
        return frame

    async def aclose(self) -> None:
        """Stop receiving."""
        await asyncio.to_thread(self._subscription.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _in_thread(get: Callable[[], ReceivedFrame | None]) -> Future[ReceivedFrame | None]:
    """Give the result of `get`, which a daemon thread waits for: Python does not wait for it when it ends."""
    future: Future[ReceivedFrame | None] = Future()
    future.set_running_or_notify_cancel()  # from now on it cannot be cancelled

    def run() -> None:
        try:
            future.set_result(get())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="subscribe", daemon=True).start()
    return future
