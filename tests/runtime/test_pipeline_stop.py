"""The stage runner when it is stopped or interrupted, while a source waits or a stage hangs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from pipeline_parts import NO_STAGE, Delay, FaultError, Log, Numbers, Store

from streamfuse.errors import StageTimeoutError
from streamfuse.runtime.pipeline import Pipeline
from streamfuse.runtime.workers import Worker


def test_keyboard_interrupt_finishes_the_output():
    def interrupt(number: int) -> None:
        if number == 20:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.002)

    source, sink = Numbers(10**9, hook=interrupt), Store()
    statistics = Pipeline(source, Delay(), [sink]).run()
    assert statistics.interrupted
    assert sink.items == list(range(source.delivered))
    assert source.delivered >= 20


def test_stop_from_a_signal_handler():
    source, sink = Numbers(10**9, hook=lambda _: time.sleep(0.001)), Store()
    pipeline = Pipeline(source, Delay(), [sink])
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
    pipeline = Pipeline(source, NO_STAGE, [sink])
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
    pipeline = Pipeline(Blocking(5, log), Delay(log=log), [sink])
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
        Pipeline(Blocking(2, log), Delay(log=log), [Store(log=log)]).run()
    assert time.monotonic() - begin < 2
    assert log.closed == ["source", "delay", "sink"]


def test_a_source_that_hangs_is_named_and_what_it_gave_is_written():
    log = Log()
    source, sink = Blocking(3, log, deaf=True), Store(log=log)
    pipeline = Pipeline(source, Delay(log=log), [sink], stop_timeout=0.4)
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
    pipeline = Pipeline(Numbers(10**9, log), stage, [sink], finish_timeout=0.3)
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
        Pipeline(source, stage, [Store(log=log)], stop_timeout=0.2).run()
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
    statistics = Pipeline(Numbers(10**9, log), Delay(log=log), [Store(log=log)]).run()
    assert statistics.interrupted
    assert len(starts) == len(set(starts)) == 3
    assert log.closed == ["source", "delay", "sink"]


def test_a_second_interrupt_gives_up_what_is_in_flight():
    log = Log()
    stage = Hanging(log)
    pipeline = Pipeline(Numbers(10**9, log), stage, [Store(log=log)], stop_timeout=0.3)

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
