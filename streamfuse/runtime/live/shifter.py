"""Changes the preset of a live run as its governor chooses, by frames of that preset only."""

from __future__ import annotations

import time

from streamfuse.config import Config
from streamfuse.fusion.threads import cpus
from streamfuse.runtime.bracket_queue import BracketQueue
from streamfuse.runtime.live.governor import Gear, Governor, LoadMeter
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.live.session import Session

_GRACE_SECONDS = 2.0  # after the first frame of a preset, before it is judged: it takes over what waited


class Shifter:
    """Puts the lane that the governor chooses to work, and measures what it is judged by.

    Args:
        lanes: the presets.
        queue: brackets that wait; it is told whether all of them are fused.
        rate: instants per second that have to be fused.
    """

    def __init__(self, lanes: Lanes, queue: BracketQueue, rate: float) -> None:
        self._lanes, self._queue, self._rate = lanes, queue, rate
        self._governor: Governor | None = None
        self._meter = LoadMeter()
        self._since: float | None = None  # when the running preset made its first frame

    @property
    def ready(self) -> bool:
        """Tell whether `start` was called: before that nothing is fused."""
        return self._governor is not None

    def start(self, config: Config, unit: int | None) -> None:
        """Choose anew by what the presets cost here, once they have been timed; takes hold with the next bracket.

        Args:
            config: the settings.
            unit: brackets are counted one by one (1), or by cycles that are not known yet (None).
        """
        cycle = 1 if unit == 1 else config.input.cycle or 2
        governor = Governor(self._lanes.costs, self._rate, cpus(), cycle)
        self._use(governor.gear)
        self._governor = governor

    def judge(self, session: Session | None, frames_out: int) -> str | None:
        """Judge the preset by frames of its own only: not by those of the one before, nor by what that left waiting.

        Args:
            session: what is running, if anything is.
            frames_out: fused frames so far.

        Returns:
            A sentence, if another preset takes the next bracket or even the last one does not hold.
        """
        governor, now = self._governor, time.monotonic()
        if session is None or frames_out == 0 or self._lanes.running is not self._lanes.current:
            self._since = None
        elif self._since is None:
            self._since = now
        if governor is None or session is None or self._since is None or now - self._since < _GRACE_SECONDS:
            self._meter.restart()
            return None
        busy = tuple(stage.busy_seconds for stage in session.statistics.stages[1:])
        load = self._meter.take(now, self._queue.arrived, self._queue.drops, busy, time.process_time())
        sentence = governor.judge(load) if load else None
        if sentence is not None:
            self._use(governor.gear)
        return sentence

    def _use(self, gear: Gear) -> None:
        self._since = None  # also where only the thinning changes
        self._queue.thinned = gear.thinned
        self._lanes.use(gear.rung)
