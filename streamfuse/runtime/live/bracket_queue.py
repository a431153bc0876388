"""The queue before fusion: what does not fit is dropped as whole brackets of frames, oldest first."""

from __future__ import annotations

import threading
from collections import deque

from streamfuse.core.frame import Bracket

_WAITING_SECONDS = 0.2
_MAX_CYCLES = 4


class BracketQueue:
    """Holds the newest instants for fusion; `put` never waits.

    Frames are paired before they come here, so nothing that is dropped changes what another instant is made of. As
    many instants as the exposures have a cycle are dropped at once: then references of all exposures go on to
    alternate, which smoothing relies on.

    Args:
        cycles: how many cycles of exposures may wait.
        unit: instants in a cycle; 1 where each instant is a bracket of its own already.
    """

    def __init__(self, cycles: int = 2, unit: int | None = None) -> None:
        self.arrived = 0
        """Instants that were to be fused."""
        self.drops = 0
        """Those of them that were dropped, since they did not fit."""
        self.skipped = 0
        """Further instants that were left out, since only one of each cycle is wanted."""
        self.thinned = False
        """Whether one instant of each cycle is wanted only: that of the middle exposure, the darker of two."""
        self._cycles = cycles
        self._unit = unit
        self._items: deque[Bracket] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def put(self, bracket: Bracket) -> None:
        """Add the newest instant; what is too much goes, oldest first."""
        unit = self._unit or bracket.cycle
        with self._changed:
            if self.thinned and self._unit is None:
                unit = 1
                if bracket.rank != (bracket.cycle - 1) // 2:
                    self.skipped += 1
                    return
            self.arrived += 1
            self._items.append(bracket)
            while len(self._items) > self._cycles * unit:
                for _ in range(unit):
                    self._items.popleft()
                self.drops += unit
            self._changed.notify()

    def get(self, timeout: float) -> Bracket | None:
        """The oldest instant that waits; None if none came in time, or none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout)
            return self._items.popleft() if self._items else None

    def end(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether all has been taken and nothing more will come."""
        with self._changed:
            return self._ended and not self._items


def brackets_that_wait(rate: float, unit: int) -> int:
    """Cycles of exposures that may wait for fusion: enough for a hiccup, and a fifth of a second old at most.

    Args:
        rate: instants per second.
        unit: instants in a cycle.
    """
    return max(1, min(_MAX_CYCLES, round(_WAITING_SECONDS * rate / unit)))
