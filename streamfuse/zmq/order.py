"""Which messages count: one stream at a time, each frame once and in order, an end only for the stream it ends."""

from __future__ import annotations

from collections import deque
from typing import Literal

from streamfuse.core.reports import ReceiverStatistics
from streamfuse.zmq.message import EndHeader, FrameHeader, Header, HeartbeatHeader

_REMEMBERED_STREAMS = 64
_LARGEST_GAP = 1 << 20  # frames: ten hours at 30 per second
_AGREEING = 16  # half a second of frames at 30 per second

Verdict = Literal["frame", "news", "end", "stale"]


class StreamOrder:
    """Follows one stream; the newest one, if the publisher is started again.

    A number that is far ahead is believed when the next one agrees with it, and heartbeats do not decide it at all: one
    message cannot make a receiver deaf. What looks old is believed too when `_AGREEING` frames in a row say so, of the
    stream or of the one that was followed before, with none between them that was in order.

    Args:
        statistics: where to count.
    """

    def __init__(self, statistics: ReceiverStatistics) -> None:
        self.stream: str | None = None
        self._statistics = statistics
        self._next = 0
        self._began = False
        self._far: int | None = None  # a number far ahead that is not believed yet
        self._behind = _Behind()
        self._ended: deque[str] = deque(maxlen=_REMEMBERED_STREAMS)
        self._left: deque[str] = deque(maxlen=_REMEMBERED_STREAMS)  # since another one began

    def judge(self, header: Header) -> Verdict:
        """Give what to do with the message: a frame to deliver, news of the stream, its end, or nothing (stale)."""
        if not self._belongs(header):
            self._statistics.stale += 1
            return "stale"
        self._statistics.publisher_dropped = header.dropped
        if isinstance(header, FrameHeader):
            return self._frame(header)
        if self._began and isinstance(header, EndHeader | HeartbeatHeader):
            self._count_gap(header.seq)  # frames lost since the last one that came
        if isinstance(header, EndHeader):
            self._ended.append(header.stream)
            self.stream = None
            return "end"
        return "news"

    def _belongs(self, header: Header) -> bool:
        """Tell whether it is of the stream that is followed; begins to follow a new one."""
        if header.stream == self.stream:
            return True
        # The end of a stream that was never seen may be an old one, played again.
        if header.stream in self._ended or isinstance(header, EndHeader):
            return False
        if header.stream in self._left:
            if not (isinstance(header, FrameHeader) and self._behind.agrees(header)):
                return False
            self._left.remove(header.stream)
        if self.stream is not None:
            self._left.append(self.stream)
            self._statistics.restarts += 1
        self.stream, self._began, self._far = header.stream, False, None
        return True

    def _frame(self, header: FrameHeader) -> Verdict:
        if self._began and not self._is_next(header):
            self._statistics.stale += 1
            return "stale"
        if self._began:
            self._count_gap(header.seq)
        self._began, self._far = True, None
        self._behind = _Behind()
        self._next = header.seq + 1
        self._statistics.received += 1
        return "frame"

    def _is_next(self, header: FrameHeader) -> bool:
        """Tell whether a frame is after the last one; where the numbers went elsewhere, it is the first one there."""
        seq, ahead = header.seq, header.seq - self._next
        if 0 <= ahead <= _LARGEST_GAP:
            return True
        if ahead < 0:
            found = self._behind.agrees(header)
        else:
            found = self._far is not None and 0 < seq - self._far <= _LARGEST_GAP
            self._far = seq
        if found:
            self._statistics.restarts += 1
            self._next = seq
        return found

    def _count_gap(self, seq: int) -> None:
        if 0 < seq - self._next <= _LARGEST_GAP:
            self._statistics.lost += seq - self._next
            self._next = seq


class _Behind:
    """Frames in a row that looked old."""

    def __init__(self) -> None:
        self._last: tuple[str, int] = ("", -1)
        self._count = 0

    def agrees(self, header: FrameHeader) -> bool:
        """Take the next one; whether there are so many of one stream, in order, that they are believed."""
        stream, seq = self._last
        goes_on = header.stream == stream and header.seq > seq
        self._count = self._count + 1 if goes_on else 1
        self._last = header.stream, header.seq
        return self._count >= _AGREEING
