"""The exact times of pictures at a constant rate, of which a container has kept rounded ones."""

from __future__ import annotations

import math
from fractions import Fraction

_FINEST = 2**31 - 1  # the largest clock that MP4 has


class SteadyTimes:
    """Puts time stamps back on the grid of a constant rate as long as all of them are roundings of it.

    Matroska keeps milliseconds: 24 pictures a second are 42, 41 or 42 ms apart there, and an editor would take a copy
    for one of variable rate. From the first stamp on that is no rounding, all are left as they are.

    Args:
        time_base: of the stamps.
        rate: the rate that the file names.

    Attributes:
        time_base: of the stamps that are given out: one that has both the grid and the file's own stamps exactly.
    """

    def __init__(self, time_base: Fraction, rate: Fraction) -> None:
        self._own = time_base
        self._rate = rate
        common = math.lcm(time_base.denominator, rate.numerator)
        rounded = (1 / (rate * time_base)).denominator != 1
        self._on_grid = rounded and time_base.numerator == 1 and common <= _FINEST
        self.time_base = Fraction(1, common) if self._on_grid else time_base
        self._ratio = int(time_base / self.time_base)

    def place(self, pts: int) -> int:
        """Give the stamp in `self.time_base`, on the grid while that is certain."""
        if self._on_grid:
            told = pts * self._own
            exact = round(told * self._rate) / self._rate
            if abs(exact - told) <= self._own / 2:
                return int(exact / self.time_base)
            self._on_grid = False
        return pts * self._ratio
