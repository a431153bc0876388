"""The stages of a live run, each of which works with whatever preset is chosen at that moment.

A bracket takes the lane that is current when its alignment begins, and keeps it to the end. So a change of preset
takes hold with the next bracket, loses none, and waits only for what is being worked on:

    choose ──────────┐
                     ▼
    queue ──► align(current) ──► weigh(its lane) ──► smooth, blend(its lane) ──► outputs

On a GPU the lane does all of it in the first step, and the others pass its frames on.
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


class Neighbours:
    """Tells whether brackets that come one after the other are of neighbouring instants of one lane.

    Maps are smoothed only over those: not across dropped brackets, nor where the preset changes, whose maps are of
    another network.

    Args:
        every_frame: each frame is an instant, else each bracket is.
    """

    def __init__(self, every_frame: bool) -> None:
        self._every_frame = every_frame
        self._last: InLane[Bracket] | None = None

    def follows(self, lane: Lane, bracket: Bracket) -> bool:
        """Tell whether this one is of the instant after that of the last call; True for the first one."""
        last, self._last = self._last, InLane(lane, bracket)
        if last is None:
            return True
        seconds = (bracket.reference.captured_at or 0.0) - (last.item.reference.captured_at or 0.0)
        frames = bracket.reference.index - last.item.reference.index
        far = frames > (1 if self._every_frame else bracket.cycle) or seconds > _BREAK_SECONDS
        return lane is last.lane and not far


class AlignStep(Stage[Bracket, InLane[AlignedBracket | FusedFrame]]):
    """Bracket -> aligned bracket, or on a GPU fused frame, in the lane that is current.

    Args:
        lanes: one of them is current.
        every_frame: as of `Neighbours`.
    """

    def __init__(self, lanes: Lanes, every_frame: bool = True) -> None:
        self._lanes = lanes
        self._neighbours = Neighbours(every_frame)

    def push(self, item: Bracket) -> Iterator[InLane[AlignedBracket | FusedFrame]]:
        """Take one, give one."""
        lane = self._lanes.current
        if lane.fuse is not None and not self._neighbours.follows(lane, item):
            lane.fuse.restart()
        for out in (lane.fuse or lane.align).push(item):
            yield InLane(lane, out)


class WeighStep(Stage[InLane[AlignedBracket | FusedFrame], InLane[WeighedBracket | FusedFrame]]):
    """Aligned bracket -> weighed bracket, in its own lane; a fused frame passes."""

    def push(
        self, item: InLane[AlignedBracket | FusedFrame]
    ) -> Iterator[InLane[WeighedBracket | FusedFrame]]:
        """Take one, give one."""
        if isinstance(item.item, FusedFrame):
            yield InLane(item.lane, item.item)
            return
        for weighed in item.lane.weigh.push(item.item):
            yield InLane(item.lane, weighed)


class BlendStep(Stage[InLane[WeighedBracket | FusedFrame], FusedFrame]):
    """Weighed bracket -> fused frame with its look, after smoothing over the instants before it, all in one thread.

    Args:
        lanes: are told which lane the newest fused frame is of.
        smooth: whether to smooth.
        every_frame: as of `Neighbours`.
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
        self._look = look
        self._show = show
        self._neighbours = Neighbours(every_frame)
        self._smoother = Smoother(ahead=False)

    def push(self, item: InLane[WeighedBracket | FusedFrame]) -> Iterator[FusedFrame]:
        """Take one, give one."""
        lane, made = item.lane, item.item
        for blended in (made,) if isinstance(made, FusedFrame) else self._blended(lane, made):
            weighed = blended.made_of
            assert weighed is not None, "The stages of a lane keep what the frames are made of."
            stats = {**blended.stats, "rank": float(weighed.aligned.bracket.rank)}
            fused = replace(blended, stats=stats, made_of=None)
            if self._look is not None:
                fused = self._look.looked(fused)
            self._lanes.running = lane
            self._show(weighed, fused)
            yield fused

    def _blended(self, lane: Lane, weighed: WeighedBracket) -> Iterator[FusedFrame]:
        if not self._neighbours.follows(lane, weighed.aligned.bracket):
            self._smoother = Smoother(ahead=False)
        for smoothed in self._smoother.push(weighed) if self._smooth else (weighed,):
            yield from lane.blend.push(smoothed)
