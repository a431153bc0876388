"""Alternating the exposure of a camera that obeys late.

A change of exposure lands some frames after the command, sometimes not at all. At the start the latency is measured
by steps. From then on a command is sent every `hold` frames without waiting for the last one to land: as many as the
latency varies by, plus one. So for each command there is a frame at which it has surely landed and the next one surely
has not, and a camera whose latency does not vary alternates at its full rate. Such a frame is passed on if what it
shows agrees; all others are discarded.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from streamfuse.camera.camera_protocol import Camera
from streamfuse.camera.exposure_control import BracketController, Reading, read
from streamfuse.camera.exposure_evidence import Bands, evidence, is_told, judge, visible
from streamfuse.camera.latency import MAX_FRAMES, Latency, NoEffectError, measure_latency
from streamfuse.core.frame import Exposure, Frame

_LEAP = 0.35  # share of the gap by which an exposure may move before the frames have to be learnt anew
_STALE = 0.6  # of a frame's time: an older frame has waited in a queue, and others wait behind it
_UPDATE_SECONDS = 0.4  # between two changes by the controller
_TRIAL_FRAMES = 90  # after which it is asked whether the latency was measured well
_WORTH = 0.5  # share of the frames it promises that it has to give
_GRAB_SECONDS = 0.2
_ATTEMPTS = 3
_BLANK = 0.06  # mean luma, as a share of white, below or above which there is nothing to see


@dataclass(frozen=True, slots=True)
class _Command:
    """What the camera was told, and after which frame."""

    after: int
    exposure: Exposure

    @property
    def rank(self) -> int:
        return self.exposure.rank or 0


class Bracketing:
    """A `Bracketer` that passes on under, over, under ... from one open camera.

    Args:
        camera: its exposure can be set.
        controller: says what under and over are.
        clock: what `captured_at` counts in.

    Raises:
        CameraError: the camera was lost, or its exposure has no effect.
    """

    def __init__(
        self, camera: Camera, controller: BracketController, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._camera, self._controller, self._clock = camera, controller, clock
        self._period = float(1 / camera.mode.rate)
        self.discarded = 0
        self.note: str | None = None
        self._number = 0  # of the last frame
        self._lost = camera.lost
        self._youngest = math.inf  # least age of a frame when it was grabbed
        self._readings: dict[int, Reading] = {}
        self._updated = 0.0
        self._last_rank: int | None = None  # of what was passed on
        self._passed_on = 0  # its number
        self._trial, self._used = 0, 0  # frame at which the trial began, frames passed on since
        self._known = False  # it has worked before
        self._latency = Latency(1, MAX_FRAMES)
        self._levels: list[Bands] = []
        self._learn()

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """(under, over) as the camera was last told."""
        return self._told

    @property
    def latency(self) -> tuple[int, int] | None:
        """(fewest, most) frames until a change of exposure showed."""
        return self._latency.least, self._latency.most

    @property
    def stride(self) -> float:
        """Frames of the camera for each one that is passed on."""
        return self._latency.hold

    def next(self, timeout: float) -> Frame | None:
        """Give the next frame to use, labelled; None if the next frame is none.

        Raises:
            CameraError: the camera was lost.
        """
        if self._has_leapt() or self._number - self._passed_on > self._patience:
            self._learn()
        frame = self._camera.grab(timeout)
        if frame is None:
            return None
        self._count_frame()
        rank = self._label(frame)
        if self._number - self._commands[-1].after >= self._latency.hold and self._is_fresh(frame):
            self._send(1 - self._commands[-1].rank)
        if rank is None or rank == self._last_rank:
            self.discarded += 1
            return None
        self._last_rank, self._passed_on = rank, self._number
        self._used += 1
        return self._labelled(frame, rank)

    # Learning

    def _learn(self) -> None:
        """Measure the latency again, and what the exposures look like.

        Raises:
            CameraError: the camera was lost, or its exposure has lost its effect.
        """
        self._told = self._controller.exposures
        self.note = None
        for attempt in range(_ATTEMPTS):
            try:
                self._latency, levels = measure_latency(self._camera, self._grab, self._told)
                self._levels = list(levels)
                self._known = True
                break
            except NoEffectError as error:
                if self._known and self._sees_nothing():
                    # Both exposures are black, or white: go on by the commands alone until there is something.
                    self._camera.set_exposure(self._told[1])
                    self.note = str(error)
                    break
                if attempt == _ATTEMPTS - 1:  # in others the light may have changed meanwhile
                    raise
        self._begin()

    def _sees_nothing(self) -> bool:
        level = float(evidence(self._grab()).mean())
        return not _BLANK < level < 1 - _BLANK

    def _begin(self) -> None:
        """The camera stands still at over."""
        self._commands = deque([_Command(self._number - MAX_FRAMES, self._told[1])])
        self._passed_on = self._trial = self._number
        self._used = 0
        self._readings.clear()

    def _grab(self) -> Frame:
        """Give the next frame, which is used for learning only."""
        frame = None
        while frame is None:
            frame = self._camera.grab(_GRAB_SECONDS)
        self._count_frame()
        self.discarded += 1
        return frame

    def _count_frame(self) -> None:
        """Frames that the camera has lost count as well: it changes its exposure all the same."""
        lost = self._camera.lost
        self._number += 1 + lost - self._lost
        self._lost = lost

    @property
    def _patience(self) -> int:
        """Frames without any to pass on after which something has changed: the light, or the camera's latency."""
        return 3 * (self._latency.most + self._latency.hold) + 10

    def _has_leapt(self) -> bool:
        """Tell whether the exposures were changed by so much that known frames tell nothing of the next ones."""
        before = [told.ev or 0.0 for told in self._told]
        now = [wanted.ev or 0.0 for wanted in self._controller.exposures]
        leap = max(abs(now[rank] - before[rank]) for rank in (0, 1))
        return leap > _LEAP * min(before[1] - before[0], now[1] - now[0])

    # Commands

    def _send(self, rank: int) -> None:
        self._told = self._controller.exposures
        self._camera.set_exposure(self._told[rank])
        self._commands.append(_Command(self._number, self._told[rank]))
        if self._number - self._trial >= _TRIAL_FRAMES:
            if self._used * self._latency.hold < _WORTH * (self._number - self._trial):
                self._latency = self._latency.slower()
            self._trial, self._used = self._number, 0

    def _is_fresh(self, frame: Frame) -> bool:
        """Tell whether this frame has just come; a command after an old one would be too late to be counted from it."""
        if frame.captured_at is None:
            return True
        age = self._clock() - frame.captured_at
        self._youngest = min(self._youngest + 0.001 * self._period, age)
        return age - self._youngest < _STALE * self._period

    # Labels

    def _label(self, frame: Frame) -> int | None:
        """Give the exposure of a frame: what it shows, if the commands agree."""
        commanded = self._commanded()
        if commanded is None and not is_told(frame):
            return None
        seen = evidence(frame)
        shown = judge(seen, self._levels[0], self._levels[1])
        if self.note is not None:
            return self._label_in_the_dark(commanded, seen)
        if shown is None or (shown != commanded and not is_told(frame)):
            return None
        self._levels[shown] = seen
        return shown

    def _label_in_the_dark(self, commanded: int | None, seen: Bands) -> int | None:
        """Give the exposure that was commanded; as soon as there is something to see, everything is learnt anew."""
        if commanded is None:
            return None
        self._levels[commanded] = seen
        if visible(self._levels[0], self._levels[1]):
            self._passed_on = self._number - self._patience - 1
            return None
        return commanded

    def _commanded(self) -> int | None:
        """Give the exposure of this frame by the commands; None if two are possible."""
        commands = self._commands
        while len(commands) > 1 and commands[1].after + self._latency.most <= self._number:
            commands.popleft()
        if len(commands) > 1 and commands[1].after + self._latency.first_sign <= self._number:
            return None
        return commands[0].rank

    def _labelled(self, frame: Frame, rank: int) -> Frame:
        """Give the frame with its exposure; the controller gets to see it."""
        told = next(
            (command.exposure for command in self._commands if command.rank == rank), self._told[rank]
        )
        if told == self._controller.exposures[rank]:
            self._readings[rank] = read(frame)
            self._follow_light(frame.captured_at or self._clock())
        if frame.exposure is not None:
            told = replace(frame.exposure, rank=rank)
        return replace(frame, exposure=told)

    def _follow_light(self, now: float) -> None:
        if len(self._readings) == 2 and now - self._updated >= _UPDATE_SECONDS:
            self._updated = now
            if self._controller.update(self._readings[0], self._readings[1]):
                self._readings.clear()
