"""Chooses the preset of a live run while it goes on: the best that holds the camera's rate.

It begins with what surely holds, by what the presets cost on this machine, climbs while there is room, and steps down
when frames are dropped. Each decision looks at frames of the preset that is running only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamfuse.runtime.live.lanes import LADDER, Cost, Rung

_SHORTEST_WINDOW, _LONGEST_WINDOW = 1.0, 3.0  # seconds
_FRAMES_TO_JUDGE = 12
_DROPS_TO_STEP_DOWN = 0.05  # share of the instants
_DROPS_TO_THIN = (
    0.15  # share from which an even half of the rate is better, unless that was left to try for more
)
_HOPELESS_DROPS = 0.5  # a share that one window is enough to judge by
_SAFE = 0.5  # share of the machine that a preset may take to begin with: camera and outputs need some, too
_ROOM = 0.7  # the same for one that is climbed to, with what camera and outputs are seen to take
_ROOM_FOR_ALL_FRAMES = 0.75  # the same for fusing every frame again
_PATIENCE_SECONDS = 10.0
_NAMES = {"coarse": "the preset fast at a coarser scale"}
_LONGEST_PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a window of time showed.

    Args:
        seconds: its length.
        arrived: instants that came to be fused.
        dropped: how many of them were dropped.
        busy: share of its time that the slowest stage worked, 0..1.
        used: processors that the whole run kept busy: stages, camera and outputs.
    """

    seconds: float
    arrived: int
    dropped: int
    busy: float
    used: float


@dataclass(frozen=True, slots=True)
class Gear:
    """A rung of the ladder, and whether it fuses every frame.

    Args:
        rung: the preset, or what is below them.
        thinned: of each bracket only the frame of one exposure is fused.
        room: share of the machine that it may take if it is climbed to.
    """

    rung: Rung
    thinned: bool
    room: float

    @property
    def name(self) -> str:
        """Give what to call it in a sentence."""
        return _NAMES.get(self.rung, f"the preset {self.rung}")


