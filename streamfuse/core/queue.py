"""The queue between two threads: between the stages of a run, behind a camera or a stream, before an output."""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, Literal, TypeVar, get_args, overload

from streamfuse.errors import UsageError

T = TypeVar("T")

Policy = Literal["wait", "drop-oldest", "drop-newest"]


class End(enum.Enum):
    """Stands in an item's place when nothing more will come."""

    END = "end"


END: Final = End.END


class Queue(Generic[T]):
    """A bounded queue from one writer to one reader, either of which may be the slower one.

    The writer calls `end` when it is done. `cancel` makes the items worthless: they are thrown away and the
    writer is told to give up. The reader still waits for `end` after a cancel, so that what comes first
    closes first.

    Args:
        size: most items held, 1 or more.
        policy: what `put` does when the queue is full: wait for room, throw away the oldest item that it
            holds, or throw away the new one.
        excess: tells how many of the oldest items are not wanted any more, from all that wait; it is asked
            whenever one is put or taken, and the queue is locked meanwhile.

    Attributes:
        drops: items that were thrown away, but for those of a `cancel`.
        peak: most items that ever waited.

    Raises:
        UsageError: size below 1, or no such policy.
    """

    def __init__(
        self, size: int, policy: Policy = "wait", excess: Callable[[Sequence[T]], int] | None = None
    ) -> None:
        if size < 1:
            raise UsageError(f"A queue needs room for at least 1 item, not {size}.")
        if policy not in get_args(Policy):
            raise UsageError(f"There is no policy {policy!r}: use one of {', '.join(get_args(Policy))}.")
        self.drops = 0
        self.peak = 0
        self._size = size
        self._policy = policy
        self._excess = excess
        self._items: deque[T] = deque()
        self._ended = False
        self._cancelled = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Hand over one item; False if nobody wants items any more."""
        with self._changed:
            if self._policy == "wait":
                self._changed.wait_for(lambda: self._cancelled or len(self._items) < self._size)
            if self._cancelled:
                return False
            if len(self._items) == self._size and self._policy == "drop-newest":
                self.drops += 1
                return True
            self._items.append(item)
            self._drop(max(0, len(self._items) - self._size))
            self._leave_out()
            self.peak = max(self.peak, len(self._items))
            self._changed.notify_all()
            return True

    @overload
    def get(self, timeout: None = None) -> T | End: ...

    @overload
    def get(self, timeout: float) -> T | End | None: ...

    def get(self, timeout: float | None = None) -> T | End | None:
        """Take the next item.

        Args:
            timeout: seconds to wait for one; None: for ever.

        Returns:
            The item; `END` if nothing more will come; None if nothing came in time.

        Raises:
            BaseException: the error that it ended with, once all items are taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout)
            if self._items:
                self._leave_out()
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None and not self._cancelled:
                raise self._error
            return END if self._ended else None

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more will be put, and why, if that is an error; the first one who says so is believed."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Throw away what waits here and refuse what comes."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Tell whether all has been taken and nothing more will come."""
        with self._changed:
            return self._ended and not self._items

    def _leave_out(self) -> None:
        if self._excess is not None and self._items:
            self._drop(min(self._excess(self._items), len(self._items) - 1))

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._items.popleft()
        self.drops += count
