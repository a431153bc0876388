"""The chain of stages that turns frames into fused frames, built from the settings."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from streamfuse.align.aligner import Aligner
from streamfuse.align.doubled import AgainStage, Doubles, OnceStage
from streamfuse.align.fade import DimStage, Fades, LiftStage
from streamfuse.align.label import Labeller
from streamfuse.align.pair import Pairer
from streamfuse.config import Config
from streamfuse.frame import FusedFrame, WeighedBracket
from streamfuse.fusion.fuser import Fuser, LcndrFuser, create_fuser
from streamfuse.fusion.stage import BlendStage, WeighStage
from streamfuse.pipeline import NamedStage
from streamfuse.stage import Stage
from streamfuse.temporal.flicker import Deflicker
from streamfuse.temporal.smooth import Smoother

_LONGEST_OPENING = 1500  # frames before exposures alternate: a minute of titles

Finish = Callable[[WeighedBracket, FusedFrame], FusedFrame]


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages in order, and those of them that know something worth reporting."""

    stages: tuple[NamedStage, ...]
    labeller: Labeller
    pairer: Pairer
    doubles: Doubles
    fuser: Fuser
    smooth: bool
    deflicker: bool = False

    @property
    def delay_frames(self) -> int:
        """Input frames that come after an instant before its fused frame is complete (not counting queues)."""
        found = self.labeller.report
        return (found.cycle if found else 0) + self._smoothing_delay

    @property
    def _smoothing_delay(self) -> int:
        return Smoother.delay * self.smooth + Deflicker.delay * self.deflicker


def build_chain(
    config: Config, simultaneous: int = 1, finish: Sequence[Finish] = (), resident: bool = False
) -> Chain:
    """label -> pair -> align -> weigh -> smooth -> blend -> flicker.

    Args:
        config: the settings.
        simultaneous: as in `SourceInfo`.
        finish: called in order with each weighed bracket and its fused frame; what they return goes on.
        resident: on a GPU, and where nothing has to `finish`, one stage "fuse" stands for all from align to blend.

    Raises:
        UsageError, WeightsError, DeviceError: as the parts.
    """
    fuser = create_fuser(
        config.fuser_name,
        preset=config.fuse.preset,
        device=config.fuse.device,
        steady=True,
        threads=config.fuse.threads,
    )
    labeller = Labeller(
        config.input.cycle, config.input.first, simultaneous, longest_opening=_LONGEST_OPENING
    )
    pairer, fades = Pairer(config.input.rate, simultaneous), Fades()
    doubles = Doubles()
    label: Stage = labeller if simultaneous > 1 else _Joined(OnceStage(doubles), labeller)
    front = (NamedStage("label", label), NamedStage("pair", _Joined(pairer, LiftStage(fades))))
    if resident and not finish and (fusion := _resident(config, fuser)) is not None:
        fuse = NamedStage("fuse", _Joined(fusion, DimStage(fades)))
        end = (NamedStage("flicker", Deflicker()),) if config.smooth.flicker else ()
        return Chain(
            _again((*front, fuse, *end), doubles), labeller, pairer, doubles, fuser,
            config.smooth.enabled, config.smooth.flicker,
        )  # fmt: skip
    align = config.align
    aligner = Aligner(config.align_preset, align.mode, align.ghost, config.input.rate, config.denoise)
    stages: list[NamedStage] = [
        *front,
        NamedStage("align", aligner),
        NamedStage("weigh", WeighStage(fuser)),
    ]
    if config.smooth.enabled:
        stages.append(NamedStage("smooth", Smoother()))
    last = [NamedStage("blend", _Joined(BlendStage(fuser), DimStage(fades)))]
    if config.smooth.flicker:
        last.append(NamedStage("flicker", Deflicker()))
    if finish:
        last = [NamedStage("blend", _Finishing([named.stage for named in last], finish))]
    stages += last
    return Chain(
        _again(stages, doubles),
        labeller,
        pairer,
        doubles,
        fuser,
        config.smooth.enabled,
        config.smooth.flicker,
    )


def _again(stages: Sequence[NamedStage], doubles: Doubles) -> tuple[NamedStage, ...]:
    """The stages, the last of which gives a fused frame as often as its reference came."""
    last = stages[-1]
    return (*stages[:-1], NamedStage(last.name, _Joined(last.stage, AgainStage(doubles))))


def _resident(config: Config, fuser: Fuser) -> Stage | None:
    """From align to blend on the GPU; None where there is none, or no such form of the fuser or of the settings."""
    mode = config.align.mode
    if not isinstance(fuser, LcndrFuser) or not fuser.device.startswith("cuda") or mode == "global":
        return None
    if os.environ.get("STREAMFUSE_RESIDENT") == "0":
        return None
    from streamfuse.cuda.stage import ResidentFusion, ResidentSettings

    return ResidentFusion(
        fuser,
        ResidentSettings(
            config.align_preset,
            mode,
            config.align.ghost,
            config.input.rate,
            config.smooth.enabled,
            denoise=config.denoise,
        ),
    )


class _Joined:
    """Two stages in one thread."""

    def __init__(self, first: Stage, second: Stage) -> None:
        self._first, self._second = first, second

    def push(self, item: Any) -> Iterable[Any]:
        for between in self._first.push(item):
            yield from self._second.push(between)

    def flush(self) -> Iterable[Any]:
        for between in self._first.flush():
            yield from self._second.push(between)
        yield from self._second.flush()


class _Finishing:
    """The last stages, one frame out for each one in, whose output the `finish` functions see beside its input."""

    def __init__(self, stages: Sequence[Stage], finish: Sequence[Finish]) -> None:
        self._stages = stages
        self._finish = finish
        self._waiting: deque[WeighedBracket] = deque()

    def push(self, item: WeighedBracket) -> Iterable[FusedFrame]:
        self._waiting.append(item)
        yield from self._finished([item])

    def flush(self) -> Iterable[FusedFrame]:
        for number, stage in enumerate(self._stages):
            yield from self._finished(stage.flush(), number + 1)

    def _finished(self, items: Iterable[Any], first: int = 0) -> Iterator[FusedFrame]:
        for stage in self._stages[first:]:
            items = [result for item in items for result in stage.push(item)]
        for frame in items:
            yield reduce(partial(_applied, self._waiting.popleft()), self._finish, frame)


def _applied(bracket: WeighedBracket, frame: FusedFrame, finish: Finish) -> FusedFrame:
    return finish(bracket, frame)


def through(stages: Sequence[Stage], items: Iterable[Any]) -> Iterator[Any]:
    """Pull items through stages in this thread; for the threaded runner see `streamfuse.pipeline`."""
    if not stages:
        yield from items
        return
    first, rest = stages[0], stages[1:]
    yield from through(rest, _apply(first, items))


def _apply(stage: Stage, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        yield from stage.push(item)
    yield from stage.flush()