class Governor:
    """Steps down when instants are dropped, and climbs after a quiet time to a preset that should hold.

    Below the last rung there is one more step: to fuse one frame of each bracket, always of the same exposure.
    That is an even rate and a low latency, where dropping what does not fit would give neither.

    Each step up that does not hold doubles the time until the next one, so that a machine that is just too slow is
    not disturbed again and again.

    Args:
        costs: of each rung that was timed, at least one; the others are never chosen.
        rate: instants per second that have to be fused.
        cpus: processors that there are.
        cycle: number of exposures; 1 where nothing can be thinned.
    """

    def __init__(self, costs: Mapping[Rung, Cost], rate: float, cpus: int, cycle: int = 2) -> None:
        self._costs = costs
        self._rate = rate
        self._cpus = cpus
        self._cycle = cycle
        ladder = [rung for rung in LADDER if rung in costs]
        self._gears = [Gear(rung, False, _ROOM) for rung in ladder[:-1]]
        self._gears.append(Gear(ladder[-1], False, _ROOM_FOR_ALL_FRAMES))
        self._plain = len(self._gears) - 1  # where every frame is fused as quickly as can be
        if cycle > 1:
            self._gears.append(Gear(ladder[-1], True, 1.0))
        self._at = next((n for n in range(self._plain) if self._fits(n, _SAFE)), self._plain)
        self._patience = _PATIENCE_SECONDS
        self._quiet = 0.0
        self._strikes = 0
        self._climbed = False
        self._told_of_floor = False

    @property
    def gear(self) -> Gear:
        """Give the one to use now."""
        return self._gears[self._at]

    def judge(self, load: Load) -> str | None:
        """Look at a window of this gear; a sentence if another one is chosen, or if even the last one does not hold."""
        share = load.dropped / max(1, load.arrived)
        if share > _DROPS_TO_STEP_DOWN:
            return self._overloaded(share, load)
        self._strikes = 0
        if self._better(load) < self._at:
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
        climbed, self._climbed = self._climbed, False
        if climbed:
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
        rate = load.arrived / load.seconds
        holds = f"holds {rate * (1 - share):.1f} of {rate:.1f} frames per second here"
        last = self._at + 1 == len(self._gears)
        if last or (self._at == self._plain and share < _DROPS_TO_THIN and not climbed):
            told, self._told_of_floor = self._told_of_floor, True
            even = f"Even {self.gear.name} {holds}: brackets are dropped, oldest first; "
            return None if told else even + "a smaller --size or --rate half helps."
        old, strain = self.gear, self._strain(load)
        lower = next((n for n in range(self._at + 1, self._plain) if self._fits(n, 1.0, strain)), self._plain)
        self._at = max(self._at + 1, lower)
        if self.gear.thinned:
            return (
                f"Even {old.name} {holds}: going on with one frame of each bracket, always of the same "
                "exposure; a smaller --size helps."
            )
        return f"{old.name.capitalize()} {holds}: going on with {self.gear.name}."

    def _climb(self, load: Load) -> str:
        self._quiet = 0.0
        self._at = self._better(load)
        self._climbed = True
        self._told_of_floor = False
        return f"There is time to spare: going on with every frame and {self.gear.name}."

    def _better(self, load: Load) -> int:
        """Place of the best gear that has room, if everything takes as much longer as it does now."""
        strain = self._strain(load)
        fused = (load.arrived - load.dropped) / load.seconds
        others = max(0.0, load.used - self._costs[self.gear.rung].total * fused * strain)
        for place in range(self._at):
            gear = self._gears[place]
            if gear.rung == self.gear.rung:  # only thinned: so many times busier than it is
                fits = load.busy * self._cycle <= gear.room
            else:
                fits = self._fits(place, gear.room, strain, others)
            if fits:
                return place
        return self._at

    def _strain(self, load: Load) -> float:
        """Tell how many times longer the slowest stage takes than when it was timed: what else the machine does."""
        expected = self._costs[self.gear.rung].slowest * (load.arrived - load.dropped) / load.seconds
        return max(1.0, load.busy / expected) if expected > 0 else 1.0

    def _fits(self, place: int, room: float, strain: float = 1.0, others: float = 0.0) -> bool:
        """Tell whether a gear, beside processors that `others` take, needs at most this share of the machine."""
        gear = self._gears[place]
        need = self._costs[gear.rung] * (self._rate * strain / (self._cycle if gear.thinned else 1))
        return need.slowest <= room and need.total + others <= room * self._cpus


class LoadMeter:
    """Cuts counters that only grow into windows that are long enough to judge."""

    def __init__(self) -> None:
        self._since: tuple[float, int, int, tuple[float, ...], float] | None = None

    def restart(self) -> None:
        """What was counted so far belongs to another preset."""
        self._since = None

    def take(
        self, now: float, arrived: int, dropped: int, busy: tuple[float, ...], used: float
    ) -> Load | None:
        """Take the counters of now; give a window if enough has happened since the last one.

        Args:
            now: seconds on any clock.
            arrived, dropped: as in `Load`, since the beginning.
            busy: seconds for which each stage has worked, since the beginning.
            used: seconds of processors that the run has used, since the beginning.
        """
        if self._since is None:
            self._since = now, arrived, dropped, busy, used
            return None
        began, arrived_before, dropped_before, busy_before, used_before = self._since
        seconds, frames = now - began, arrived - arrived_before
        if seconds < _SHORTEST_WINDOW or (seconds < _LONGEST_WINDOW and frames < _FRAMES_TO_JUDGE):
            return None
        self._since = now, arrived, dropped, busy, used
        slowest = max(now - before for now, before in zip(busy, busy_before, strict=True))
        return Load(
            seconds, frames, dropped - dropped_before, slowest / seconds, (used - used_before) / seconds
        )
