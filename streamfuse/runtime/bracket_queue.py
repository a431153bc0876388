"""The queue before fusion: what does not fit is dropped as whole brackets of frames, oldest first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamfuse.core.frame import Bracket
from streamfuse.core.queue import Queue

_WAITING_SECONDS = 0.2
_MAX_CYCLES = 4
_MAX_BRACKETS = 1024  # brackets, which are never reached


class BracketQueue(Queue[Bracket]):
    """Holds the newest instants for fusion; `put` never waits.

    Frames are paired before they come here, so nothing that is dropped changes what another instant is made of. As
    many instants as the exposures have a cycle are dropped at once: then references of all exposures go on to
    alternate, which smoothing relies on.

    Args:
        cycles: how many cycles of exposures may wait.
        unit: instants in a cycle; 1 where each instant is a bracket of its own already.
    """

    def __init__(self, cycles: int = 2, unit: int | None = None) -> None:
        super().__init__(_MAX_BRACKETS, "drop-oldest", self._too_many)
        self.arrived = 0
        """Instants that were to be fused; `drops` are those of them that did not fit."""
        self.skipped = 0
        """Further instants that were left out, since only one of each cycle is wanted."""
        self.thinned = False
        """Whether one instant of each cycle is wanted only: that of the middle exposure, the darker of two."""
        self._cycles = cycles
        self._unit = unit

    def put(self, item: Bracket) -> bool:
        """Add the newest instant; what is too much goes, oldest first."""
        if self.thinned and self._unit is None and item.rank != (item.cycle - 1) // 2:
            self.skipped += 1
            return True
        self.arrived += 1
        return super().put(item)

    def _too_many(self, waiting: Sequence[Bracket]) -> int:
        unit = self._unit or (1 if self.thinned else waiting[-1].cycle)
        return max(0, math.ceil(len(waiting) / unit) - self._cycles) * unit


def brackets_that_wait(rate: float, unit: int) -> int:
    """Cycles of exposures that may wait for fusion: enough for a hiccup, and a fifth of a second old at most.

    Args:
        rate: instants per second.
        unit: instants in a cycle.
    """
    return max(1, min(_MAX_CYCLES, round(_WAITING_SECONDS * rate / unit)))
