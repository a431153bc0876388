"""What a run counts and times: one `Meter` per thread, read as one frozen `Statistics`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from streamfuse.core.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class StageStatistics:
    """One stage of the pipeline, in one thread or several; times are those of all its threads together.

    Args:
        name: the source, a stage, or the sinks.
        items_in: items taken from the queue before it (0 for the source).
        items_out: items passed on (for the sinks: frames that every sink has taken).
        busy_seconds: time spent in the stage's own code.
        waiting_seconds: time spent waiting for an item.
        blocked_seconds: time spent waiting for room in the next queue.
        queue_peak: most items that ever waited in the queue before it.
        threads: that work on its items.
    """

    name: str
    items_in: int
    items_out: int
    busy_seconds: float
    waiting_seconds: float
    blocked_seconds: float
    queue_peak: int
    threads: int = 1


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
        """Name of the stage whose threads were busy longest."""
        return max(self.stages, key=lambda stage: stage.busy_seconds / stage.threads).name

    def as_dict(self) -> dict[str, object]:
        """Give plain numbers, strings and lists, ready for JSON."""
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


def snapshot(meters: Sequence[Meter], queue_peak: int) -> StageStatistics:
    """Give the figures of this moment of all threads of a stage."""
    return StageStatistics(
        meters[0].name,
        sum(meter.items_in for meter in meters),
        sum(meter.items_out for meter in meters),
        sum(meter.busy_seconds for meter in meters),
        sum(meter.waiting_seconds for meter in meters),
        sum(meter.blocked_seconds for meter in meters),
        queue_peak,
        len(meters),
    )
