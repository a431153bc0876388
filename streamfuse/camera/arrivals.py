"""The rate of a stream that does not tell it, by when its pictures arrive."""

from __future__ import annotations

from fractions import Fraction

_MIN_COUNT, _ENOUGH = 2, 31  # pictures
_SECONDS = 1.0
_TOGETHER_SECONDS = 0.005  # pictures that come closer are from a buffer


class ArrivalRate:
    """Takes the times of the first pictures until they tell a rate: for a second, or until there are two."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def add(self, arrived: float) -> Fraction | None:
        """Count one more picture; give the rate in pictures per second as soon as it is known."""
        times = self._times
        if len(times) == 1 and arrived - times[0] < _TOGETHER_SECONDS:
            times.clear()
        times.append(arrived)
        span, count = arrived - times[0], len(times)
        if count < _MIN_COUNT or not (span >= _SECONDS or (count >= _ENOUGH and span > 0)):
            return None
        rate = (count - 1) / span
        return Fraction(round(2 * rate), 2) if rate >= 2 else Fraction(max(rate, 0.02)).limit_denominator(50)
