from __future__ import annotations

import numpy as np
import pytest
from align_clips import grey_frame
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.core.frame import Bracket, ClassifiedFrame, Frame
from streamfuse.core.values import Rate
from streamfuse.exposure.pair import Pairer

DOT = np.zeros((2, 2), np.uint8)  # several pixels: two frames cannot be told apart by ==


def labelled(ranks: list[int], cycle: int, cuts: tuple[int, ...] = ()) -> list[ClassifiedFrame]:
    return [ClassifiedFrame(grey_frame(DOT.copy(), i), r, cycle, cut=i in cuts) for i, r in enumerate(ranks)]


def pair(items: list[ClassifiedFrame], rate: Rate = "full", simultaneous: int = 1) -> list[Bracket]:
    pairer = Pairer(rate, simultaneous)
    out = [bracket for item in items for bracket in pairer.push(item)]
    return [*out, *pairer.flush()]


def index(frame: Frame | None) -> int | None:
    return None if frame is None else frame.index


def test_full_rate_takes_the_nearest_on_both_sides() -> None:
    brackets = pair(labelled([0, 1, 0, 1, 0], 2))
    sides = [(index(b.missing[1 - b.rank].before), index(b.missing[1 - b.rank].after)) for b in brackets]
    assert sides == [(None, 1), (0, 2), (1, 3), (2, 4), (3, None)]
    assert [(index(b.same.before), index(b.same.after)) for b in brackets[:3]] == [
        (None, 2),
        (None, 3),
        (0, 4),
    ]


def test_nothing_is_taken_across_a_cut() -> None:
    brackets = pair(labelled([0, 1, 0, 1, 0, 1], 2, cuts=(3,)))
    assert index(brackets[2].missing[1].after) is None
    assert index(brackets[3].missing[0].before) is None


@given(
    st.integers(2, 5).flatmap(
        lambda cycle: st.tuples(
            st.just(cycle),
            st.lists(st.integers(0, cycle - 1), max_size=40),
            st.frozensets(st.integers(0, 39), max_size=6),
        )
    )
)
def test_no_frame_is_lost_and_reach_is_bounded(case: tuple[int, list[int], frozenset[int]]) -> None:
    cycle, ranks, cuts = case
    items = labelled(ranks, cycle, tuple(cuts))
    full = pair(items)
    assert [b.reference.index for b in full] == list(range(len(ranks)))
    shot = np.cumsum([i in cuts for i in range(len(ranks))])
    for bracket in full:
        here = bracket.reference.index
        for rank, sides in [*bracket.missing.items(), (bracket.rank, bracket.same)]:
            for frame in (sides.before, sides.after):
                if frame is not None:
                    assert ranks[frame.index] == rank
                    assert 0 < abs(frame.index - here) <= cycle
                    assert shot[frame.index] == shot[here]
    # Brackets depend on a bounded window only: leave out what is far away, and they stay.
    if len(full) > 3 * cycle + 3:
        late = pair(items[cycle:])[cycle:]
        assert [(b.reference, b.missing, b.same) for b in late] == [
            (b.reference, b.missing, b.same) for b in full[2 * cycle :]
        ]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.frozensets(st.integers(0, 29), max_size=4))
def test_half_rate_uses_each_frame_once(ranks: list[int], cuts: frozenset[int]) -> None:
    used = []
    for bracket in pair(labelled(ranks, 3, tuple(cuts)), "half"):
        used.append(bracket.reference.index)
        used += [f.index for n in bracket.missing.values() for f in (n.before, n.after) if f is not None]
    assert sorted(used) == list(range(len(ranks)))


def test_half_rate_refers_to_the_darker_of_two() -> None:
    brackets = pair(labelled([1, 0, 1, 0, 1, 0], 2), "half")
    assert [b.rank for b in brackets] == [0, 0, 0]
    assert [index(b.missing[1].before) for b in brackets] == [0, 2, 4]
    assert [(index(b.same.before), index(b.same.after)) for b in brackets] == [(None, 3), (1, 5), (3, None)]


def test_simultaneous_frames_make_one_bracket_even_if_one_is_lost() -> None:
    items = []
    for i, (rank, pts) in enumerate(
        [(0, 0), (1, 0), (0, 1), (0, 2), (1, 2)]
    ):  # the brighter one of pts 1 is lost
        frame = grey_frame(DOT, i)
        items.append(
            ClassifiedFrame(Frame(frame.planes, 8, (0, 0), frame.color, pts, frame.time_base, i), rank, 2)
        )
    brackets = pair(items, simultaneous=2)
    assert [b.reference.index for b in brackets] == [0, 2, 3]
    assert [list(b.missing) for b in brackets] == [[1], [], [1]]
    assert all(b.simultaneous for b in brackets)


def test_broken_order_is_counted() -> None:
    pairer = Pairer()
    for i, rank in enumerate([0, 1, 0, 0, 1, 0, 1]):
        list(pairer.push(ClassifiedFrame(grey_frame(DOT, i), rank, 2, repaired=i == 3)))
    list(pairer.flush())
    assert pairer.repaired_pairs == 2


@pytest.mark.parametrize(("rate", "references"), [("full", [0, 1, 2, 3, 4, 5]), ("half", [0, 2, 4])])
def test_frames_that_do_not_alternate_have_no_partner_and_are_none(rate: str, references: list[int]) -> None:
    pairer, brackets = Pairer(rate), []  # type: ignore[arg-type]
    for i, (rank, alone) in enumerate([(0, True)] * 4 + [(0, False), (1, False)]):
        brackets += pairer.push(ClassifiedFrame(grey_frame(DOT, i), rank, 2, alone=alone))
    brackets += pairer.flush()
    assert [b.reference.index for b in brackets] == references
    assert [b.alone for b in brackets] == [b.reference.index < 4 for b in brackets]
    assert brackets[-1].same.before is None
    assert pairer.unpaired == [(0, 3 if rate == "full" else 2)]
    assert pairer.unpaired_count == len([b for b in brackets if b.alone])


@given(
    lookahead=st.integers(0, 3),
    cycle=st.integers(2, 4),
    count=st.integers(0, 30),
    cuts=st.frozensets(st.integers(1, 29), max_size=3),
)
def test_a_bracket_waits_for_as_many_frames_as_it_may_look_ahead(
    lookahead: int, cycle: int, count: int, cuts: frozenset[int]
) -> None:
    pairer, seen = Pairer(lookahead=lookahead), []
    for item in labelled([n % cycle for n in range(count)], cycle, tuple(cuts)):
        for bracket in pairer.push(item):
            seen.append(bracket)
            newest = item.frame.index
            waited = newest - bracket.reference.index
            assert waited <= min(lookahead, cycle)
            for pair in (*bracket.missing.values(), bracket.same):
                assert pair.after is None or pair.after.index <= newest
                assert pair.before is None or pair.before.index < bracket.reference.index
    assert [b.reference.index for b in [*seen, *pairer.flush()]] == list(range(count))


def test_without_looking_ahead_the_missing_exposure_is_of_the_past() -> None:
    pairer = Pairer(lookahead=0)
    brackets = [bracket for item in labelled([0, 1, 0, 1], 2) for bracket in pairer.push(item)]
    assert [b.reference.index for b in brackets] == [0, 1, 2, 3]
    assert brackets[0].missing == {}
    assert [index(b.missing[1 - b.rank].before) for b in brackets[1:]] == [0, 1, 2]
    assert not any(b.missing[1 - b.rank].after for b in brackets[1:])
