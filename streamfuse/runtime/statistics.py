"""What a run counts and times: one `Meter` per thread, read as one frozen `Statistics`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from streamfuse.core.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class StageStatistics:
    """One thread of the pipeline.

    Args:
        name: the source, a stage, or the sinks.
        items_in: items taken from the queue before it (0 for the source).
        items_out: items passed on (for the sinks: frames that every sink has taken).
        busy_seconds: time spent in the stage's own code.
        waiting_seconds: time spent waiting for an item.
        blocked_seconds: time spent waiting for room in the next queue.
        queue_peak: most items that ever waited in the queue before it.
    """

    name: str
    items_in: int
    items_out: int
    busy_seconds: float
    waiting_seconds: float
    blocked_seconds: float
    queue_peak: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A run so far, or a finished run.

    Args:
        frames_in: frames that the source delivered, dropped ones included.
        frames_out: frames that every sink has taken.
        drops: frames that the drop policy threw away.
        elapsed: seconds since the run began.
        interrupted: the run was ended by a KeyboardInterrupt (and its output finished).
        stages: source, stages, sinks, in order.
    """

    frames_in: int
    frames_out: int
    drops: int
    elapsed: float
    interrupted: bool
    stages: tuple[StageStatistics, ...]

    @property
    def fps(self) -> float:
        """Frames out per second of the whole run."""
        return self.frames_out / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def bottleneck(self) -> str:
        """Name of the stage that was busy longest."""
        return max(self.stages, key=lambda stage: stage.busy_seconds).name

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, ready for JSON."""
        return {**asdict(self), "stages": [asdict(stage) for stage in self.stages], "fps": self.fps}


class Meter:
    """Counts and times of one thread; written by that thread only, readable from any."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items_in = 0
        self.items_out = 0
        self.busy_seconds = 0.0
        self.waiting_seconds = 0.0
        self.blocked_seconds = 0.0
        self.call = Watchdog()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Time spent in the stage's own code, which `call` watches."""
        begin = time.monotonic()
        try:
            with self.call:
                yield
        finally:
            self.busy_seconds += time.monotonic() - begin

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time spent waiting for input."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.waiting_seconds += time.monotonic() - begin

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Time spent waiting for room in the next queue."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.blocked_seconds += time.monotonic() - begin

    def snapshot(self, queue_peak: int) -> StageStatistics:
        """The figures of this moment."""
        return StageStatistics(
            self.name,
            self.items_in,
            self.items_out,
            self.busy_seconds,
            self.waiting_seconds,
            self.blocked_seconds,
            queue_peak,
        )
