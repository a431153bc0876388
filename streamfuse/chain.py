"""The chain of stages that turns frames into fused frames, built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from streamfuse.align.aligner import Aligner
from streamfuse.align.label import Labeller
from streamfuse.align.pair import Pairer
from streamfuse.config import Config
from streamfuse.frame import FusedFrame, WeighedBracket
from streamfuse.fusion.fuser import Fuser, create_fuser
from streamfuse.fusion.stage import BlendStage, WeighStage
from streamfuse.pipeline import NamedStage
from streamfuse.stage import Stage
from streamfuse.temporal.smooth import Smoother

Finish = Callable[[WeighedBracket, FusedFrame], FusedFrame]


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages in order, and those of them that know something worth reporting."""

    stages: tuple[NamedStage, ...]
    labeller: Labeller
    pairer: Pairer
    fuser: Fuser
    smooth: bool

    @property
    def delay_frames(self) -> int:
        """Input frames that come after an instant before its fused frame is complete (not counting queues)."""
        found = self.labeller.report
        return (found.cycle if found else 0) + (Smoother.delay if self.smooth else 0)


def build_chain(config: Config, simultaneous: int = 1, finish: Sequence[Finish] = ()) -> Chain:
    """label -> pair -> align -> weigh -> smooth -> blend.

    Args:
        config: the settings.
        simultaneous: as in `SourceInfo`.
        finish: called in order with each weighed bracket and its fused frame; what they return goes on.

    Raises:
        UsageError, WeightsError, DeviceError: as the parts.
    """
    fuser = create_fuser(config.fuser_name, preset=config.fuse.preset, device=config.fuse.device)
    labeller = Labeller(config.input.cycle, config.input.first, simultaneous)
    pairer = Pairer(config.input.rate, simultaneous)
    aligner = Aligner(config.align_preset, config.align.mode, config.align.ghost, config.input.rate)
    stages: list[NamedStage] = [
        NamedStage("label", labeller),
        NamedStage("pair", pairer),
        NamedStage("align", aligner),
        NamedStage("weigh", WeighStage(fuser)),
    ]
    if config.smooth.enabled:
        stages.append(NamedStage("smooth", Smoother()))
    stages.append(NamedStage("blend", _Finishing(BlendStage(fuser), finish) if finish else BlendStage(fuser)))
    return Chain(tuple(stages), labeller, pairer, fuser, config.smooth.enabled)


class _Finishing:
    """A blend stage whose output the `finish` functions see beside its input."""

    def __init__(self, blend: BlendStage, finish: Sequence[Finish]) -> None:
        self._blend = blend
        self._finish = finish

    def push(self, item: WeighedBracket) -> Iterable[FusedFrame]:
        for frame in self._blend.push(item):
            yield reduce(lambda result, finish: finish(item, result), self._finish, frame)

    def flush(self) -> Iterable[FusedFrame]:
        return self._blend.flush()


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
