"""The stages of a live run, each of which works with whatever preset is chosen at that moment.

A bracket takes the lane that is current when its alignment begins, and keeps it to the end. So a change of preset
takes hold with the next bracket, loses none, and waits only for what is being worked on:

    choose ──────────┐
                     ▼
    queue ──► align(current) ──► weigh(its lane) ──► smooth, blend(its lane) ──► outputs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from streamfuse.core.frame import AlignedBracket, Bracket, FusedFrame, WeighedBracket
from streamfuse.core.protocols import Stage
from streamfuse.look.stage import LookStage
from streamfuse.runtime.live.lanes import Lane, Lanes
from streamfuse.temporal.smooth import Smoother

T = TypeVar("T")

_BREAK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class InLane(Generic[T]):
    """Something on its way through the stages of one lane."""

    lane: Lane
    item: T


class AlignStep(Stage[Bracket, InLane[AlignedBracket]]):
    """Bracket -> aligned bracket, in the lane that is current."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    def push(self, item: Bracket) -> Iterator[InLane[AlignedBracket]]:
        """One in, one out."""
        lane = self._lanes.current
        for aligned in lane.align.push(item):
            yield InLane(lane, aligned)


class WeighStep(Stage[InLane[AlignedBracket], InLane[WeighedBracket]]):
    """Aligned bracket -> weighed bracket, in its own lane."""

    def push(self, item: InLane[AlignedBracket]) -> Iterator[InLane[WeighedBracket]]:
        """One in, one out."""
        for weighed in item.lane.weigh.push(item.item):
            yield InLane(item.lane, weighed)


class BlendStep(Stage[InLane[WeighedBracket], FusedFrame]):
    """Weighed bracket -> fused frame with its look, after smoothing over the instants before it, all in one thread.

    Maps are smoothed over neighbouring instants of one lane only: not across dropped brackets, nor where the preset
    changes, whose maps are of another network.

    Args:
        lanes: are told which lane the newest fused frame is of.
        smooth: whether to smooth.
        every_frame: each frame is an instant, else each bracket is.
        look: what each fused frame gets; None: nothing.
        show: called with each bracket and its fused frame.
    """

    def __init__(
        self,
        lanes: Lanes,
        smooth: bool,
        every_frame: bool,
        look: LookStage | None,
        show: Callable[[WeighedBracket, FusedFrame], None],
    ) -> None:
        self._lanes = lanes
        self._smooth = smooth
        self._every_frame = every_frame
        self._look = look
        self._show = show
        self._smoother = Smoother(ahead=False)
        self._last: InLane[WeighedBracket] | None = None

    def push(self, item: InLane[WeighedBracket]) -> Iterator[FusedFrame]:
        """One in, one out."""
        if self._last is not None and self._apart(self._last, item):
            self._smoother = Smoother(ahead=False)
        self._last = item
        for weighed in self._smoother.push(item.item) if self._smooth else (item.item,):
            for blended in item.lane.blend.push(weighed):
                stats = {**blended.stats, "rank": float(weighed.aligned.bracket.rank)}
                fused = replace(blended, stats=stats)
                if self._look is not None:
                    fused = self._look.looked(fused)
                self._lanes.running = item.lane
                self._show(weighed, fused)
                yield fused

    def _apart(self, last: InLane[WeighedBracket], item: InLane[WeighedBracket]) -> bool:
        """Whether the two are not of neighbouring instants of one lane."""
        before, now = last.item.aligned.bracket, item.item.aligned.bracket
        seconds = (now.reference.captured_at or 0.0) - (before.reference.captured_at or 0.0)
        frames = now.reference.index - before.reference.index
        far = frames > (1 if self._every_frame else now.cycle) or seconds > _BREAK_SECONDS
        return far or item.lane is not last.lane
