"""The queue before fusion drops whole brackets of frames, oldest first, and never waits."""

import threading
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.core.queue import END
from streamfuse.runtime.bracket_queue import BracketQueue, brackets_that_wait


def bracket(number, cycle=2):
    return SimpleNamespace(number=number, rank=number % cycle, cycle=cycle)


def taken(queue):
    items = []
    while (item := queue.get(0.0)) not in (None, END):
        items.append(item)
    return items


@given(
    count=st.integers(0, 60),
    cycle=st.integers(2, 5),
    cycles=st.integers(1, 3),
    takes=st.sets(st.integers(0, 59)),
)
def test_what_is_left_alternates_and_is_the_newest(count, cycle, cycles, takes):
    queue, out = BracketQueue(cycles), []
    for number in range(count):
        queue.put(bracket(number, cycle))
        if number in takes:
            out.append(queue.get(0.0))
    out += taken(queue)
    numbers = [item.number for item in out]
    assert numbers == sorted(numbers)
    assert all((after - before) % cycle == 1 for before, after in pairwise(numbers))
    assert len(numbers) + queue.drops == queue.arrived == count
    assert queue.drops % cycle == 0
    if count:
        assert numbers[-1] == count - 1


def test_an_instant_that_is_a_whole_bracket_is_dropped_alone():
    queue = BracketQueue(2, unit=1)
    for number in range(5):
        queue.put(bracket(number))
    assert [item.number for item in taken(queue)] == [3, 4]
    assert queue.drops == 3


def test_the_end_comes_after_what_waits():
    queue = BracketQueue()
    queue.put(bracket(0))
    queue.end()
    assert not queue.ended
    assert queue.get(0.0).number == 0
    assert queue.ended
    assert queue.get(10.0) is END  # at once


def test_a_reader_that_waits_is_woken():
    queue = BracketQueue()
    threading.Timer(0.05, queue.put, [bracket(7)]).start()
    assert queue.get(10.0).number == 7
    assert queue.get(0.01) is None


def test_full_never_waits():
    queue = BracketQueue(1)
    done = threading.Thread(target=lambda: [queue.put(bracket(n)) for n in range(1000)], daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
    assert queue.drops == pytest.approx(998)


@given(count=st.integers(0, 60), cycle=st.integers(2, 5))
def test_thinned_it_gives_every_instant_of_one_exposure(count, cycle):
    queue = BracketQueue(100)
    queue.thinned = True
    for number in range(count):
        queue.put(bracket(number, cycle))
    numbers = [item.number for item in taken(queue)]
    assert numbers == list(range((cycle - 1) // 2, count, cycle))
    assert queue.arrived + queue.skipped == count
    assert queue.drops == 0


def test_thinned_it_drops_single_instants_oldest_first():
    queue = BracketQueue(2)
    for number in range(4):
        queue.put(bracket(number))
    queue.thinned = True  # in mid-run: what waits already is more than may wait from now on
    for number in range(4, 10):
        queue.put(bracket(number))
    numbers = [item.number for item in taken(queue)]
    assert numbers == [6, 8]
    assert len(numbers) + queue.drops == queue.arrived


@pytest.mark.parametrize(
    ("rate", "unit", "cycles"), [(30, 2, 3), (120, 2, 4), (5, 2, 1), (30, 1, 4), (30, 5, 1)]
)
def test_what_waits_is_young(rate, unit, cycles):
    assert brackets_that_wait(rate, unit) == cycles
