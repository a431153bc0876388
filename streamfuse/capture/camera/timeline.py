"""Time stamps that go on across reconnects, and the pauses between attempts."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

from streamfuse.frame import Frame

CLOCK = Fraction(1, 90_000)  # the time base of broadcast streams: what encoders like best
_JUMP_SECONDS = 2.0  # a time stamp that runs away from the clock by more is a new beginning


class Timeline:
    """Gives frames increasing time stamps from 0 on, and consecutive numbers.

    Inside a connection the camera's own time stamps count. Where they begin again, run backwards or jump, the clock
    says how much time has passed.

    Args:
        period: nominal seconds between two frames.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._offset: float | None = None  # seconds from the camera's time to ours; None: to be found
        self._last: tuple[float, float] | None = None  # our time and `captured_at` of the last frame
        self._last_pts = -1
        self._count = 0

    def restart(self) -> None:
        """The camera was opened again: its time stamps mean nothing any more."""
        self._offset = None

    def stamp(self, frame: Frame) -> Frame:
        """The frame with its place in time."""
        captured = frame.captured_at or 0.0
        told = captured if frame.pts is None else float(frame.pts * frame.time_base)
        if self._last is None:
            at, self._offset = 0.0, -told
        else:
            at = self._place(told, captured, *self._last)
        pts = max(round(at / CLOCK), self._last_pts + 1)
        frame = replace(frame, pts=pts, time_base=CLOCK, index=self._count)
        self._last, self._last_pts, self._count = (at, captured), pts, self._count + 1
        return frame

    def _place(self, told: float, captured: float, last_at: float, last_captured: float) -> float:
        passed = captured - last_captured
        if self._offset is not None:
            at = told + self._offset
            if last_at < at and abs(at - last_at - passed) < _JUMP_SECONDS:
                return at
        at = last_at + max(passed, self._period)
        self._offset = at - told
        return at


class Backoff:
    """Pauses that double up to a cap and vary by chance, so that many clients do not come back all at once.

    Args:
        first: seconds of the first pause, at most.
        longest: the cap in seconds.
        chance: 0..1, drawn for each pause.
    """

    def __init__(self, first: float, longest: float, chance: random.Random | None = None) -> None:
        self._first, self._longest = first, longest
        self._chance = chance or random.Random()
        self._attempts = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt: between half of the pause and all of it."""
        pause = min(self._longest, self._first * 2.0 ** min(self._attempts, 30))
        self._attempts += 1
        return pause * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again."""
        self._attempts = 0
