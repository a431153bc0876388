"""The presets of a live run side by side, loaded once: what each of them costs here, and which of them works now.

They are the rungs of a ladder: the presets, and below `fast` the same at a coarser scale.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Literal, cast

import cv2
import numpy as np

from streamfuse.align.aligner import Aligner
from streamfuse.config import Config
from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import (
    AlignedBracket,
    ClassifiedFrame,
    Frame,
    FusedFrame,
    FusionMaps,
    Plane,
    WeighedBracket,
)
from streamfuse.core.protocols import SourceInfo, Stage
from streamfuse.core.values import Preset
from streamfuse.errors import UsageError
from streamfuse.exposure.pair import Pairer
from streamfuse.fusion.fuser import FusionMethod, create_fuser
from streamfuse.fusion.radiance import RadianceStage
from streamfuse.fusion.stage import BlendStage, WeighStage
from streamfuse.runtime.ahead import compile_ahead
from streamfuse.runtime.chain import fusion_on_device
from streamfuse.runtime.hdr_output import live_target
from streamfuse.runtime.line import Line
from streamfuse.runtime.live.live_config import fixed_preset, stride
from streamfuse.temporal.level import Leveller

if TYPE_CHECKING:
    from streamfuse.backends.cuda.stage import DeviceFusion

Rung = Literal["best", "balanced", "fast", "coarse"]
"""A preset, or what is below them: `fast` with motion and weights found at a coarser scale."""

LADDER: tuple[Rung, ...] = ("best", "balanced", "fast", "coarse")
"""What a run chooses from, best first."""

_WARM, _TIMED = 3, 4  # brackets: the first ones trace the network and fill the caches
_TRIAL_SECONDS = 2.0  # of timing, for one preset
_TRIAL_GAP = 8.0  # how many times brighter the bright exposure of the trial is


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fused frame of a preset takes on this machine.

    Args:
        slowest: seconds in the slowest stage, which bounds the rate.
        total: seconds of processor time in all stages.
    """

    slowest: float
    total: float

    def __mul__(self, factor: float) -> Cost:
        """Give the cost of so many frames, or where everything takes so many times as long."""
        return Cost(self.slowest * factor, self.total * factor)


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """The stages of one rung, from aligning to blending; each called from one thread at a time.

    Args:
        rung: what it is of.
        fuser: the network.
        align, weigh, blend: the stages, which let frames carry what they were made of.
        fuse: does what these do on the GPU, and smooths; None where they are used.
    """

    rung: Rung
    fuser: FusionMethod | RadianceStage
    align: Aligner
    weigh: Stage[AlignedBracket, WeighedBracket]
    blend: Stage[WeighedBracket, FusedFrame]
    fuse: DeviceFusion | None = None

    @property
    def preset(self) -> Preset:
        """Give the preset that the rung belongs to."""
        return preset_of(self.rung)


