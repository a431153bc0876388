"""Stages in many threads: the same frames in the same order, whatever their number, and every kind of end."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse import Config, open_source
from streamfuse.core import memory_limit
from streamfuse.core.protocols import Drain, Feed, ParallelStage, Sink, Stage
from streamfuse.core.turns import Turn, Turns
from streamfuse.errors import UsageError
from streamfuse.runtime import chain
from streamfuse.runtime.chain import chain_of_run
from streamfuse.runtime.line import Line, Seen, through
from streamfuse.runtime.pipeline import Pipeline


class Numbers(Feed[int]):
    """0, 1, 2 ..."""

    def __init__(self, count: int, hook: Callable[[int], None] = lambda number: None) -> None:
        self.count, self.hook = count, hook

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.hook(number)
            yield number

    def close(self) -> None:
        pass


class Summing(ParallelStage[int, int]):
    """The sum of all numbers so far, though many are worked on at once; and who was at it."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.total, self.turns, self.fails_at = 0, Turns(), fails_at
        self.at_once = self.most = 0
        self.closed = 0
        self.lock = threading.Lock()

    def begin(self, item: int) -> Callable[[], Iterable[int]]:
        return partial(self.work, item, self.turns.next())

    def work(self, item: int, turn: Turn) -> Iterable[int]:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            time.sleep(random.random() / 500)
            if item == self.fails_at:
                raise ValueError(f"number {item}")
            with turn:
                self.total += item
                return (self.total,)
        finally:
            turn.skip()
            with self.lock:
                self.at_once -= 1

    def flush(self) -> Iterable[int]:
        return (-1,)

    def close(self) -> None:
        self.closed += 1


class Halves(Stage[int, int]):
    """Every other one: what must be done in order."""

    def __init__(self) -> None:
        self.count = 0

    def push(self, item: int) -> Iterable[int]:
        self.count += 1
        return (item,) if self.count % 2 else ()


class Store(Drain[int]):
    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.items: list[int] = []

    def write(self, frame: int, /) -> None:
        self.items.append(frame)

    def close(self) -> None:
        pass


def sums(count: int) -> list[int]:
    return [number * (number + 1) // 2 for number in range(count)]


@settings(deadline=None, max_examples=25)
@given(count=st.integers(0, 40), threads=st.integers(1, 8), queue=st.integers(1, 3))
def test_order_and_state_are_those_of_one_thread(count, threads, queue):
    first, seen, store = Summing(), [], Store()
    line = Line("sum", first).ending_in(Seen(seen.append)).ending_in(Halves())
    done = Pipeline(Numbers(count), line, [store], queue_size=queue, threads=threads).run()
    assert seen == [*sums(count), -1]
    assert store.items == [*sums(count), -1][::2]
    assert first.most <= threads
    assert first.closed == 1
    (stage,) = done.stages[1:-1]
    assert (stage.threads, stage.items_in) == (threads, count)


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (3, 4)])
def test_all_stages_together_take_one_thread_more_than_each(threads, at_once):
    lock, busy, most = threading.Lock(), [0], [0]

    class Counting(Summing):
        def work(self, item, turn):
            with lock:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            try:
                return super().work(item, turn)
            finally:
                with lock:
                    busy[0] -= 1

    line = Line("one", Counting()).then("two", Counting()).then("three", Counting())
    Pipeline(Numbers(40), line, [Store()], threads=threads).run()
    assert most[0] <= at_once


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_nothing_that_comes_after_an_error_is_written(threads):
    store, stage = Store(), Summing(fails_at=13)
    with pytest.raises(ValueError, match="number 13"):
        Pipeline(Numbers(200), stage, [store], threads=threads).run()
    assert store.items == sums(13)[: len(store.items)]
    assert stage.closed == 1


