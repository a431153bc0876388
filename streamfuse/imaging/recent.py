"""A small store of what was computed for the frames that are still in use."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from streamfuse.core.frame import Frame

T = TypeVar("T")


class Recent(Generic[T]):
    """The last `size` results, by the frames that they were computed from."""

    def __init__(self, size: int) -> None:
        self._size = size
        # The frames are kept beside the result: an id is unique only as long as its object lives.
        self._results: OrderedDict[tuple[int, ...], tuple[tuple[Frame, ...], T]] = OrderedDict()

    def get(self, *frames: Frame) -> T | None:
        """The result for these frames, or None."""
        found = self._results.get(tuple(map(id, frames)))
        return None if found is None else found[1]

    def put(self, result: T, *frames: Frame) -> T:
        """Keep a result, and give it back; the oldest one goes."""
        self._results[tuple(map(id, frames))] = (frames, result)
        while len(self._results) > self._size:
            self._results.popitem(last=False)
        return result
