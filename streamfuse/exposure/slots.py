"""Exposures taken at the same time: which of the N frames of an instant is which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfuse.core.frame import Frame


class Slots:
    """The place of a frame among the N frames of its instant, and the rank that belongs to it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ranks = tuple(range(count))
        """Rank of each place; darkest first until `learn` has seen otherwise."""
        self._place = -1
        self._pts: int | None = None

    def next(self, frame: Frame) -> int:
        """Give the place of the frame that came now: a new instant starts after N frames, or with another pts."""
        full = self._place in (-1, self.count - 1)
        self._place = 0 if full or frame.pts != self._pts else self._place + 1
        self._pts = frame.pts
        return self._place

    def learn(self, places: Sequence[int], levels: Sequence[float]) -> float:
        """Set the ranks from mean levels; returns the smallest difference between two places."""
        means = [
            float(
                np.mean([level for level, at in zip(levels, places, strict=True) if at == place] or [np.inf])
            )
            for place in range(self.count)
        ]
        self.ranks = tuple(int(rank) for rank in np.argsort(np.argsort(means, kind="stable")))
        return float(np.diff(np.sort(means)).min())
