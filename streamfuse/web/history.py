"""The last minutes of a run in figures, so that a page that is opened late shows them too."""

from __future__ import annotations

import math
from collections import deque

from streamfuse.runtime.live.status import LiveStatus

SECONDS = 300


class History:
    """One sample a second of the last `SECONDS` seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float | None, ...]] = deque(maxlen=SECONDS)

    def add(self, status: LiveStatus | None) -> None:
        """Keep the figures of this second; None if the run did not give any."""
        if status is None:
            self._samples.append((None, None, None, None))
            return
        figures = status.rate_in, status.rate_out, *status.age_ms[:2]
        self._samples.append(tuple(figure if math.isfinite(figure) else None for figure in figures))

    def as_dict(self) -> dict[str, object]:
        """Give a list for each figure, oldest first, None where there is no figure."""
        columns = zip(*self._samples, strict=True) if self._samples else ((), (), (), ())
        return dict(zip(("rate_in", "rate_out", "age_p50", "age_p95"), map(list, columns), strict=True))


def plain(value: object) -> object:
    """Give the same with None in place of what JSON has no word for: infinite and not-a-number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
