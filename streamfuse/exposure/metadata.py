"""Exposure ranks from metadata: per-frame ranks, or exposure times and gains."""

from __future__ import annotations

from collections.abc import Sequence

from streamfuse.core.frame import Frame

_STEP_EV = 0.25  # less than this is the same exposure


class MetadataRanks:
    """Ranks told by the metadata of frames.

    Args:
        frames: the first ones, from which the exposures in use are learnt.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        exposures = [frame.exposure for frame in frames]
        values = [exposure.ev for exposure in exposures if exposure is not None]
        evs = sorted(value for value in values if value is not None)
        ranks = {
            exposure.rank for exposure in exposures if exposure is not None and exposure.rank is not None
        }
        self._centres: list[float] = []
        for ev in evs:
            if not self._centres or ev - self._centres[-1] >= _STEP_EV:
                self._centres.append(ev)
        self._by_rank = bool(ranks) and all(e is not None and e.rank is not None for e in exposures)
        self.count = max(ranks) + 1 if self._by_rank else len(self._centres) if len(evs) == len(frames) else 0
        """Number of exposures; 0 or 1 = the metadata do not tell them apart."""

    @property
    def gap_ev(self) -> float | None:
        """From the darkest to the brightest, where exposure times or gains are known."""
        return self._centres[-1] - self._centres[0] if len(self._centres) == self.count > 1 else None

    def rank(self, frame: Frame) -> int | None:
        """Rank of a frame, None where its metadata are missing."""
        exposure = frame.exposure
        if self.count < 2 or exposure is None:
            return None
        if self._by_rank:
            return exposure.rank if exposure.rank is None or exposure.rank < self.count else None
        ev = exposure.ev
        if ev is None:
            return None
        rank = min(range(self.count), key=lambda k: abs(self._centres[k] - ev))
        self._centres[rank] = ev  # automatic exposure moves all of them slowly
        return rank
