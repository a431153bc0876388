"""The stage runner under every kind of end: end of stream, stop, and errors anywhere; and what it tells of itself."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_parts import NO_STAGE, Delay, FaultError, Log, Numbers, Store, in_order

from streamfuse.errors import UsageError
from streamfuse.runtime.line import Line
from streamfuse.runtime.pipeline import Pipeline
from streamfuse.runtime.statistics import Statistics

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
    pipelines.append(Pipeline(source, in_order(parts), stores, queue_size=queue_size))

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
    pipeline = Pipeline(source, in_order([Delay(), Delay()]), [sink], queue_size=queue_size)
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
        Pipeline(Numbers(10**9, log), Line("fuse", Delay("fuse", log)), [sink]).run()
    assert str(caught.value) == "fuse push 3"
    assert any("'fuse'" in note for note in caught.value.__notes__)
    assert log.closed == ["source", "fuse", "sink"]


def test_every_sink_is_closed_though_the_first_one_fails_to_close():
    log = Log(frozenset({"a close"}))
    with pytest.raises(FaultError, match="a close"):
        Pipeline(Numbers(3, log), NO_STAGE, [Store("a", log), Store("b", log)]).run()
    assert log.closed == ["source", "a", "b"]


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
    statistics = Pipeline(source, Waiting(), [sink], policy=policy, queue_size=2).run()
    assert statistics.drops > 0
    assert statistics.frames_in == 40 == statistics.frames_out + statistics.drops
    assert sink.items == sorted(set(sink.items))
    # Only dropping the oldest keeps the newest frame; only dropping the newest keeps the first ones.
    assert (sink.items[-1] == 39) == (policy == "drop-oldest")
    assert sink.items[0] == 0 or policy == "drop-oldest"


def test_statistics_tell_where_the_time_goes():
    sink = Store()
    line = Line("slow", Delay(seconds=0.004)).then("quick", Delay())
    pipeline = Pipeline(Numbers(20), line, [sink], queue_size=3)
    statistics = pipeline.run()
    source, slow, quick, sinks = statistics.stages
    assert [stage.name for stage in statistics.stages] == ["source", "slow", "quick", "sinks"]
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
    Pipeline(source, Delay(), [Store()], on_progress=seen.append).run()
    assert len(seen) >= 2
    assert [s.frames_out for s in seen] == sorted(s.frames_out for s in seen)
    assert seen[-1].frames_out == 60


def test_an_error_of_the_progress_display_ends_the_run():
    def fail(_: Statistics) -> None:
        raise FaultError("display")

    log = Log()
    with pytest.raises(FaultError, match="display"):
        Pipeline(Numbers(10**9, log), NO_STAGE, [Store(log=log)], on_progress=fail).run()
    assert log.closed == ["source", "sink"]


def test_wrong_use_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        Pipeline(Numbers(1), NO_STAGE, [], queue_size=0)
    with pytest.raises(UsageError, match="drop-oldest"):
        Pipeline(Numbers(1), NO_STAGE, [], policy="drop")  # type: ignore[arg-type]
    pipeline = Pipeline(Numbers(1), NO_STAGE, [Store()])
    pipeline.run()
    with pytest.raises(UsageError, match="only once"):
        pipeline.run()


def test_sinks_are_told_what_ended_a_run():
    failing, ended, stopped, whole = (Store() for _ in range(4))
    with pytest.raises(FaultError):
        Pipeline(Numbers(4, Log(frozenset({"source 2"}))), NO_STAGE, [failing]).run()
    assert isinstance(failing.left_by, FaultError)
    Pipeline(Numbers(4), NO_STAGE, [ended], whole=True).run()
    for sink, options in ((stopped, {}), (whole, {"whole": True})):
        pipeline = Pipeline(Numbers(4), NO_STAGE, [sink], **options)  # type: ignore[arg-type]
        pipeline.stop()
        pipeline.run()
    assert [hasattr(sink, "left_by") for sink in (ended, stopped)] == [False, False]
    assert isinstance(whole.left_by, KeyboardInterrupt)
