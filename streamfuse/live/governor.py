"""Chooses the preset of a live run while it goes on: the best that holds the camera's rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamfuse.config import Preset

LADDER: tuple[Preset, ...] = ("best", "balanced", "fast")

_SHORTEST_WINDOW, _LONGEST_WINDOW = 1.0, 3.0  # seconds
_FRAMES_TO_JUDGE = 12
_DROPS_TO_STEP_DOWN = 0.05  # share of the instants
_HOPELESS_DROPS = 0.5  # a share that one window is enough to judge by
_BUSY_TO_STEP_UP = 0.4  # of the slowest stage's time
_PATIENCE_SECONDS = 60.0
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
    """Steps down when instants are dropped, and tries a better preset again after a quiet time.

    Each step up that does not hold doubles the time until the next one, so that a machine that is just too slow is
    not disturbed again and again.

    Args:
        ladder: presets, best first.
        start: where to begin; the best.
    """

    def __init__(self, ladder: Sequence[Preset] = LADDER, start: Preset | None = None) -> None:
        self._ladder = tuple(ladder)
        self._at = self._ladder.index(start) if start else 0
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
        """Look at a window; a sentence if the preset has changed, or the last one does not hold either."""
        share = load.dropped / max(1, load.arrived)
        if share > _DROPS_TO_STEP_DOWN:
            return self._overloaded(share, load)
        self._strikes = 0
        if load.busy < _BUSY_TO_STEP_UP:
            self._quiet += load.seconds
        else:
            self._quiet = 0.0
        return self._climb() if self._quiet >= self._patience and self._at > 0 else None

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
        old, self._at = self.preset, self._at + 1
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

    def _climb(self) -> str:
        self._quiet = 0.0
        self._at -= 1
        self._climbed = True
        self._told_of_floor = False
        return f"There is time to spare: trying the preset {self.preset}."


class LoadMeter:
    """Cuts counters that only grow into windows that are long enough to judge."""

    def __init__(self) -> None:
        self._since: tuple[float, int, int, float] | None = None

    def restart(self) -> None:
        """What was counted so far belongs to another choice of stages."""
        self._since = None

    def take(self, now: float, arrived: int, dropped: int, busy: float) -> Load | None:
        """The counters now; a window if enough has happened since the last one.

        Args:
            now: seconds on any clock.
            arrived, dropped: as in `Load`, since the beginning.
            busy: seconds for which the slowest stage has worked, since the beginning.
        """
        if self._since is None:
            self._since = now, arrived, dropped, busy
            return None
        began, arrived_before, dropped_before, busy_before = self._since
        seconds, frames = now - began, arrived - arrived_before
        if seconds < _SHORTEST_WINDOW or (seconds < _LONGEST_WINDOW and frames < _FRAMES_TO_JUDGE):
            return None
        self._since = now, arrived, dropped, busy
        return Load(seconds, frames, dropped - dropped_before, (busy - busy_before) / seconds)
