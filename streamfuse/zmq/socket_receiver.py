"""The socket of a receiver: reads what comes, checks it, keeps it in order, and tells why nothing comes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import zmq

from streamfuse.core.queue import END, End
from streamfuse.core.reports import ReceiverStatistics
from streamfuse.errors import InputError, StreamAccessError, StreamTimeoutError, UsageError, WireError
from streamfuse.zmq.decode import Arrived, FrameDecoder
from streamfuse.zmq.endpoint import Endpoint
from streamfuse.zmq.memory import keep_freed_memory
from streamfuse.zmq.message import DEFAULT_LIMITS, FrameHeader, Limits, PictureHeader
from streamfuse.zmq.order import StreamOrder
from streamfuse.zmq.reader import MessageReader
from streamfuse.zmq.received import ReceivedFrame
from streamfuse.zmq.security import load_keys, secure_client
from streamfuse.zmq.socket import LinkCounts, LinkMonitor, attach, make_socket

WAIT_SECONDS: Final = 0.05  # that one asking for a message lasts, so that it can be stopped
_FAILED_HANDSHAKES = 3  # in a row: one may be a publisher that goes away in the middle of it


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """How to receive.

    Args:
        topic: only what was published under topics that begin so; '' is all.
        timeout: seconds without any message (frame or heartbeat) after which it is an error; None waits for ever.
        max_age: seconds that a frame may wait while there is a newer one; 0 keeps the newest frame only; None
            never leaves a frame out but lets the publisher wait.
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


class SocketReceiver:
    """One end of a stream. Used by one thread at a time, but for `statistics` and `check_silence`.

    Args:
        endpoint: where from.
        settings: how.

    Attributes:
        header: what the pictures are like, as soon as that is known.

    Raises:
        InputError: the socket cannot be opened.
        InputNotFoundError: a key file is not there.
    """

    def __init__(self, endpoint: Endpoint, settings: ReceiveSettings) -> None:
        self.header: PictureHeader | None = None
        self._endpoint, self._settings = endpoint, settings
        self._statistics = ReceiverStatistics()
        self._order = StreamOrder(self._statistics)
        self._reader = MessageReader(settings.limits)
        self._decoder = FrameDecoder(settings.limits)
        self._heard_at = self._watched_at = time.monotonic()
        self._last_refusal = ""
        self._failed_before = 0
        self._links = LinkCounts()
        self._context: zmq.SyncContext = zmq.Context()
        keep_freed_memory()
        try:
            self._open()
        except BaseException:
            self._context.destroy(linger=0)
            raise

    @property
    def statistics(self) -> ReceiverStatistics:
        """Give the counts so far."""
        counts, links = self._statistics, self._links
        counts.undecodable = self._decoder.undecodable
        counts.connects, counts.disconnects = links.connects, links.disconnects
        counts.denied, counts.failed = links.denied, links.failed + links.mismatched
        return counts

    @property
    def name(self) -> str:
        """Give what to call the stream in messages."""
        return self._endpoint.address

    def next(self) -> Arrived | End | None:
        """Read one message: a frame, `END`, or None if it was another one, or none came within `WAIT_SECONDS`.

        Raises:
            StreamAccessError: the publisher refuses this end, or is not the one that was expected.
            WireError: a message was refused, and `strict` is set.
        """
        try:
            item = self._take(self._read())
        except zmq.Again:
            item = None
        if item is None or self._heard_at - self._watched_at > WAIT_SECONDS:
            self._watched_at = time.monotonic()
            self._monitor.read()
            self._check_access()
        return item

    def decode(self, arrived: Arrived) -> ReceivedFrame | None:
        """Give the frame; None if it is damaged, or needs one that was lost.

        Raises:
            WireError: it is damaged, and `strict` is set.
        """
        try:
            return self._decoder.decode(arrived)
        except WireError as error:
            self._refuse(error)
            return None

    def reopen(self) -> None:
        """Hang up, which tells the publisher that all has arrived, and wait for the next stream."""
        self._monitor.close()
        self._socket.close(0)
        self._open()

    def close(self) -> None:
        """Hang up; more than once does nothing."""
        if not self._context.closed:
            self._monitor.close()
            self._context.destroy(linger=0)

    def check_silence(self, asked: float) -> None:
        """Tell whether somebody who has waited since `asked` (`time.monotonic()`) has waited too long.

        Raises:
            StreamTimeoutError, StreamAccessError: so it is, with what is known of the reason.
        """
        timeout = self._settings.timeout
        if timeout is None or time.monotonic() - max(self._heard_at, asked) < timeout:
            return
        refused = sum(self._statistics.rejected.values())
        why = f"; {refused} messages were refused, the last one: {self._last_refusal}" if refused else ""
        if not refused and not self._links.connects:
            why = "; no publisher answers there: start it, or check the address"
        elif not refused and self.header is None and (topic := self._settings.topic):
            why = f"; a publisher answers, but sends nothing under the topic {topic!r}: check it, or leave it out"
        # Which end of a handshake without agreement is told the reason is a matter of chance.
        if (self._links.failed or self._links.disconnects) and not self._links.connects:
            raise StreamAccessError(
                f"{self.name} breaks off every handshake: probably only one end uses CURVE keys."
            )
        raise StreamTimeoutError(f"Nothing came from {self.name} for {timeout:g} s{why}".rstrip(".") + ".")

    def _open(self) -> None:
        settings, endpoint = self._settings, self._endpoint
        socket = make_socket(self._context, endpoint, hwm=settings.hwm, max_bytes=settings.limits.part_bytes)
        socket.rcvtimeo = round(WAIT_SECONDS * 1000)  # cheaper than polling for each message
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
        self._socket, self._monitor = socket, monitor

    def _read(self) -> list[memoryview]:
        """Give one message; parts beyond the limit are read and forgotten."""
        parts: list[memoryview] = []
        more = True
        while more:
            frame = self._socket.recv(copy=False)
            more = frame.more
            if len(parts) < self._settings.limits.parts + 3:  # one too many, so that the message is refused
                parts.append(frame.buffer)
        return parts

    def _take(self, parts: list[memoryview]) -> Arrived | End | None:
        try:
            message = self._reader.read(parts)
        except WireError as error:
            self._refuse(error)
            return None
        self._heard_at = time.monotonic()
        verdict = self._order.judge(message.header)
        if isinstance(message.header, PictureHeader) and verdict != "stale":
            self.header = message.header
        if verdict == "frame":
            self._statistics.bytes += sum(map(len, parts[2:]))
            return Arrived(message, cast(FrameHeader, message.header), self._heard_at)
        return END if verdict == "end" else None

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
