"""A small store of what was computed for the frames that are still in use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from streamfuse.core.frame import Frame

T = TypeVar("T")


class Recent(Generic[T]):
    """The last `size` results, by the frames that they were computed from; for any number of threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        # The frames are kept beside the result: an id is unique only as long as its object lives.
        self._results: OrderedDict[tuple[int, ...], tuple[tuple[Frame, ...], Future[T]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, *frames: Frame) -> T | None:
        """Give the result for these frames, or None."""
        with self._lock:
            found = self._results.get(tuple(map(id, frames)))
        return None if found is None else found[1].result()

    def put(self, result: T, *frames: Frame) -> T:
        """Keep a result, and give it back; the oldest one goes."""
        done: Future[T] = Future()
        done.set_result(result)
        with self._lock:
            self._keep(done, frames)
        return result

    def of(self, compute: Callable[[], T], *frames: Frame) -> T:
        """Give the result for these frames: computed once, by the first who asks; others wait for it.

        Args:
            compute: must depend on the frames only.
            frames: what it is computed from.

        Raises:
            Exception: what `compute` raised.
        """
        with self._lock:
            found = self._results.get(tuple(map(id, frames)))
            mine: Future[T] = Future()
            if found is None:
                self._keep(mine, frames)
        if found is not None:
            return found[1].result()
        try:
            mine.set_result(compute())
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()

    def _keep(self, result: Future[T], frames: tuple[Frame, ...]) -> None:
        self._results[tuple(map(id, frames))] = frames, result
        while len(self._results) > self.size:
            self._results.popitem(last=False)
