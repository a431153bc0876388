"""Knowing of a call in another thread that it has not returned."""

from __future__ import annotations

import time
from types import TracebackType


class Watchdog:
    """Stands beside a thread's calls that may hang: each is one `with` block; another thread asks how long it lasts.

    Example:
        >>> dog = Watchdog()
        >>> with dog:
        ...     dog.seconds() >= 0.0
        True
        >>> dog.seconds()
        0.0
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._since = None

    def seconds(self, after: float = 0.0) -> float:
        """Give the seconds that the present call has lasted since `after`, of `time.monotonic()`; 0.0: none."""
        since = self._since
        return 0.0 if since is None else max(0.0, time.monotonic() - max(since, after))
