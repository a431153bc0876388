"""The receiving half of a stream: a thread that owns the socket, checks what comes, and keeps it in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zmq

from streamfuse.errors import InputError, StreamAccessError, StreamTimeoutError, UsageError, WireError
from streamfuse.stage import SourceInfo
from streamfuse.wire.decode import Arrived, FrameDecoder, source_info
from streamfuse.wire.endpoint import Endpoint
from streamfuse.wire.inbox import END, Inbox, InboxPolicy
from streamfuse.wire.message import (
    DEFAULT_LIMITS,
    FrameHeader,
    Limits,
    Message,
    PictureHeader,
    decode_message,
)
from streamfuse.wire.order import ReceiverStatistics, StreamOrder
from streamfuse.wire.received import ReceivedFrame
from streamfuse.wire.security import load_keys, secure_client
from streamfuse.wire.socket import LinkCounts, LinkMonitor, attach, make_socket

_POLL_MS = 50
_FAILED_HANDSHAKES = 3  # in a row: one may be a publisher that goes away in the middle of it


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """How to receive.

    Args:
        topic: only what was published under topics that begin so; '' is all.
        timeout: seconds without any message (frame or heartbeat) after which it is an error; None waits for ever.
        max_age: see `InboxPolicy`.
        follow: after an end of stream wait for the next stream.
        strict: a message that is refused is an error, in place of being counted and left out.
        hwm: messages that wait in the socket.
        limits: what is accepted.
        server: file with the publisher's public key; None for a stream without CURVE.
        keys: file with one's own key pair, where the publisher has a list of those that may subscribe.
    """

    topic: str = ""
    timeout: float | None = 30.0
    max_age: float | None = None
    follow: bool = False
    strict: bool = False
    hwm: int = 2
    limits: Limits = DEFAULT_LIMITS
    server: str | Path | None = None
    keys: str | Path | None = None

    def __post_init__(self) -> None:
        if self.keys is not None and self.server is None:
            raise UsageError("Own keys need the publisher's public key as well: give server=NAME.key.")
        if self.hwm < 1:
            raise UsageError(f"The queue needs room for at least 1 message, not {self.hwm}.")


class Receiver:
    """Receives one stream.

    Args:
        endpoint: where from.
        settings: how.

    Raises:
        InputError: the socket cannot be opened.
        InputNotFoundError: a key file is not there.
    """

    def __init__(self, endpoint: Endpoint, settings: ReceiveSettings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._statistics = ReceiverStatistics()
        self._order = StreamOrder(self._statistics)
        self._decoder = FrameDecoder(settings.limits)
        self._inbox = Inbox(InboxPolicy(settings.max_age))
        self._header: PictureHeader | None = None
        self._know = threading.Condition()
        self._heard_at = time.monotonic()
        self._last_refusal = ""
        self._failed_before = 0
        self._links = LinkCounts()
        self._stop = threading.Event()
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            self._socket, self._monitor = self._open()
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._thread = threading.Thread(target=self._run, name=f"receive {endpoint.address}", daemon=True)
        self._thread.start()

    @property
    def statistics(self) -> ReceiverStatistics:
        """The counts so far; read, do not write."""
        counts, links = self._statistics, self._links
        counts.skipped, counts.undecodable = self._inbox.skipped, self._decoder.undecodable
        counts.connects, counts.disconnects = links.connects, links.disconnects
        counts.denied, counts.failed = links.denied, links.failed + links.mismatched
        return counts

    @property
    def name(self) -> str:
        """What to call the stream in messages."""
        return self._endpoint.address

    def wait_info(self) -> SourceInfo:
        """What the pictures are like, as soon as that is known.

        Raises:
            StreamTimeoutError: nothing came in time.
            StreamAccessError: the publisher refuses this end, or is not the one that was expected.
            InputError: the stream ended before that, or this end was closed.
        """
        asked = time.monotonic()
        while self._header is None:
            with self._know:
                self._know.wait_for(
                    lambda: self._header is not None or not self._thread.is_alive(), _POLL_MS / 1000
                )
            if self._header is None:
                if not self._thread.is_alive():
                    self._inbox.get(0)  # raises what went wrong
                    raise InputError(f"The stream at {self.name} ended before its first frame.")
                self._check_silence(asked)
        return source_info(self._header, self.name)

    def get(self, patience: Callable[[], bool] = lambda: True) -> ReceivedFrame | None:
        """The next frame, or None at the end of the stream, or when `patience` says False.

        Raises:
            StreamTimeoutError: nothing came in time.
            StreamAccessError: the publisher refuses this end, or is not the one that was expected.
            WireError: a message was refused, and `strict` is set.
        """
        asked = time.monotonic()
        while patience():
            item = self._inbox.get(_POLL_MS / 1000)
            if item is None:
                self._check_silence(asked)
            elif item == END:
                return None
            elif isinstance(item, ReceivedFrame):
                return item
            else:
                frame = self._decoded(cast(Arrived, item))
                if frame is not None:
                    return frame
        return None

    def close(self) -> None:
        """Stop receiving; from any thread, more than once."""
        self._stop.set()
        self._inbox.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _open(self) -> tuple[zmq.Socket[Any], LinkMonitor]:
        settings, endpoint = self._settings, self._endpoint
        socket = make_socket(self._context, endpoint, hwm=settings.hwm, max_bytes=settings.limits.part_bytes)
        if endpoint.kind == "sub":
            socket.subscribe(settings.topic)
        if settings.server is not None:
            own = load_keys(settings.keys, secret=True) if settings.keys is not None else None
            secure_client(socket, load_keys(settings.server, secret=False), own)
        monitor = LinkMonitor(socket, self._links)
        try:
            attach(socket, endpoint)
        except zmq.ZMQError as error:
            monitor.close()
            raise InputError(f"{endpoint} cannot be opened: {error.strerror}.") from error
        return socket, monitor

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._receive()
        except BaseException as error:
            failure = error
        finally:
            self._monitor.close()
            self._context.destroy(linger=0)
            self._inbox.end(failure)
            with self._know:
                self._know.notify_all()

    def _receive(self) -> None:
        while not self._stop.is_set() and not self._receive_stream():
            # Closing tells the publisher that all has arrived, so that it need not wait.
            self._monitor.close()
            self._socket.close(0)
            self._socket, self._monitor = self._open()

    def _receive_stream(self) -> bool:
        """Receive until the end of a stream; False if the next one is wanted."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor.socket, zmq.POLLIN)
        while not self._stop.is_set():
            ready = dict(poller.poll(_POLL_MS))
            if self._monitor.socket in ready:
                self._monitor.read()
                self._check_access()
            while ready.get(self._socket) and not self._stop.is_set():
                if self._take(self._read()):
                    return not self._settings.follow
                if not cast(int, self._socket.events) & zmq.POLLIN:  # cheaper than another poll
                    break
        return True

    def _read(self) -> list[memoryview]:
        """One message; parts beyond the limit are read and forgotten."""
        parts: list[memoryview] = []
        more = True
        while more:
            frame = self._socket.recv(copy=False)
            more = frame.more
            if len(parts) < self._settings.limits.parts + 3:  # one too many, so that the message is refused
                parts.append(frame.buffer)
        return parts

    def _take(self, parts: list[memoryview]) -> bool:
        """Check one message and pass on what is in it; True at the end."""
        try:
            message = decode_message(parts, self._settings.limits)
        except WireError as error:
            self._refuse(error)
            return False
        self._heard_at = time.monotonic()
        verdict = self._order.judge(message.header)
        if verdict == "stale":
            return False
        if isinstance(message.header, PictureHeader):
            with self._know:
                self._header = message.header
                self._know.notify_all()
        if verdict == "frame":
            self._pass_on(message)
        return verdict == "end"

    def _pass_on(self, message: Message) -> None:
        header = cast(FrameHeader, message.header)
        self._statistics.bytes += sum(array.nbytes for array in message.arrays)
        arrived = Arrived(message, header, time.monotonic())
        if not self._decoder.stateful(header):
            self._inbox.put(arrived)  # decoded when it is taken: one that is left out costs nothing
        elif (frame := self._decoded(arrived)) is not None:
            self._inbox.put(frame)

    def _decoded(self, arrived: Arrived) -> ReceivedFrame | None:
        try:
            return self._decoder.decode(arrived)
        except WireError as error:
            self._refuse(error)
            return None

    def _refuse(self, error: WireError) -> None:
        self._statistics.rejected[type(error).__name__] += 1
        self._last_refusal = str(error)
        if self._settings.strict:
            raise error

    def _check_access(self) -> None:
        counts = self._links
        if counts.connects > 0:
            self._failed_before = counts.failed
        if counts.denied:
            raise StreamAccessError(f"{self.name} refuses this end: its key is not on the publisher's list.")
        if counts.mismatched:
            raise StreamAccessError(
                f"{self.name} cannot be spoken to: only one end uses CURVE keys, or it is no ZeroMQ stream."
            )
        if self._settings.server and counts.failed - self._failed_before >= _FAILED_HANDSHAKES:
            raise StreamAccessError(
                f"{self.name} does not have the key {self._settings.server}: use its public key."
            )

    def _check_silence(self, asked: float) -> None:
        timeout = self._settings.timeout
        if timeout is None or time.monotonic() - max(self._heard_at, asked) < timeout:
            return
        refused = sum(self._statistics.rejected.values())
        why = f"; {refused} messages were refused, the last one: {self._last_refusal}" if refused else ""
        if not refused and not self._links.connects:
            why = "; no publisher answers there: start it, or check the address"
        with suppress(Exception):
            self.close()
        # Which end of a handshake without agreement is told the reason is a matter of chance.
        if (self._links.failed or self._links.disconnects) and not self._links.connects:
            raise StreamAccessError(
                f"{self.name} breaks off every handshake: probably only one end uses CURVE keys."
            )
        raise StreamTimeoutError(f"Nothing came from {self.name} for {timeout:g} s{why}".rstrip(".") + ".")
