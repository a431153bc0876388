"""One clock for a whole run: time stamps that only grow, whatever the camera does."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

from streamfuse.frame import Frame

TIME_BASE = Fraction(1, 90_000)
"""Of everything that a live run gives out: the clock of MPEG-TS and RTP."""
_BREAK_SECONDS = 1.0


class Timeline:
    """Numbers frames from 0 without holes, and restates their time stamps on one clock.

    The source's own steps are kept, since they have less jitter than arrival times. Where its clock goes back or
    disagrees with the time of capture by more than a second (a camera that was opened again), the step is that of
    the capture times.

    Args:
        period: seconds from one frame to the next, for the smallest step.
        simultaneous: as in `SourceInfo`: so many consecutive frames share a time stamp.
    """

    def __init__(self, period: float, simultaneous: int = 1) -> None:
        self.broken = False
        """Whether there was a break just before the last frame: time was lost, or the source's clock jumped."""
        self._step = max(1, round(period / TIME_BASE / 2))
        self._patience = max(_BREAK_SECONDS, 5 * period)
        self._simultaneous = simultaneous
        self._count = 0
        self._last_source: Fraction | None = None
        self._last_capture = 0.0
        self._last_pts = 0

    def place(self, frame: Frame) -> Frame:
        """The frame with its number and time on this run's clock, and a time of capture in any case."""
        captured = time.monotonic() if frame.captured_at is None else frame.captured_at
        stamp = None if frame.pts is None else frame.pts * frame.time_base
        pts = 0 if self._count == 0 else self._next(stamp, captured)
        placed = replace(frame, index=self._count, pts=pts, time_base=TIME_BASE, captured_at=captured)
        self._last_source, self._last_capture, self._last_pts = stamp, captured, pts
        self._count += 1
        return placed

    def _next(self, stamp: Fraction | None, captured: float) -> int:
        elapsed = captured - self._last_capture
        self.broken = elapsed > self._patience
        if self._simultaneous > 1 and stamp is not None and stamp == self._last_source:
            return self._last_pts
        step = elapsed
        if stamp is not None and self._last_source is not None:
            told = float(stamp - self._last_source)
            if told > 0 and abs(told - elapsed) <= self._patience:
                step = told
            else:
                self.broken = True
        return self._last_pts + max(self._step, round(step / TIME_BASE))
