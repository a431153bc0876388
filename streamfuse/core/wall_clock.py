"""The time of day of a moment of the monotonic clock."""

from __future__ import annotations

import time


def wall_clock(monotonic: float | None) -> float | None:
    """Unix time (seconds since 1970 UTC, by this machine's clock now) of a moment of `time.monotonic()`."""
    return None if monotonic is None else time.time() - (time.monotonic() - monotonic)
