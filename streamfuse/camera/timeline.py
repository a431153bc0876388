"""Time stamps that go on across reconnects, and the pauses between attempts."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

from streamfuse.core.frame import Frame

CLOCK = Fraction(1, 90_000)  # the time base of broadcast streams: what encoders like best
_JUMP_SECONDS = 2.0  # a time stamp that runs away from the clock by more is a new beginning
_WINDOW_SECONDS = 3.0  # a network that holds frames back for less does not look like a clock that goes wrong
_MAX_WINDOW_SECONDS = 30.0
_PAUSES = (
    2.5  # of those between arrivals that a window holds at least: segments come whole, each some seconds long
)
_LEAPS = 3  # so often too far ahead in one window: that is no clock
_SLACK_SECONDS = 0.1  # by which two clocks may differ before the time stamps are changed


class Timeline:
    """Gives frames increasing time stamps from 0 on, and consecutive numbers.

    Inside a connection the camera's own time stamps count, so that the pictures keep their distances whatever the
    network does. Where they begin again, run backwards or jump, the clock of arrival says how much time has passed.
    The same clock bounds what a camera's clock that goes wrong may add up to: the frames that were the least delayed
    in each few seconds show how the two run apart, and the time stamps follow. A clock that runs ahead by seconds again
    and again is none: the frames are placed by their arrival from then on, and what they are ahead is made up for by
    shorter steps.

    Args:
        period: nominal seconds between two frames.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._offset: float | None = None  # seconds from the camera's time to ours; None: to be found
        self._last: tuple[float, float] | None = None  # our time and `captured_at` of the last frame
        self._last_pts = -1
        self._count = 0
        self._lead: float | None = (
            None  # our time minus that of arrival of frames with the least delay; once known
        )
        self._target: float | None = None  # what the offset should be, by the last window
        self._origin = 0.0  # when our time was 0, by the clock of arrival
        self._leaps = 0  # times that the camera's clock was too far ahead, in this window
        self._no_clock = False  # what the camera tells is of no use
        self._pause = 0.0  # the longest between two arrivals in this connection
        self._window = 0.0  # when the window began
        self._least = math.inf  # arrival minus the camera's time, of the frame in it that was delayed least

    def restart(self) -> None:
        """The camera was opened again: its time stamps mean nothing any more."""
        if self._last is not None:
            self._end_window(self._last[1])
        self._offset = self._target = None
        self._pause = 0.0

    def stamp(self, frame: Frame) -> Frame:
        """Give the frame with its place in time."""
        captured = frame.captured_at or 0.0
        believed = frame.pts is not None and not self._no_clock
        told = float(frame.pts * frame.time_base) if frame.pts is not None and believed else captured
        if self._last is None:
            at, self._offset, self._origin = 0.0, -told, captured
            self._begin_window(captured)
        else:
            at = self._place(told, captured, *self._last)
        self._follow(told, captured)
        pts = max(round(at / CLOCK), self._last_pts + 1)
        frame = replace(frame, pts=pts, time_base=CLOCK, index=self._count)
        self._last, self._last_pts, self._count = (at, captured), pts, self._count + 1
        return frame

    def _place(self, told: float, captured: float, last_at: float, last_captured: float) -> float:
        passed = captured - last_captured
        if self._offset is not None:
            self._pause = max(self._pause, passed)
            self._offset += self._correction(passed)
            at = told + self._offset
            ahead = 0.0 if self._lead is None else at - captured - self._lead
            # Where nothing came for a while it may still be on its way: segments of a playlist, a network that hangs.
            if last_at < at and at - last_at - passed < _JUMP_SECONDS and ahead < _JUMP_SECONDS:
                return at
            self._leaps += ahead >= _JUMP_SECONDS
            if self._leaps == _LEAPS and not self._no_clock:
                return self._give_up(captured, last_at)
        if self._lead is None:
            at = last_at + max(passed, self._period)
        else:
            at = max(captured + self._lead, last_at + self._period / 2)
        self._offset, self._target = at - told, None
        self._begin_window(captured)
        return at

    def _give_up(self, captured: float, last_at: float) -> float:
        """Believe the clock of arrival alone, which has told the time since the first frame."""
        self._no_clock, self._lead = True, -self._origin
        at = last_at + self._period / 2
        self._offset, self._target = at - captured, None
        self._begin_window(captured)
        return at

    def _correction(self, passed: float) -> float:
        """Give what is added to the offset with this frame: little at once, since time never stands still."""
        if self._target is None or self._offset is None:
            return 0.0
        missing = self._target - self._offset
        if abs(missing) < _SLACK_SECONDS:
            return 0.0
        if missing > _JUMP_SECONDS:
            return missing
        return max(missing * min(1.0, passed / _WINDOW_SECONDS), -passed / 2)

    def _follow(self, told: float, captured: float) -> None:
        """Note how long this frame was on its way."""
        self._least = min(self._least, captured - told)
        if captured - self._window >= max(_WINDOW_SECONDS, min(_PAUSES * self._pause, _MAX_WINDOW_SECONDS)):
            self._leaps = 0
            self._end_window(captured)

    def _end_window(self, captured: float) -> None:
        if self._offset is not None and math.isfinite(self._least):
            if self._lead is None:
                self._lead = self._offset - self._least
            self._target = self._lead + self._least
        self._begin_window(captured)

    def _begin_window(self, captured: float) -> None:
        self._window, self._least = captured, math.inf


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
