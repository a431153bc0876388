"""An output that raises, hangs or is slow harms nobody, and says what is wrong with it."""

import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from live_parts import Sink, Told, wait_for

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import FusedFrame
from streamfuse.core.reports import SinkReport
from streamfuse.errors import EncoderError, OutputError, UsageError
from streamfuse.runtime.live import outputs
from streamfuse.runtime.live.outputs import Guard, GuardedOutput


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(outputs, "_FIRST_PAUSE", 0.02)


def frame(number, width=8):
    return FusedFrame(
        (np.zeros((6, width), np.uint8),), 8, (1, 1), ColorInfo(), number, Fraction(1, 90000), number
    )


def guarded(opener, told=None, name="out", **guard):
    return GuardedOutput(name, opener, Guard(**guard), told or Told())


def offer(output, numbers):
    for number in numbers:
        output.offer(frame(number))


def close(output, timeout=5.0):
    output.begin_close()
    output.finish_close(timeout)


def test_frames_arrive_in_order_and_the_end_is_orderly():
    sink = Sink()
    output = guarded(lambda frame, attempt: sink, queue=100)
    offer(output, range(50))
    close(output)
    assert [f.index for f in sink.frames] == list(range(50))
    assert (sink.closed, output.status.state, output.status.frames) == (1, "closed", 50)
    assert output.outputs == ["kept"]


def test_a_slow_output_loses_the_oldest_frames_and_delays_nobody():
    slow, quick = Sink(before=lambda _: time.sleep(0.05)), Sink()
    outputs = [guarded(lambda f, n: slow, queue=2), guarded(lambda f, n: quick, queue=100)]
    began = time.monotonic()
    for number in range(40):
        for output in outputs:
            output.offer(frame(number))
    assert time.monotonic() - began < 1.0  # 40 writes of the slow one take 2 s
    for output in outputs:
        close(output)
    assert len(quick.frames) == 40
    assert slow.frames[-1].index == 39
    status = outputs[0].status
    assert status.frames + status.dropped == 40
    assert status.dropped > 20


def test_an_output_that_raises_is_opened_again_and_says_so():
    told, sinks = Told(), []

    def fail_twice(frame, attempt):
        def before(_):
            if len(sinks) < 3:
                raise OutputError("rtsp://me:secret@10.0.0.5/cam has hung up.")

        sinks.append(Sink(before))
        return sinks[-1]

    output = guarded(fail_twice, told, name="rtsp://me:secret@10.0.0.5/cam", queue=4)
    assert wait_for(lambda: output.offer(frame(0)) or output.status.frames > 0)
    close(output)
    status = output.status
    assert (status.state, status.restarts, len(sinks)) == ("closed", 2, 3)
    assert all(sink.closed == 1 for sink in sinks)
    assert "has hung up" in told.sentences[0]
    assert "next attempt" in told.sentences[0]
    assert told.sentences[-1] == "rtsp://***@10.0.0.5/cam is running again."
    assert "secret" not in " ".join(told.sentences) + status.name + status.error


@pytest.mark.parametrize("error", [UsageError("No."), EncoderError("No.")])
def test_what_can_never_work_is_given_up_at_once(error):
    attempts = []

    def opener(frame, attempt):
        attempts.append(attempt)
        raise error

    output = guarded(opener)
    output.offer(frame(0))
    assert wait_for(lambda: output.status.state == "failed")
    offer(output, range(5))
    close(output)
    assert (attempts, output.status.state, output.status.error) == ([0], "failed", "No")


def test_an_output_that_shall_not_be_restarted_is_given_up_at_its_first_failure():
    def opener(frame, attempt):
        raise OutputError("The disk is full.")

    output = guarded(opener, restart=False)
    output.offer(frame(0))
    assert wait_for(lambda: output.status.state == "failed")
    close(output)


def test_pauses_between_attempts_double_up_to_the_longest():
    told = Told()

    def opener(frame, attempt):
        raise OutputError("Nobody there.")

    output = guarded(opener, told, queue=1, longest_pause=0.08)
    assert wait_for(lambda: output.offer(frame(0)) or len(told.sentences) >= 4)
    assert output.status.state == "waiting"
    close(output)


def test_an_output_that_hangs_is_left_behind_and_replaced():
    stuck, sinks, told = threading.Event(), [], Told()

    def opener(frame, attempt):
        sinks.append(Sink(before=(lambda _: stuck.wait(20)) if not sinks else (lambda _: None)))
        return sinks[-1]

    output = guarded(opener, told, hang_seconds=0.1)

    def alive():
        output.offer(frame(1))
        output.check()
        return len(sinks) == 2 and sinks[1].frames

    assert wait_for(alive)
    assert "did not return within 0.1 s" in told.sentences[0]
    close(output)
    assert output.status.state == "closed"
    frames = output.status.frames
    stuck.set()  # what hung comes back: it is closed, and counts no more
    assert wait_for(lambda: sinks[0].closed == 1)
    assert output.status.frames == frames


def test_an_output_that_hangs_again_and_again_is_given_up():
    stuck = threading.Event()
    output = guarded(lambda f, n: Sink(before=lambda _: stuck.wait(20)), hang_seconds=0.05, hangs=2)
    assert wait_for(lambda: output.offer(frame(0)) or output.check() or output.status.state == "failed")
    close(output)
    stuck.set()


def test_a_close_that_hangs_is_left_behind_in_time():
    stuck, told = threading.Event(), Told()
    output = guarded(lambda f, n: Sink(on_close=lambda: stuck.wait(20)), told)
    output.offer(frame(0))
    assert wait_for(lambda: output.status.frames == 1)
    began = time.monotonic()
    close(output, timeout=0.2)
    assert time.monotonic() - began < 3
    assert output.status.state == "failed"
    assert "did not close within 0.2 s and was left behind" in told.sentences[-1]
    stuck.set()


def test_closing_ends_a_pause():
    def opener(frame, attempt):
        raise OutputError("Nobody there.")

    output = guarded(opener, longest_pause=60.0)
    outputs._FIRST_PAUSE = 60.0
    output.offer(frame(0))
    assert wait_for(lambda: output.status.error)
    began = time.monotonic()
    close(output)
    assert time.monotonic() - began < 3
    assert output.status.state == "closed"


def test_frames_of_another_size_open_it_again():
    sinks = []
    output = guarded(lambda f, n: sinks.append(Sink()) or sinks[-1], queue=10)
    for number, width in enumerate((8, 8, 10, 10, 10)):
        output.offer(frame(number, width))
    close(output)
    assert [len(sink.frames) for sink in sinks] == [2, 3]
    assert [sink.closed for sink in sinks] == [1, 1]


def test_a_failing_close_is_told():
    def on_close():
        raise OutputError("The disk is full.")

    output = guarded(lambda f, n: Sink(on_close=on_close))
    output.offer(frame(0))
    assert wait_for(lambda: output.status.frames == 1)
    close(output)
    assert (output.status.state, output.status.error) == ("failed", "The disk is full")


def test_a_sink_that_has_reached_nobody_yet_does_not_run():
    class Unready(Sink):
        ready = False

        def report(self):
            return SinkReport(ready=self.ready)

    sink = Unready()
    output = guarded(lambda f, n: sink)
    output.offer(frame(0))
    assert wait_for(lambda: len(sink.frames) == 1)
    assert (output.status.state, output.status.frames) == ("waiting", 0)
    Unready.ready = True
    output.offer(frame(1))
    assert wait_for(lambda: output.status.state == "running")
    close(output)
