"""The newest value: readers take what they can, nobody waits for them, and nothing is made twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from streamfuse.core.latest import Latest, Made


def test_a_reader_gets_the_newest_and_never_the_same_again():
    latest = Latest()
    assert latest.after(timeout=0.0) is None
    for value in "abc":
        latest.put(value)
    assert latest.after() == (2, "c")
    assert latest.after(1) == (2, "c")
    assert latest.after(2, timeout=0.0) is None


def test_a_reader_that_waits_is_woken_by_a_value_and_by_the_end():
    latest = Latest()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(latest.after)
        latest.put("a")
        assert waiting.result(10) == (0, "a")
        waiting = pool.submit(latest.after, 0)
        latest.close()
        assert waiting.result(10) is None
    assert latest.after() is None


def test_what_is_made_of_a_value_is_made_once_by_whoever_asks_first():
    latest, made, together = Latest(), [], threading.Barrier(4)
    upper = Made(latest, lambda value: made.append(value) or value.upper())

    def ask(_):
        together.wait(10)
        return upper.after()

    latest.put("a")
    assert not made
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [(0, "A")] * 4
    assert made == ["a"]
    latest.put("b")
    assert upper.after(0) == (1, "B")
    assert upper.after(1, timeout=0.0) is None
