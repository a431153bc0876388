"""The stage runner under every kind of end: end of stream, stop, interrupts, hangs and errors anywhere."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.protocols import Drain, Feed, Stage
from streamfuse.errors import StageTimeoutError, UsageError
from streamfuse.runtime.line import NamedStage
from streamfuse.runtime.pipeline import Pipeline
from streamfuse.runtime.statistics import Statistics
from streamfuse.runtime.workers import Worker


class FaultError(Exception):
    """Raised on purpose by the parts below."""


@dataclass
class Log:
    """What happened, in order; and what is to go wrong, by place."""

    faults: frozenset[str] = frozenset()
    closed: list[str] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)

    def at(self, place: str) -> None:
        if place in self.faults:
            self.fired.append(place)
            raise FaultError(place)


class Numbers(Feed[int]):
    """A source of 0, 1, 2, ..."""

    def __init__(self, count: int, log: Log | None = None, hook: Callable[[int], None] | None = None) -> None:
        self.count, self.log, self.hook = count, log or Log(), hook
        self.delivered = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.log.at(f"source {number}")
            if self.hook:
                self.hook(number)
            self.delivered += 1
            yield number
        self.log.at("source end")

    def close(self) -> None:
        self.log.closed.append("source")
        self.log.at("source close")


class Delay(Stage[int, int]):
    """A stage that always holds back one item, as pairing does."""

    def __init__(self, name: str = "delay", log: Log | None = None, seconds: float = 0.0) -> None:
        self.name, self.log, self.seconds = name, log or Log(), seconds
        self.held: list[int] = []

    def push(self, item: int) -> list[int]:
        self.log.at(f"{self.name} push {item}")
        time.sleep(self.seconds)
        ready, self.held = self.held, [item]
        return ready

    def flush(self) -> Iterator[int]:
        self.log.at(f"{self.name} flush")
        yield from self.held

    def close(self) -> None:
        self.log.closed.append(self.name)
        self.log.at(f"{self.name} close")


class Store(Drain[int]):
    """A sink that keeps what it gets."""

    def __init__(self, name: str = "sink", log: Log | None = None, seconds: float = 0.0) -> None:
        self.name, self.log, self.seconds = name, log or Log(), seconds
        self.outputs: list[str] = []
        self.items: list[int] = []

    def write(self, frame: int, /) -> None:
        self.log.at(f"{self.name} write {frame}")
        time.sleep(self.seconds)
        self.items.append(frame)

    def close(self) -> None:
        self.log.closed.append(self.name)
        self.log.at(f"{self.name} close")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.left_by = error
        self.close()


PLACES = [
    *(f"source {n}" for n in range(4)),
    "source end",
    "source close",
    *(f"stage{k} {what}" for k in range(2) for what in ("push 0", "push 2", "flush", "close")),
    *(f"sink{k} {what}" for k in range(2) for what in ("write 0", "write 2", "close")),
]


@settings(max_examples=120, deadline=None)
@given(
    count=st.integers(0, 7),
    stages=st.integers(0, 2),
    sinks=st.integers(1, 2),
    queue_size=st.integers(1, 3),
    faults=st.frozensets(st.sampled_from(PLACES), max_size=3),
    slow=st.sampled_from(["nothing", "stage0", "stage1", "sink0"]),
    stop_at=st.none() | st.integers(0, 6),
)
def test_any_end_closes_everything_once_in_order(count, stages, sinks, queue_size, faults, slow, stop_at):
    log = Log(faults)
    pipelines: list[Pipeline] = []

    def hook(number: int) -> None:
        if number == stop_at:
            pipelines[0].stop()

    def seconds(name: str) -> float:
        return 0.002 if name == slow else 0.0

    source = Numbers(count, log, hook)
    parts = [Delay(f"stage{k}", log, seconds(f"stage{k}")) for k in range(stages)]
    stores = [Store(f"sink{k}", log, seconds(f"sink{k}")) for k in range(sinks)]
    pipelines.append(Pipeline(source, parts, stores, queue_size=queue_size))

    begin = time.monotonic()
    error: FaultError | None = None
    try:
        statistics = pipelines[0].run()
    except FaultError as caught:
        error = caught
    assert time.monotonic() - begin < 2

    assert log.closed == ["source", *(part.name for part in parts), *(store.name for store in stores)]
    for store in stores:
        assert store.items == list(range(len(store.items))), "an item was lost or reordered"
    if log.fired:
        assert error is not None and str(error) in log.fired
    else:
        assert error is None
        assert all(len(store.items) == source.delivered for store in stores)
        assert source.delivered == (count if stop_at is None else min(count, stop_at + 1))
        assert statistics.frames_in == statistics.frames_out == source.delivered
        assert statistics.drops == 0


@settings(max_examples=25, deadline=None)
@given(stop_after=st.floats(0, 0.03), queue_size=st.integers(1, 3))
def test_stop_from_another_thread_finishes_what_is_in_flight(stop_after, queue_size):
    source, sink = Numbers(10**9), Store(seconds=0.0005)
    pipeline = Pipeline(source, [Delay(), Delay()], [sink], queue_size=queue_size)
    timer = threading.Timer(stop_after, pipeline.stop)
    timer.start()
    statistics = pipeline.run()
    timer.join()
    assert sink.items == list(range(source.delivered))
    assert not statistics.interrupted


def test_the_first_error_comes_back_as_it_was_raised_with_the_name_of_its_stage():
    log = Log(frozenset({"fuse push 3"}))
    sink = Store(log=log)
    with pytest.raises(FaultError) as caught:
        Pipeline(Numbers(10**9, log), [NamedStage("fuse", Delay("fuse", log))], [sink]).run()
    assert str(caught.value) == "fuse push 3"
    assert any("'fuse'" in note for note in caught.value.__notes__)
    assert log.closed == ["source", "fuse", "sink"]


def test_every_sink_is_closed_though_the_first_one_fails_to_close():
    log = Log(frozenset({"a close"}))
    with pytest.raises(FaultError, match="a close"):
        Pipeline(Numbers(3, log), [], [Store("a", log), Store("b", log)]).run()
    assert log.closed == ["source", "a", "b"]


def test_keyboard_interrupt_finishes_the_output():
    def interrupt(number: int) -> None:
        if number == 20:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.002)

    source, sink = Numbers(10**9, hook=interrupt), Store()
    statistics = Pipeline(source, [Delay()], [sink]).run()
    assert statistics.interrupted
    assert sink.items == list(range(source.delivered))
    assert source.delivered >= 20


def test_stop_from_a_signal_handler():
    source, sink = Numbers(10**9, hook=lambda _: time.sleep(0.001)), Store()
    pipeline = Pipeline(source, [Delay()], [sink])
    previous = signal.signal(signal.SIGALRM, lambda *_: pipeline.stop())
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        pipeline.run()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert sink.items == list(range(source.delivered))


def test_stop_before_run_reads_nothing():
    log = Log()
    source, sink = Numbers(5, log), Store(log=log)
    pipeline = Pipeline(source, [], [sink])
    pipeline.stop()
    assert pipeline.run().frames_in == 0
    assert log.closed == ["source", "sink"]


class Blocking(Numbers):
    """A live source: after its last frame it waits for more, until it is closed."""

    def __init__(self, count: int, log: Log, *, deaf: bool = False) -> None:
        super().__init__(count, log)
        self.closed_event, self.deaf = threading.Event(), deaf

    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        while not self.closed_event.wait(0.01) or self.deaf:
            pass
        raise OSError("read from a closed camera")

    def close(self) -> None:
        super().close()
        self.closed_event.set()


def test_a_source_that_waits_for_a_frame_is_closed_and_its_frames_are_written():
    log = Log()
    sink = Store(log=log)
    pipeline = Pipeline(Blocking(5, log), [Delay(log=log)], [sink])
    threading.Timer(0.1, pipeline.stop).start()
    begin = time.monotonic()
    pipeline.run()
    assert time.monotonic() - begin < 2
    assert sink.items == [0, 1, 2, 3, 4]
    assert log.closed == ["source", "delay", "sink"]


def test_an_error_ends_a_source_that_waits_for_a_frame():
    log = Log(frozenset({"delay push 1"}))
    begin = time.monotonic()
    with pytest.raises(FaultError):
        Pipeline(Blocking(2, log), [Delay(log=log)], [Store(log=log)]).run()
    assert time.monotonic() - begin < 2
    assert log.closed == ["source", "delay", "sink"]


def test_a_source_that_hangs_is_named_and_what_it_gave_is_written():
    log = Log()
    source, sink = Blocking(3, log, deaf=True), Store(log=log)
    pipeline = Pipeline(source, [Delay(log=log)], [sink], stop_timeout=0.4)
    threading.Timer(0.05, pipeline.stop).start()
    with pytest.raises(StageTimeoutError, match=r"'source' did not return within 0\.4 s"):
        pipeline.run()
    source.deaf = False
    assert sink.items == [0, 1, 2]
    assert log.closed == ["source", "delay", "sink"]


class Hanging(Delay):
    """A stage that does not come back from one push until it is let go."""

    def __init__(self, log: Log) -> None:
        super().__init__("hanging", log)
        self.hangs, self.let_go = threading.Event(), threading.Event()

    def push(self, item: int) -> list[int]:
        if item == 2:
            self.hangs.set()
            self.let_go.wait()
        return super().push(item)


def test_a_stage_that_hangs_after_stop_is_named_and_the_sink_is_closed():
    log = Log()
    stage, sink = Hanging(log), Store(log=log)
    pipeline = Pipeline(Numbers(10**9, log), [stage], [sink], finish_timeout=0.3)
    threading.Timer(0.1, pipeline.stop).start()
    with pytest.raises(StageTimeoutError, match="'Hanging'"):
        pipeline.run()
    stage.let_go.set()
    assert sink.items == [0]
    assert "sink" in log.closed


def test_a_stage_that_hangs_does_not_hide_the_error_of_another():
    log = Log(frozenset({"source 4"}))
    stage = Hanging(log)
    source = Numbers(9, log, hook=lambda number: number < 3 or stage.hangs.wait())  # type: ignore[arg-type]
    with pytest.raises(FaultError, match="source 4") as caught:
        Pipeline(source, [stage], [Store(log=log)], stop_timeout=0.2).run()
    stage.let_go.set()
    assert any("'Hanging' did not return" in note for note in caught.value.__notes__)


def test_an_interrupt_while_the_threads_start_begins_none_of_them_twice(monkeypatch):
    log, starts, really = Log(), [], Worker.start

    def start(worker: Worker) -> None:
        starts.append(worker)
        if len(starts) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        really(worker)

    monkeypatch.setattr(Worker, "start", start)
    statistics = Pipeline(Numbers(10**9, log), [Delay(log=log)], [Store(log=log)]).run()
    assert statistics.interrupted
    assert len(starts) == len(set(starts)) == 3
    assert log.closed == ["source", "delay", "sink"]


def test_a_second_interrupt_gives_up_what_is_in_flight():
    log = Log()
    stage = Hanging(log)
    pipeline = Pipeline(Numbers(10**9, log), [stage], [Store(log=log)], stop_timeout=0.3)

    def interrupt() -> None:
        stage.hangs.wait()
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        pipeline.run()
    stage.let_go.set()
    assert pipeline.statistics.interrupted
    # Not that it is the last: the source may still be at its last number while the stage is given up.
    assert "sink" in log.closed


@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest"])
def test_live_policies_drop_frames_and_keep_their_order(policy):
    sink, all_there = Store(), threading.Event()

    class Ended(Numbers):
        def close(self) -> None:
            all_there.set()

    class Waiting(Delay):
        def push(self, item: int) -> list[int]:
            all_there.wait()
            return super().push(item)

    source = Ended(40)
    statistics = Pipeline(source, [Waiting()], [sink], policy=policy, queue_size=2).run()
    assert statistics.drops > 0
    assert statistics.frames_in == 40 == statistics.frames_out + statistics.drops
    assert sink.items == sorted(set(sink.items))
    # Only dropping the oldest keeps the newest frame; only dropping the newest keeps the first ones.
    assert (sink.items[-1] == 39) == (policy == "drop-oldest")
    assert sink.items[0] == 0 or policy == "drop-oldest"


def test_statistics_tell_where_the_time_goes():
    sink = Store()
    stages = [NamedStage("slow", Delay(seconds=0.004)), Delay()]
    pipeline = Pipeline(Numbers(20), stages, [sink], queue_size=3)  # type: ignore[arg-type]
    statistics = pipeline.run()
    source, slow, quick, sinks = statistics.stages
    assert [stage.name for stage in statistics.stages] == ["source", "slow", "Delay", "sinks"]
    assert statistics.bottleneck == "slow"
    assert (slow.items_in, slow.items_out, sinks.items_in, sinks.items_out) == (20, 20, 20, 20)
    assert slow.busy_seconds >= 20 * 0.004
    assert source.blocked_seconds > 0.02
    assert quick.waiting_seconds > 0.04
    assert slow.queue_peak == 3
    assert statistics.fps == pytest.approx(20 / statistics.elapsed)
    assert statistics.as_dict()["stages"][1]["name"] == "slow"
    assert pipeline.statistics.elapsed == statistics.elapsed, "the clock goes on after the end"


def test_progress_is_reported_while_it_runs():
    seen: list[Statistics] = []
    source = Numbers(60, hook=lambda _: time.sleep(0.01))
    Pipeline(source, [Delay()], [Store()], on_progress=seen.append).run()
    assert len(seen) >= 2
    assert [s.frames_out for s in seen] == sorted(s.frames_out for s in seen)
    assert seen[-1].frames_out == 60


def test_an_error_of_the_progress_display_ends_the_run():
    def fail(_: Statistics) -> None:
        raise FaultError("display")

    log = Log()
    with pytest.raises(FaultError, match="display"):
        Pipeline(Numbers(10**9, log), [], [Store(log=log)], on_progress=fail).run()
    assert log.closed == ["source", "sink"]


def test_wrong_use_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        Pipeline(Numbers(1), [], [], queue_size=0)
    with pytest.raises(UsageError, match="drop-oldest"):
        Pipeline(Numbers(1), [], [], policy="drop")  # type: ignore[arg-type]
    pipeline = Pipeline(Numbers(1), [], [Store()])
    pipeline.run()
    with pytest.raises(UsageError, match="only once"):
        pipeline.run()


def test_sinks_are_told_what_ended_a_run():
    failing, ended, stopped, whole = (Store() for _ in range(4))
    with pytest.raises(FaultError):
        Pipeline(Numbers(4, Log(frozenset({"source 2"}))), [], [failing]).run()
    assert isinstance(failing.left_by, FaultError)
    Pipeline(Numbers(4), [], [ended], whole=True).run()
    for sink, options in ((stopped, {}), (whole, {"whole": True})):
        pipeline = Pipeline(Numbers(4), [], [sink], **options)  # type: ignore[arg-type]
        pipeline.stop()
        pipeline.run()
    assert [hasattr(sink, "left_by") for sink in (ended, stopped)] == [False, False]
    assert isinstance(whole.left_by, KeyboardInterrupt)
