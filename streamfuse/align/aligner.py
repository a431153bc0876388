"""The alignment stage on the CPU: makes every exposure of an instant from the frames around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial

from streamfuse.align.cpu import CpuOperations, Planes
from streamfuse.align.policy import Alignment, AlignSettings, Instant
from streamfuse.core.frame import AlignedBracket, Bracket, Map
from streamfuse.core.protocols import ParallelStage
from streamfuse.core.turns import InLine
from streamfuse.core.values import AlignMode, Preset, Rate

CpuInstant = Instant[Map, Map, Planes]
_IN_LINE = InLine()


class Aligner(ParallelStage[Bracket, AlignedBracket]):
    """Turns `Bracket` into `AlignedBracket`, one for one; see `Alignment` for how.

    One bracket at a time is worked on in several threads, for its sake; of several at once each keeps to its own.

    Args:
        preset, mode, ghost, rate, denoise, coarse, careful: see `AlignSettings`.
    """

    def __init__(
        self,
        preset: Preset = "balanced",
        mode: AlignMode = "flow",
        ghost: bool = True,
        rate: Rate = "full",
        denoise: bool = True,
        coarse: bool = False,
        careful: bool = False,
    ) -> None:
        settings = AlignSettings(preset, mode, ghost, rate, denoise, coarse, careful)
        self._operations = CpuOperations(settings)
        self._alignment = Alignment(self._operations, settings)

    @property
    def executor(self) -> Executor:
        """Tell where some of the work is done meanwhile."""
        return self._operations.executor

    @executor.setter
    def executor(self, executor: Executor) -> None:
        self._operations.executor = executor

    def push(self, item: Bracket) -> Iterable[AlignedBracket]:
        """Align one bracket."""
        return self._aligned(item, self._alignment.begin(item))

    def begin(self, item: Bracket) -> Callable[[], Iterable[AlignedBracket]]:
        """Give one for one; the white balance of each is found in order."""
        self._operations.executor = _IN_LINE
        return partial(self._aligned, item, self._alignment.begin(item))

    def _aligned(self, item: Bracket, align: Callable[[], CpuInstant]) -> Iterable[AlignedBracket]:
        instant = align()
        made = instant.made
        ranks = range(item.cycle)
        return [
            AlignedBracket(
                bracket=item,
                exposures=tuple(made[r].planes if r in made else item.reference.planes for r in ranks),
                gaps_ev=instant.gaps_ev,
                trust=tuple(made[r].trust if r in made else None for r in ranks),
                flow_before=instant.flow_before,
                flow_after=instant.flow_after,
                balances=instant.balances,
            )
        ]
