"""The queue before fusion drops whole brackets of frames, oldest first, and never waits."""

import threading
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.runtime.live.inlet import Inlet, cycles_that_wait


def bracket(number, cycle=2):
    return SimpleNamespace(number=number, rank=number % cycle, cycle=cycle)


def taken(inlet):
    items = []
    while (item := inlet.get(0.0)) is not None:
        items.append(item)
    return items


@given(
    count=st.integers(0, 60),
    cycle=st.integers(2, 5),
    cycles=st.integers(1, 3),
    takes=st.sets(st.integers(0, 59)),
)
def test_what_is_left_alternates_and_is_the_newest(count, cycle, cycles, takes):
    inlet, out = Inlet(cycles), []
    for number in range(count):
        inlet.put(bracket(number, cycle))
        if number in takes:
            out.append(inlet.get(0.0))
    out += taken(inlet)
    numbers = [item.number for item in out]
    assert numbers == sorted(numbers)
    assert all((after - before) % cycle == 1 for before, after in pairwise(numbers))
    assert len(numbers) + inlet.drops == inlet.arrived == count
    assert inlet.drops % cycle == 0
    if count:
        assert numbers[-1] == count - 1


def test_an_instant_that_is_a_whole_bracket_is_dropped_alone():
    inlet = Inlet(2, unit=1)
    for number in range(5):
        inlet.put(bracket(number))
    assert [item.number for item in taken(inlet)] == [3, 4]
    assert inlet.drops == 3


def test_the_end_comes_after_what_waits():
    inlet = Inlet()
    inlet.put(bracket(0))
    inlet.end()
    assert not inlet.ended
    assert inlet.get(0.0).number == 0
    assert inlet.ended
    assert inlet.get(10.0) is None  # at once


def test_a_reader_that_waits_is_woken():
    inlet = Inlet()
    threading.Timer(0.05, inlet.put, [bracket(7)]).start()
    assert inlet.get(10.0).number == 7
    assert inlet.get(0.01) is None


def test_full_never_waits():
    inlet = Inlet(1)
    done = threading.Thread(target=lambda: [inlet.put(bracket(n)) for n in range(1000)], daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
    assert inlet.drops == pytest.approx(998)


@given(count=st.integers(0, 60), cycle=st.integers(2, 5))
def test_thinned_it_gives_every_instant_of_one_exposure(count, cycle):
    inlet = Inlet(100)
    inlet.thinned = True
    for number in range(count):
        inlet.put(bracket(number, cycle))
    numbers = [item.number for item in taken(inlet)]
    assert numbers == list(range((cycle - 1) // 2, count, cycle))
    assert inlet.arrived + inlet.skipped == count
    assert inlet.drops == 0


def test_thinned_it_drops_single_instants_oldest_first():
    inlet = Inlet(2)
    for number in range(4):
        inlet.put(bracket(number))
    inlet.thinned = True  # in mid-run: what waits already is more than may wait from now on
    for number in range(4, 10):
        inlet.put(bracket(number))
    numbers = [item.number for item in taken(inlet)]
    assert numbers == [6, 8]
    assert len(numbers) + inlet.drops == inlet.arrived


@pytest.mark.parametrize(
    ("rate", "unit", "cycles"), [(30, 2, 3), (120, 2, 4), (5, 2, 1), (30, 1, 4), (30, 5, 1)]
)
def test_what_waits_is_young(rate, unit, cycles):
    assert cycles_that_wait(rate, unit) == cycles
