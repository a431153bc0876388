"""The bounded queue between two threads of a pipeline."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Final, Literal, get_args

from streamfuse.errors import UsageError

Policy = Literal["wait", "drop-oldest", "drop-newest"]

END: Final = object()  # what `get` gives when nothing more will come


class Channel:
    """A queue of at most `size` items from one writer to one reader.

    The writer calls `end` when it is done. `cancel` makes the items worthless: they are thrown away and the
    writer is told to give up. The reader still waits for `end` after a cancel, so that what comes first
    closes first.

    Args:
        size: most items held, 1 or more.
        policy: what `put` does when the queue is full: wait for room, throw away the oldest item that it
            holds, or throw away the new one.

    Raises:
        UsageError: size below 1, or no such policy.
    """

    def __init__(self, size: int, policy: Policy = "wait") -> None:
        if size < 1:
            raise UsageError(f"A queue needs room for at least 1 item, not {size}.")
        if policy not in get_args(Policy):
            raise UsageError(f"There is no policy {policy!r}: use one of {', '.join(get_args(Policy))}.")
        self.drops = 0
        self.peak = 0
        self._size = size
        self._policy = policy
        self._items: deque[Any] = deque()
        self._ended = False
        self._cancelled = False
        self._changed = threading.Condition()

    def put(self, item: Any) -> bool:
        """Hand over one item; False if nobody wants items any more."""
        with self._changed:
            if self._policy == "wait":
                self._changed.wait_for(lambda: self._cancelled or len(self._items) < self._size)
            if self._cancelled:
                return False
            if len(self._items) == self._size:
                self.drops += 1
                if self._policy == "drop-newest":
                    return True
                self._items.popleft()
            self._items.append(item)
            self.peak = max(self.peak, len(self._items))
            self._changed.notify_all()
            return True

    def get(self) -> Any:
        """The next item, or `END`."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            if not self._items:
                return END
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Throw away what waits here and refuse what comes."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()
