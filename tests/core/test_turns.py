"""What several threads work on at once goes through one place in order."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.turns import InLine, Turns


@settings(deadline=None, max_examples=30)
@given(skipped=st.lists(st.booleans(), min_size=1, max_size=30), threads=st.integers(1, 8))
def test_all_come_in_the_order_in_which_turns_were_given_out(skipped, threads):
    turns, came = Turns(), []

    def work(number, turn):
        time.sleep(random.random() / 1000)
        if not skipped[number]:
            with turn:
                came.append(number)
        turn.skip()

    with ThreadPoolExecutor(threads) as pool:
        for number in range(len(skipped)):
            pool.submit(work, number, turns.next())
    assert came == [number for number, left_out in enumerate(skipped) if not left_out]


def test_one_that_fails_lets_the_next_one_go_on():
    turns = Turns()
    first, second = turns.next(), turns.next()
    reached = threading.Event()
    waiting = threading.Thread(target=lambda: (second.wait(), reached.set()))
    waiting.start()
    assert not reached.wait(0.02)
    with pytest.raises(ValueError), first:
        raise ValueError
    waiting.join(10)
    assert reached.is_set()


def test_in_line_all_is_done_in_the_thread_that_asks():
    with InLine() as executor:
        assert executor.submit(threading.get_ident).result() == threading.get_ident()
        failed = executor.submit(int, "x")
    with pytest.raises(ValueError, match="'x'"):
        failed.result()
