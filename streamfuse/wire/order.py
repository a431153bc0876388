"""Which messages count: one stream at a time, each frame once and in order, an end only for the stream it ends."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from streamfuse.wire.message import EndHeader, FrameHeader, Header, HeartbeatHeader

_REMEMBERED_STREAMS = 64

Verdict = Literal["frame", "news", "end", "stale"]


@dataclass(slots=True)
class ReceiverStatistics:
    """What a receiver has counted so far.

    Args:
        received: frames that came and were in order.
        lost: frames that were sent and never came (gaps of `seq`).
        skipped: frames that came and were left out, because a newer one was there.
        undecodable: frames that came and could not be decoded, because one before them was lost.
        stale: messages that came again or out of order, or belong to a stream that is over.
        restarts: changes to another stream: the publisher was started again.
        rejected: messages that were refused, by the class of their error.
        publisher_dropped: frames that the publisher says it has left out itself.
        connects, disconnects, denied, failed: of the connection, see `LinkCounts`.
        bytes: payload received.
    """

    received: int = 0
    lost: int = 0
    skipped: int = 0
    undecodable: int = 0
    stale: int = 0
    restarts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    publisher_dropped: int = 0
    connects: int = 0
    disconnects: int = 0
    denied: int = 0
    failed: int = 0
    bytes: int = 0


class StreamOrder:
    """Follows one stream; the newest one, if the publisher is started again.

    Args:
        statistics: where to count.
    """

    def __init__(self, statistics: ReceiverStatistics) -> None:
        self.stream: str | None = None
        self._statistics = statistics
        self._next = 0
        self._began = False
        self._over: deque[str] = deque(maxlen=_REMEMBERED_STREAMS)

    def judge(self, header: Header) -> Verdict:
        """What to do with the message: a frame to deliver, news of the stream, its end, or nothing (stale)."""
        if not self._belongs(header):
            self._statistics.stale += 1
            return "stale"
        self._statistics.publisher_dropped = header.dropped
        if isinstance(header, FrameHeader):
            return self._frame(header.seq)
        if self._began and isinstance(header, EndHeader | HeartbeatHeader):
            self._count_gap(header.seq)  # frames lost since the last one that came
        if isinstance(header, EndHeader):
            self._over.append(header.stream)
            self.stream = None
            return "end"
        return "news"

    def _belongs(self, header: Header) -> bool:
        """Whether it is of the stream that is followed; begins to follow a new one."""
        if header.stream == self.stream:
            return True
        # The end of a stream that was never seen may be an old one, played again.
        if header.stream in self._over or isinstance(header, EndHeader):
            return False
        if self.stream is not None:
            self._over.append(self.stream)
            self._statistics.restarts += 1
        self.stream, self._began = header.stream, False
        return True

    def _frame(self, seq: int) -> Verdict:
        if self._began and seq < self._next:
            self._statistics.stale += 1
            return "stale"
        if self._began:
            self._count_gap(seq)
        self._began = True
        self._next = seq + 1
        self._statistics.received += 1
        return "frame"

    def _count_gap(self, seq: int) -> None:
        self._statistics.lost += max(seq - self._next, 0)
        self._next = max(seq, self._next)
