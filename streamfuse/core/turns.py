"""Order among threads: what several of them work on at once goes through one place in the order in which it came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class Turns:
    """Gives out turns, each of which waits for those that were given out before it.

    Example:
        >>> turns = Turns()
        >>> first, second = turns.next(), turns.next()
        >>> with first:
        ...     pass
        >>> with second:
        ...     pass
    """

    def __init__(self) -> None:
        self._given = 0
        self._now = 0
        self._over: set[int] = set()
        self._changed = threading.Condition()

    def next(self) -> Turn:
        """Give out the next turn. Whoever has it must take or `skip` it, or nobody after it ever has a turn."""
        with self._changed:
            self._given += 1
            return Turn(self, self._given - 1)

    def wait(self, number: int) -> None:
        """Wait until all turns before this one are over."""
        with self._changed:
            self._changed.wait_for(lambda: self._now >= number)

    def end(self, number: int) -> None:
        """Say that this turn is over; once or more often."""
        with self._changed:
            if number >= self._now:
                self._over.add(number)
            while self._now in self._over:
                self._over.remove(self._now)
                self._now += 1
            self._changed.notify_all()


class Turn:
    """A place in the order: a context that is entered when all before it have left theirs."""

    def __init__(self, turns: Turns, number: int) -> None:
        self._turns, self._number = turns, number

    def __enter__(self) -> None:
        self.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.skip()

    def wait(self) -> None:
        """Wait for it; it lasts until `skip`."""
        self._turns.wait(self._number)

    def skip(self) -> None:
        """Let those that come after it go on, whether it was taken or not."""
        self._turns.end(self._number)


class InLine(Executor):
    """Does at once, in the thread that asks, what other executors do beside it."""

    def submit(self, function: Callable[..., T], /, *args: Any, **keywords: Any) -> Future[T]:
        """Do it; what it raises is raised by `result`, as ever."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **keywords))
        except BaseException as error:
            future.set_exception(error)
        return future
