"""Chooses the preset of a live run while it goes on: the best that holds the camera's rate.

It begins with what surely holds by what the presets cost on this machine, climbs while there is room, and steps down
when frames are dropped. Each decision looks at frames of the preset that is running only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamfuse.config import Preset
from streamfuse.live.lanes import LADDER, Cost

_SHORTEST_WINDOW, _LONGEST_WINDOW = 1.0, 3.0  # seconds
_FRAMES_TO_JUDGE = 12
_DROPS_TO_STEP_DOWN = 0.05  # share of the instants
_HOPELESS_DROPS = 0.5  # a share that one window is enough to judge by
_SAFE = 0.5  # share of the machine that a preset may take to begin with: camera and outputs need some, too
_ROOM = 0.7  # the same for one that is climbed to, when all the rest is running already
_PATIENCE_SECONDS = 10.0
_LONGEST_PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a window of time showed.

    Args:
        seconds: its length.
        arrived: instants that came to be fused.
        dropped: how many of them were dropped.
        busy: share of its time that the slowest stage worked, 0..1.
    """

    seconds: float
    arrived: int
    dropped: int
    busy: float


class Governor:
    """Steps down when instants are dropped, and climbs after a quiet time to a preset that should hold.

    Each step up that does not hold doubles the time until the next one, so that a machine that is just too slow is
    not disturbed again and again.

    Args:
        costs: of each preset that was timed; one that was not is never chosen.
        rate: instants per second that have to be fused.
        cpus: processors that there are.
    """

    def __init__(self, costs: Mapping[Preset, Cost], rate: float, cpus: int) -> None:
        self._costs = costs
        self._rate = rate
        self._cpus = cpus
        self._ladder = tuple(preset for preset in LADDER if preset in costs)
        self._at = self._best(0, _SAFE)
        self._patience = _PATIENCE_SECONDS
        self._quiet = 0.0
        self._strikes = 0
        self._climbed = False
        self._told_of_floor = False

    @property
    def preset(self) -> Preset:
        """The one to use now."""
        return self._ladder[self._at]

    def judge(self, load: Load) -> str | None:
        """Look at a window of this preset; a sentence if another one is chosen, or even the last one does not hold."""
        share = load.dropped / max(1, load.arrived)
        if share > _DROPS_TO_STEP_DOWN:
            return self._overloaded(share, load)
        self._strikes = 0
        if self._climb_to(load) < self._at:
            self._quiet += load.seconds
        else:
            self._quiet = 0.0
        return self._climb(load) if self._quiet >= self._patience else None

    def _overloaded(self, share: float, load: Load) -> str | None:
        self._quiet = 0.0
        self._strikes += 1
        if self._strikes < 2 and share < _HOPELESS_DROPS:
            return None
        self._strikes = 0
        rate = load.arrived / load.seconds
        if self._at + 1 == len(self._ladder):
            return self._at_the_floor(share, rate)
        if self._climbed:
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
            self._climbed = False
        old, self._at = self.preset, self._best(self._at + 1, 1.0, self._strain(load))
        return (
            f"The preset {old} holds {rate * (1 - share):.1f} of {rate:.1f} frames per second here: going on with "
            f"{self.preset}."
        )

    def _at_the_floor(self, share: float, rate: float) -> str | None:
        if self._told_of_floor:
            return None
        self._told_of_floor = True
        return (
            f"Even the preset {self.preset} holds only {rate * (1 - share):.1f} of {rate:.1f} frames per second here: "
            "whole brackets are dropped, oldest first; a smaller --size or --rate half helps."
        )

    def _climb(self, load: Load) -> str:
        self._quiet = 0.0
        self._at = self._climb_to(load)
        self._climbed = True
        self._told_of_floor = False
        return f"There is time to spare: going on with the preset {self.preset}."

    def _climb_to(self, load: Load) -> int:
        """The best preset that has room, if everything takes as much longer as it does now."""
        return min(self._at, self._best(0, _ROOM, self._strain(load)))

    def _strain(self, load: Load) -> float:
        """How many times longer the slowest stage takes than it did when it was timed: what else the machine does."""
        expected = self._costs[self.preset].slowest * load.arrived / load.seconds
        return max(1.0, load.busy / expected) if expected > 0 else 1.0

    def _best(self, first: int, room: float, strain: float = 1.0) -> int:
        """Place of the best preset, from `first` on, that needs at most this share of the machine; or the last."""
        for place in range(first, len(self._ladder)):
            need = self._costs[self._ladder[place]] * (self._rate * strain)
            if need.slowest <= room and need.total <= room * self._cpus:
                return place
        return len(self._ladder) - 1


class LoadMeter:
    """Cuts counters that only grow into windows that are long enough to judge."""

    def __init__(self) -> None:
        self._since: tuple[float, int, int, tuple[float, ...]] | None = None

    def restart(self) -> None:
        """What was counted so far belongs to another preset."""
        self._since = None

    def take(self, now: float, arrived: int, dropped: int, busy: tuple[float, ...]) -> Load | None:
        """The counters now; a window if enough has happened since the last one.

        Args:
            now: seconds on any clock.
            arrived, dropped: as in `Load`, since the beginning.
            busy: seconds for which each stage has worked, since the beginning.
        """
        if self._since is None:
            self._since = now, arrived, dropped, busy
            return None
        began, arrived_before, dropped_before, busy_before = self._since
        seconds, frames = now - began, arrived - arrived_before
        if seconds < _SHORTEST_WINDOW or (seconds < _LONGEST_WINDOW and frames < _FRAMES_TO_JUDGE):
            return None
        self._since = now, arrived, dropped, busy
        slowest = max(now - before for now, before in zip(busy, busy_before, strict=True))
        return Load(seconds, frames, dropped - dropped_before, slowest / seconds)
