"""Pairing: for each instant, the frame taken then and the nearest frames of the other exposures on both sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from streamfuse.core.frame import Bracket, ClassifiedFrame, Frame, Neighbours
from streamfuse.core.protocols import Stage
from streamfuse.core.values import Rate


class Pairer(Stage[ClassifiedFrame, Bracket]):
    """Turns `ClassifiedFrame` into `Bracket`; looks at most `cycle` frames back and ahead, never across a cut.

    At full rate every frame is the reference of one bracket: N frames in, N brackets out. At half rate the frames are
    split into disjoint groups, each as long as no exposure comes twice (so a group is a cycle, and less where frames
    were lost), and each group gives one bracket. Its reference is the middle exposure, the darker of two: what is
    clipped in the reference cannot be recovered where alignment fails, what is dark in it can.

    An exposure that is on neither side within reach is left out of `Bracket.missing`; a frame where exposures do not
    alternate (`ClassifiedFrame.alone`) has no partner and is none.

    Args:
        rate: "full" = every frame is an instant, "half" = one instant per cycle.
        simultaneous: N > 1 if each instant comes as N frames taken at the same time.
        lookahead: at full rate, frames after the reference that a bracket waits for, 0 or more; None = a whole cycle.
            With 0 every exposure is made of frames that are there already. At half rate a bracket is complete with its
            last frame, and only with None waits for the one after it.
    """

    def __init__(self, rate: Rate = "full", simultaneous: int = 1, lookahead: int | None = None) -> None:
        self.repaired_pairs = 0
        """Brackets so far that have an exposure on one side only or not at all, inside a shot."""
        self.unpaired: list[tuple[int, int]] = []
        """Runs of references so far that have no partner at all: index of the first and of the last frame."""
        self.unpaired_count = 0
        """How many they are."""
        self._in_run = False  # the last bracket had no partner
        self._rate = rate
        self._simultaneous = simultaneous
        self._lookahead = lookahead
        self._shot: deque[ClassifiedFrame] = (
            deque()
        )  # a window of the current shot: past references and what waits
        self._waiting = 0  # how many at the end of `_shot` have not been a reference yet
        self._groups: deque[tuple[ClassifiedFrame, ...]] = deque()  # previous, waiting, (next)
        self._group: list[ClassifiedFrame] = []

    def push(self, item: ClassifiedFrame) -> Iterable[Bracket]:
        """Take the next labelled frame; give the brackets that are complete now."""
        if self._rate == "full" and self._simultaneous == 1:
            return self._noted(self._push_full(item))
        return self._noted(self._push_grouped(item))

    def flush(self) -> Iterable[Bracket]:
        """The input has ended: give the brackets that still wait."""
        if self._rate == "full" and self._simultaneous == 1:
            return self._noted(self._end_shot())
        return self._noted(self._end_groups())

    def _noted(self, brackets: list[Bracket]) -> list[Bracket]:
        """The same; those without a partner are counted."""
        for bracket in brackets:
            at = bracket.reference.index
            if not bracket.alone:
                self._in_run = False
            elif self._in_run:
                self.unpaired[-1] = self.unpaired[-1][0], at
            else:
                self.unpaired.append((at, at))
                self._in_run = True
            self.unpaired_count += bracket.alone
        return brackets

    # Every frame is an instant

    def _push_full(self, item: ClassifiedFrame) -> list[Bracket]:
        out = self._end_shot() if item.cut else []
        self._shot.append(item)
        self._waiting += 1
        if self._waiting > (item.cycle if self._lookahead is None else min(self._lookahead, item.cycle)):
            out.append(self._emit())
        return out

    def _end_shot(self) -> list[Bracket]:
        out = []
        while self._waiting:
            out.append(self._emit())
        self._shot.clear()
        return out

    def _emit(self) -> Bracket:
        """Give the bracket of the oldest frame that waits."""
        at = len(self._shot) - self._waiting
        window = list(self._shot)
        bracket = self._bracket(window[at], window[:at], window[at + 1 : at + 1 + window[at].cycle])
        self._waiting -= 1
        while len(self._shot) - self._waiting > bracket.cycle:
            self._shot.popleft()
        return bracket

    def _bracket(
        self, this: ClassifiedFrame, past: list[ClassifiedFrame], future: list[ClassifiedFrame]
    ) -> Bracket:
        if this.alone:
            return Bracket(this.frame, this.rank, this.cycle, {})
        # A label that was repaired inside the window means that some distances in it are not the usual ones.
        if this.repaired or any(f.repaired for f in future[:1]):
            self.repaired_pairs += 1
        found = {rank: _nearest(rank, past, future) for rank in range(this.cycle)}
        same = found.pop(this.rank)
        missing = {rank: pair for rank, pair in found.items() if pair.before or pair.after}
        return Bracket(this.frame, this.rank, this.cycle, missing, same)

    # One instant for a group of frames

    def _push_grouped(self, item: ClassifiedFrame) -> list[Bracket]:
        out: list[Bracket] = []
        if self._group and (item.cut or self._starts_group(item)):
            out += self._close_group()
        if item.cut:
            out += self._end_groups()
        self._group.append(item)
        if self._lookahead is not None and len(self._group) == item.cycle:
            out += self._close_group()
        return out

    def _starts_group(self, item: ClassifiedFrame) -> bool:
        if item.alone or self._group[0].alone:
            return not (item.alone and self._group[0].alone) or len(self._group) == item.cycle
        if any(item.rank == other.rank for other in self._group):
            return True
        return self._simultaneous > 1 and item.frame.pts != self._group[0].frame.pts

    def _close_group(self) -> list[Bracket]:
        """Put the group in the queue; the one before it now knows both its neighbours.

        Where the wait is bounded nothing waits for the neighbour that is still to come.
        """
        group, self._group = tuple(self._group), []
        if self._lookahead is not None:
            out = [self._group_bracket(self._groups[-1] if self._groups else (), group, ())]
            self._groups = deque((group,))
            return out
        self._groups.append(group)
        if len(self._groups) == 1:
            self._groups.appendleft(())
            return []
        out = [self._group_bracket(self._groups[0], self._groups[1], self._groups[2])]
        self._groups.popleft()
        return out

    def _end_groups(self) -> list[Bracket]:
        out = self._close_group() if self._group else []
        if self._groups and self._lookahead is None:
            out.append(self._group_bracket(self._groups[0], self._groups[1], ()))
        self._groups.clear()
        return out

    def _group_bracket(
        self,
        previous: tuple[ClassifiedFrame, ...],
        group: tuple[ClassifiedFrame, ...],
        following: tuple[ClassifiedFrame, ...],
    ) -> Bracket:
        cycle = group[0].cycle
        if group[0].alone:
            return Bracket(group[0].frame, group[0].rank, cycle, {})
        middle = (cycle - 1) // 2
        this = min(group, key=lambda item: abs(item.rank - middle))
        if len(group) < cycle:
            self.repaired_pairs += 1
        at = next(place for place, item in enumerate(group) if item is this)
        missing = {
            item.rank: Neighbours(None, item.frame)
            if place > at and self._simultaneous == 1
            else Neighbours(item.frame, None)
            for place, item in enumerate(group)
            if place != at
        }
        same = _nearest(this.rank, list(previous), list(following))
        return Bracket(this.frame, this.rank, cycle, missing, same, self._simultaneous > 1)


def _nearest(rank: int, past: list[ClassifiedFrame], future: list[ClassifiedFrame]) -> Neighbours:
    def first(items: Iterable[ClassifiedFrame]) -> Frame | None:
        return next((item.frame for item in items if item.rank == rank and not item.alone), None)

    return Neighbours(first(reversed(past)), first(future))