class Lanes:
    """A lane for each rung that a run may use.

    Loading takes half a second each, so it is done before the camera is opened, and no lane is ever made again
    because another one was chosen.

    Args:
        config: the settings; with the preset `auto` all rungs are loaded, else the preset that was chosen.

    Raises:
        UsageError, WeightsError, DeviceError: as `create_fuser`.
    """

    def __init__(self, config: Config) -> None:
        target = live_target(config, "live")
        if target is not None and config.fuse.device.startswith("cuda"):
            raise UsageError("live merges HLG on the CPU: leave --device cuda out, or leave --hdr out.")
        if config.input.transfer != "auto":
            raise UsageError("live takes no --transfer: set input.transfer to auto, or fuse a recording.")
        self._merge = None if target is None else RadianceStage(target)
        """In high dynamic range, of all lanes: white stays where it is when the preset changes."""
        self._target = target
        self._config = config
        self._wanted = _wanted(config)
        self._lanes: dict[Rung, Lane] = {}
        self._costs: dict[Rung, Cost] = {}
        self._ready_for: SourceInfo | None = None
        self.load(config)
        self.current: Lane = self._lanes[self._wanted[-1]]
        """Takes the next bracket."""
        self.running: Lane = self.current
        """Made the newest fused frame."""

    def load(self, config: Config) -> None:
        """Load the rungs that these settings want and that are not there yet; `current` stays.

        Raises:
            UsageError, WeightsError, DeviceError: as `create_fuser`.
        """
        self._wanted = _wanted(config)
        for rung in self._wanted:
            if rung not in self._lanes:
                self._load(rung)
                self._ready_for = None

    def compile_ahead(self, tell: Callable[[], None]) -> None:
        """Compile the loops that they need for the pictures of most cameras, where that was not done before.

        Args:
            tell: called before each loop that is compiled, if any: half a minute in all.
        """
        for preset in {lane.preset for lane in self._lanes.values()}:
            compile_ahead(self._with(preset), tell=tell)

    @property
    def costs(self) -> dict[Rung, Cost]:
        """Give what the rungs of the settings cost, as far as `prepare` has timed them."""
        return {rung: cost for rung, cost in self._costs.items() if rung in self._wanted}

    def prepare(self, info: SourceInfo) -> None:
        """Make everything ready for pictures of this kind, and time the rungs on them.

        One is timed only where the one below it holds the rate of `info`: what comes above it costs more. Each that
        was timed takes part in the choice.
        """
        if info == self._ready_for:
            return
        self._ready_for, self._costs = info, {}
        frames = list(_trial(info))
        for rung in reversed(self._wanted):
            cost = self._costs[rung] = self._timed(self._lanes[rung], frames)
            if cost.slowest * float(info.rate) / stride(self._config) > 1.0:
                break

    def use(self, rung: Rung) -> None:
        """Let this rung, which was loaded, take the next bracket."""
        self.current = self._lanes[rung]

    def renew(self) -> None:
        """Load everything anew, after a stage has failed."""
        rung = self.current.rung
        for loaded in list(self._lanes):
            self._load(loaded)
        self.use(rung)

    def _load(self, rung: Rung) -> None:
        preset = preset_of(rung)
        config = self._with(preset)
        fuse = config.fuse
        if self._merge is not None:
            self._lanes[rung] = Lane(
                rung, self._merge, self._aligner(rung), Unweighed(), Merging(self._merge)
            )
            return
        fuser = create_fuser(
            config.fuser_name,
            preset=preset,
            device=fuse.device,
            threads=fuse.threads,
            coarse=rung == "coarse",
        )
        blend = BlendStage(fuser, Leveller() if config.smooth.enabled else None, keep=True)
        on_device = self._on_device(rung, fuser)
        self._lanes[rung] = Lane(rung, fuser, self._aligner(rung), WeighStage(fuser), blend, on_device)

    def _with(self, preset: Preset) -> Config:
        fuse = self._config.fuse.model_copy(update={"preset": preset})
        return self._config.model_copy(update={"fuse": fuse})

    def _aligner(self, rung: Rung) -> Aligner:
        config = self._with(preset_of(rung))
        align, rate = config.align, config.input.rate
        return Aligner(
            config.align_preset, align.mode, align.ghost, rate, config.denoise, coarse=rung == "coarse"
        )

    def _on_device(self, rung: Rung, fuser: FusionMethod | RadianceStage) -> DeviceFusion | None:
        config = self._with(preset_of(rung))
        return fusion_on_device(config, fuser, keep=True, live=True, coarse=rung == "coarse")

    def _trial_blend(self, lane: Lane) -> Stage[WeighedBracket, FusedFrame]:
        if self._target is not None:
            return Merging(RadianceStage(self._target))
        return BlendStage(cast(FusionMethod, lane.fuser))

    def _timed(self, lane: Lane, frames: list[ClassifiedFrame]) -> Cost:
        """Run brackets of the trial through a lane, one after another in this thread."""
        pairer = Pairer(self._config.input.rate, lookahead=self._config.live.lookahead)
        brackets = [bracket for frame in frames for bracket in pairer.push(frame)]
        # What these learn of the trial is not for the run.
        line = Line("align", self._aligner(lane.rung)).then("weigh", lane.weigh)
        trial = line.then("blend", self._trial_blend(lane))
        if (fuse := self._on_device(lane.rung, lane.fuser)) is not None:
            trial = Line("fuse", fuse)
        marks: list[float] = []
        for stage in trial.stages:
            trial = trial.seen(stage.name, object, lambda item: marks.append(time.monotonic()))
        costs: list[tuple[float, float]] = []
        began = time.monotonic()
        for number, bracket in enumerate(brackets):
            if number == _WARM:
                began = time.monotonic()
            if number > _WARM and time.monotonic() - began > _TRIAL_SECONDS:
                break
            marks[:], used = [time.monotonic()], time.process_time()
            deque(trial.push(bracket), maxlen=0)
            if number >= _WARM:
                costs.append((float(np.diff(marks).max()), time.process_time() - used))
        slowest, total = zip(*costs, strict=True)
        return Cost(median(slowest), median(total))


class Unweighed(Stage[AlignedBracket, WeighedBracket]):
    """Passes brackets on without maps: light needs none."""

    def push(self, item: AlignedBracket) -> Iterator[WeighedBracket]:
        """Take one, give one."""
        yield WeighedBracket(item, FusionMaps(()))


class Merging(Stage[WeighedBracket, FusedFrame]):
    """Merges brackets into radiance, as a lane blends them."""

    def __init__(self, merge: RadianceStage) -> None:
        self._merge = merge

    def push(self, item: WeighedBracket) -> Iterator[FusedFrame]:
        """Take one, give one."""
        for frame in self._merge.push(item.aligned):
            yield replace(frame, made_of=item)


def preset_of(rung: Rung) -> Preset:
    """Give the preset that a rung belongs to."""
    return "fast" if rung == "coarse" else rung


def _wanted(config: Config) -> tuple[Rung, ...]:
    chosen = fixed_preset(config)
    return LADDER if chosen is None else (chosen,)


def _trial(info: SourceInfo) -> Iterator[ClassifiedFrame]:
    """Frames of the source's kind: blobs of light that move, dark and bright by turns."""
    rng = np.random.default_rng(0)
    coarse = rng.random((info.height // 24 + 3, info.width // 24 + 3), dtype=np.float32) ** 3
    light = cv2.resize(coarse, (info.width, info.height), interpolation=cv2.INTER_CUBIC)
    black, white = luma_range(info.bits, info.color.full_range)
    dtype = np.uint8 if info.bits == 8 else np.uint16
    neutral = chroma_range(info.bits, info.color.full_range)[0]
    rows = -(-info.height >> info.subsampling[1]), -(-info.width >> info.subsampling[0])
    chroma: tuple[Plane, ...] = (np.full(rows, neutral, dtype),) * 2 if info.has_chroma else ()
    for index in range(_WARM + _TIMED + 2):
        rank = index % 2
        moved = np.roll(light, 3 * index, axis=1) * np.float32(_TRIAL_GAP**rank / _TRIAL_GAP**0.5)
        luma = np.clip(moved, 0, 1) ** np.float32(1 / 2.2) * (white - black) + black
        planes = (luma.astype(dtype), *chroma)
        frame = Frame(planes, info.bits, info.subsampling, info.color, index, info.time_base, index)
        yield ClassifiedFrame(frame, rank, 2)
