"""Frames that a container holds more than once, such as 30 pictures a second in 60 frames: each is fused once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.protocols import Stage
from streamfuse.exposure.evidence import MIN_GAP, Evidence, evidence_of

_MAX_HELD = 24  # frames, until it is known whether they are doubled
_MIN_COUNT = 4  # pictures that must have been seen for that
_SAME = 0.004  # mean difference of luma, 0..1, up to which two frames show the same; coding takes about 0.001
_CLEARLY = 3.0  # times as large must the smallest difference between pictures be
_MAX_RUN = 4  # times that a picture is there


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a frame belongs."""

    index: int
    pts: int | None


class Doubles:
    """The two ends: `OnceStage` leaves copies out, `AgainStage` repeats the fused frame in their place.

    Without its copies a film is numbered anew, so that frames which follow each other do so by number.

    Attributes:
        copies: frames so far that were left out and came again.
    """

    def __init__(self) -> None:
        self.copies = 0
        self._first: int | None = None  # number from which on frames are numbered anew
        self._indices: list[int] = []  # in the source, of each number from there on
        self._places: dict[int, list[_Place]] = {}  # by number, of frames that are on their way

    def once(self, frame: Frame) -> Frame:
        """Give a frame that is no copy, under its new number."""
        if self._first is None:
            self._first = frame.index
        number = self._first + len(self._indices)
        self._indices.append(frame.index)
        self._places[number] = [_Place(frame.index, frame.pts)]
        return replace(frame, index=number)

    def copy(self, frame: Frame) -> None:
        """A frame that shows the same as the last one given to `once`."""
        self.copies += 1
        assert self._first is not None
        self._places[self._first + len(self._indices) - 1].append(_Place(frame.index, frame.pts))

    def index_of(self, number: int) -> int:
        """Give the number of a frame in its source."""
        if self._first is None or number < self._first:
            return number
        return self._indices[min(number - self._first, len(self._indices) - 1)]

    def again(self, frame: FusedFrame) -> list[FusedFrame]:
        """Give a fused frame, in all places of its reference."""
        while (first := next(iter(self._places), frame.index)) < frame.index:
            del self._places[first]  # was no reference, or left out on its way
        places = self._places.pop(frame.index, None)
        if places is None:
            return [frame]
        made_of = tuple(self.index_of(number) for number in frame.exposures)
        return [replace(frame, index=place.index, pts=place.pts, exposures=made_of) for place in places]


class OnceStage(Stage[Frame, Frame]):
    """Frame -> Frame, without copies where *every* picture comes more than once; else one for one.

    Frames are held until that is known: while nothing changes (a title), the oldest ones pass.
    """

    def __init__(self, doubles: Doubles) -> None:
        self._doubles = doubles
        self._held: deque[tuple[Frame, Evidence]] = deque()
        self._doubled: bool | None = None
        self._last: Evidence | None = None
        self._run = 0

    def push(self, item: Frame) -> Iterable[Frame]:
        """Take the next frame; give those that are no copies."""
        if self._doubled is not None:
            return self._one(item) if self._doubled else [item]
        if item.exposure is not None and item.exposure.rank is not None:
            return [*self._decide(False), item]  # who tells the exposures takes each picture once
        self._held.append((item, evidence_of(item)))
        seen = [evidence for _, evidence in self._held]
        if len(_runs(seen)) >= _MIN_COUNT + 2:  # those at the ends may be cut off
            return self._decide(is_doubled(seen))
        return [self._held.popleft()[0]] if len(self._held) > _MAX_HELD else []

    def flush(self) -> Iterable[Frame]:
        """The input has ended."""
        return self._decide(is_doubled([evidence for _, evidence in self._held])) if self._held else []

    def _decide(self, doubled: bool) -> list[Frame]:
        self._doubled = doubled
        held = [frame for frame, _ in self._held]
        self._held.clear()
        return [frame for one in held for frame in self._one(one)] if doubled else held

    def _one(self, frame: Frame) -> list[Frame]:
        evidence = evidence_of(frame)
        same = self._last is not None and apart(evidence, self._last) < _SAME and self._run < _MAX_RUN
        self._last = evidence
        if same:
            self._run += 1
            self._doubles.copy(frame)
            return []
        self._run = 1
        return [self._doubles.once(frame)]


class AgainStage(Stage[FusedFrame, FusedFrame]):
    """FusedFrame -> FusedFrame, in the place of the copies, too."""

    def __init__(self, doubles: Doubles) -> None:
        self._doubles = doubles

    def push(self, item: FusedFrame) -> Iterable[FusedFrame]:
        """Take a fused frame; give it as often as its picture came."""
        return self._doubles.again(item)


def apart(one: Evidence, other: Evidence) -> float:
    """Mean difference of luma of two thumbnails, 0..1."""
    return float(np.abs(one.thumbnail - other.thumbnail).mean())


def is_doubled(seen: Sequence[Evidence]) -> bool:
    """Tell whether pictures of alternating exposure all come two to four times.

    Pictures at the ends may be cut off. Frames of a picture that stands still for longer do not count.
    """
    runs = _runs(seen)
    inner = [run for run in runs[1:-1] if len(run) <= _MAX_RUN]
    if len(inner) < _MIN_COUNT - 1 or any(len(run) < 2 for run in inner):
        return False
    changes = [apart(one[0], other[0]) for one, other in pairwise(inner)]
    levels = np.diff([run[0].level for run in inner])
    return min(changes) > _CLEARLY * _SAME and float(np.median(np.abs(levels))) > MIN_GAP


def _runs(seen: Sequence[Evidence]) -> list[list[Evidence]]:
    """Frames that show the same, together."""
    runs: list[list[Evidence]] = []
    for frame in seen:
        if runs and apart(frame, runs[-1][-1]) < _SAME:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
