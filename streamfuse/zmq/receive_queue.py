"""Between the thread that receives and the one that asks: a short queue that never lets frames grow old."""

from __future__ import annotations

import threading
import time
from collections import deque

from streamfuse.zmq.decode import END, Arrived
from streamfuse.zmq.received import ReceivedFrame

Item = Arrived | ReceivedFrame
_MAX_ITEMS = 64


class ReceiveQueue:
    """A queue from one writer to one reader, who may be slow.

    Args:
        max_age: seconds that a frame may wait while there is a newer one; 0 keeps the newest frame only.

    Attributes:
        skipped: frames that were left out.
    """

    def __init__(self, max_age: float) -> None:
        self.skipped = 0
        self._max_age = max_age
        self._items: deque[Item] = deque()
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Hand over a frame."""
        with self._changed:
            self._items.append(item)
            self._leave_out()
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will be put; the reader gets what is there, then the end, or the error."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """The reader wants nothing more."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def get(self, seconds: float) -> Item | str | None:
        """The next frame, `END`, or None if there was neither in time.

        Raises:
            BaseException: the error with which it ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._closed, seconds)
            if self._items:
                self._leave_out()
                return self._items.popleft()
            if self._error is not None and not self._closed:
                raise self._error
            return END if self._ended or self._closed else None

    def _leave_out(self) -> None:
        """Drop frames that have waited too long while newer ones are there."""
        oldest = time.monotonic() - self._max_age
        while len(self._items) > 1 and (
            self._items[0].received_at <= oldest or len(self._items) > _MAX_ITEMS
        ):
            self._items.popleft()
            self.skipped += 1