@pytest.mark.parametrize("threads", [1, 4])
def test_a_run_that_is_stopped_writes_what_is_on_its_way(threads):
    store = Store()

    def hook(number: int) -> None:
        if number == 20:
            pipeline.stop()

    pipeline = Pipeline(Numbers(10_000, hook), Summing(), [store], threads=threads)
    done = pipeline.run()
    assert store.items == [*sums(done.frames_in), -1]
    assert 20 <= done.frames_in < 100


def test_a_stage_that_hangs_in_one_of_its_threads_is_left_behind():
    hang = threading.Event()

    class Hanging(Summing):
        def work(self, item, turn):
            if item == 5:
                hang.wait(20)
            return super().work(item, turn)

    pipeline = Pipeline(Numbers(50), Hanging(), [Store()], threads=3, stop_timeout=0.2, finish_timeout=0.2)
    threading.Timer(0.1, pipeline.stop).start()
    try:
        with pytest.raises(TimeoutError, match=r"'Hanging' did not return within 0\.2 s"):
            pipeline.run()
    finally:
        hang.set()


def test_a_run_needs_a_thread():
    with pytest.raises(UsageError, match="at least 1 thread, not 0"):
        Pipeline(Numbers(1), Summing(), [Store()], threads=0)


class Digest(Sink):
    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.numbers: list[int] = []
        self.digest = hashlib.sha256()

    def write(self, frame) -> None:
        self.numbers.append(frame.index)
        for plane in frame.planes:
            self.digest.update(plane.tobytes())

    def close(self) -> None:
        pass


def fused(clip: str, threads: int, **options: object) -> tuple[list[int], str]:
    config, sink = Config().with_overrides(threads=threads, device="cpu", **options), Digest()
    with open_source(clip) as source:
        run = chain_of_run(config, source.info)
        assert run.threads == threads
        Pipeline(source, run.line, [sink], threads=run.threads).run()
    return sink.numbers, sink.digest.hexdigest()


CLIPS = [
    ("sample:?frames=8&size=640x90", {"preset": "fast"}),
    pytest.param("sample:?frames=10&size=160x90", {"preset": "balanced"}, marks=pytest.mark.slow),
    pytest.param("sample:?frames=9&size=160x90&bits=10&cycle=3", {"preset": "fast"}, marks=pytest.mark.slow),
    ("sample:?frames=10&size=160x90", {"preset": "fast", "fuser": "mertens", "smooth": False}),
]


@pytest.mark.parametrize(("clip", "options"), CLIPS)
def test_frames_are_the_same_whatever_the_number_of_threads(clip, options):
    one = fused(clip, 1, **options)
    assert one[0] == sorted(one[0])
    assert one[0]
    for threads in (2, 3, 8):
        assert fused(clip, threads, **options) == one


def test_a_run_has_a_thread_for_each_cpu_as_far_as_memory_goes_and_a_live_one_keeps_its_line(monkeypatch):
    monkeypatch.setattr(chain, "cpus", lambda: 12)
    with open_source("sample:?frames=4&size=64x48") as source:
        info = source.info
    config = Config().with_overrides(device="cpu", fuser="mertens")
    assert chain_of_run(config, info).threads == 12
    assert chain_of_run(config, replace(info, live=True)).threads is None
    assert chain_of_run(config.with_overrides(threads=3), info).threads == 3
    monkeypatch.setattr(memory_limit.os, "sysconf", lambda name: 1 << (20 if "PAGES" in name else 12))
    assert chain_of_run(config, replace(info, width=7680, height=4320)).threads == 1
    assert chain_of_run(config, replace(info, width=1920, height=1080)).threads == 8


def test_what_leaves_a_stage_is_seen_where_it_is_of_the_kind_that_was_told():
    seen = []
    line = Line("sum", Summing()).then("halves", Halves())
    out = list(through(line.seen("sum", int, seen.append), range(4)))
    assert (seen, out) == ([*sums(4), -1], [*sums(4), -1][::2])
    with pytest.raises(TypeError, match="A str was to be seen, and this is a int"):
        list(through(line.seen("halves", str, seen.append), [1]))
