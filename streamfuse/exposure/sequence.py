"""The order in which exposures follow each other, learnt from labelled frames."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from itertools import pairwise


class Sequence:
    """Predicts the next rank from the last two, so that (under, mid, over, mid) works as well as (under, over)."""

    def __init__(self, ranks: tuple[int, ...] = ()) -> None:
        self._after_two: dict[tuple[int | None, int], Counter[int]] = defaultdict(Counter)
        self._after_one: dict[int, Counter[int]] = defaultdict(Counter)
        self._past: tuple[int | None, int | None] = (None, None)
        # No exposure comes twice in a row but where frames were lost or doubled: nothing is learnt there.
        for before, rank, following in zip(ranks, ranks[1:], ranks[2:], strict=False):
            if before != rank != following:
                self._after_two[before, rank][following] += 1
        for rank, following in pairwise(ranks):
            if rank != following:
                self._after_one[rank][following] += 1

    def expected(self) -> int | None:
        """Give the rank that should come now; None where nothing is known."""
        before, rank = self._past
        if rank is None:
            return None
        for counts in (self._after_two.get((before, rank)), self._after_one.get(rank)):
            if counts:
                return int(counts.most_common(1)[0][0])
        return None

    def note(self, rank: int) -> None:
        """This rank came."""
        self._past = (self._past[1], rank)

    def interrupted(self) -> Sequence:
        """Give the same order where nothing has come yet, as an object of its own."""
        other = copy.copy(self)
        other.forget_place()
        return other

    def forget_place(self) -> None:
        """What came does not count any more; the order stays known."""
        self._past = (None, None)

    def first_cycle(self, rank: int, count: int) -> tuple[int, ...]:
        """Give the first `count` ranks from this one on, in the order that was learnt; else rising from the darkest."""
        walk, out = self.interrupted(), [rank]
        walk.note(rank)
        while len(out) < count:
            following = walk.expected()
            if following is None:
                return (rank, *(other for other in range(count) if other != rank))
            out.append(following)
            walk.note(following)
        return tuple(out)

    def followed_by(self, rank: int) -> Sequence:
        """Give the same order after this rank came, as an object of its own."""
        other = copy.copy(self)
        other.note(rank)
        return other
