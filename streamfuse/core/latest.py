"""The newest of many values, for readers of which each takes as many as it can, and what is made of it for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Latest(Generic[T]):
    """Holds one value, the newest. Values are numbered from 0 on; nobody ever waits for a reader."""

    def __init__(self) -> None:
        self._held: tuple[int, T] | None = None
        self._number = -1
        self._closed = False
        self._changed = threading.Condition()

    def put(self, value: T) -> None:
        """Make this the newest value."""
        with self._changed:
            self._number += 1
            self._held = self._number, value
            self._changed.notify_all()

    def after(self, number: int = -1, timeout: float | None = None) -> tuple[int, T] | None:
        """Give the newest value, with its number, as soon as that is above `number`.

        Args:
            number: of the value that is known already; -1: none is.
            timeout: seconds to wait for it; None: for ever.

        Returns:
            None if none came in time, or no more will come.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, timeout)
            return None if self._closed or self._number <= number else self._held

    def close(self) -> None:
        """Let go of the value and send all who wait away; may be called more than once."""
        with self._changed:
            self._closed, self._held = True, None
            self._changed.notify_all()


class Made(Generic[T, R]):
    """What is made of the newest value: once, by the first reader who asks, in its own thread; all others get the same.

    Args:
        latest: holds the value.
        make: makes something of it.
    """

    def __init__(self, latest: Latest[T], make: Callable[[T], R]) -> None:
        self._latest, self._make = latest, make
        self._made: tuple[int, R] | None = None
        self._making = threading.Lock()

    def after(self, number: int = -1, timeout: float | None = None) -> tuple[int, R] | None:
        """Give what is made of the newest value above `number`; as `Latest.after`."""
        found = self._latest.after(number, timeout)
        if found is None:
            return None
        newest, value = found
        with self._making:
            if self._made is None or self._made[0] < newest:
                self._made = newest, self._make(value)
            return self._made
