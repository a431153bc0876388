"""Rates and ages over the last moments."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

_RATE_SECONDS = 5.0
_AGE_SECONDS = 60.0
_FIRST_SECONDS = 1.0
_MAX_AGES = 60 * 240  # of a minute at the highest rate that makes sense


class RateMeter:
    """Events per second over the last `seconds`; one thread ticks, any thread asks."""

    def __init__(self, seconds: float = _RATE_SECONDS) -> None:
        self.count = 0
        self._seconds = seconds
        self._began: float | None = None
        self._ticks: deque[float] = deque()
        self._lock = threading.Lock()

    def tick(self) -> None:
        """One happened just now."""
        with self._lock:
            now = time.monotonic()
            self._began = now if self._began is None else self._began
            self.count += 1
            self._ticks.append(now)
            self._forget(now)

    @property
    def rate(self) -> float:
        """Per second; 0.0 in the first second, of which nothing can be said."""
        with self._lock:
            now = time.monotonic()
            self._forget(now)
            if self._began is None or not self._ticks or now - self._began < _FIRST_SECONDS:
                return 0.0
            # Soon after the start there is less than a window to look at; its first event only opens it.
            whole = now - self._began >= self._seconds
            events = len(self._ticks) - (0 if whole else 1)
            return events / (self._seconds if whole else now - self._began)

    def _forget(self, now: float) -> None:
        while self._ticks and now - self._ticks[0] > self._seconds:
            self._ticks.popleft()


class AgeWindow:
    """Ages of the last minute, and their percentiles."""

    def __init__(self, seconds: float = _AGE_SECONDS) -> None:
        self._seconds = seconds
        self._ages: deque[tuple[float, float]] = deque(maxlen=_MAX_AGES)
        self._lock = threading.Lock()

    def add(self, age: float) -> None:
        """Take one age in seconds."""
        with self._lock:
            self._ages.append((time.monotonic(), age))

    def percentiles_ms(self) -> tuple[float, float, float]:
        """Give p50, p95 and p99 in milliseconds; zeros where there is none."""
        with self._lock:
            since = time.monotonic() - self._seconds
            ages = [age for moment, age in self._ages if moment >= since]
        if not ages:
            return 0.0, 0.0, 0.0
        middle, high, highest = np.percentile(ages, (50, 95, 99)) * 1e3
        return round(float(middle), 1), round(float(high), 1), round(float(highest), 1)
