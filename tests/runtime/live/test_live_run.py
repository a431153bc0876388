"""A whole live run in one process: figures, outputs, views, recordings, failures."""

import threading
import time
from itertools import pairwise

import av
import numpy as np
import pytest
from burning import Costs
from live_parts import Camera, Sink, Told, config, wait_for

from streamfuse.errors import CameraError, OutputError, UsageError
from streamfuse.fusion.stage import BlendStage
from streamfuse.runtime.live import lanes, targets
from streamfuse.runtime.live.live_config import OutputSpec
from streamfuse.runtime.live.live_run import LiveRun
from streamfuse.synthetic import stamp
from streamfuse.synthetic.sample_source import open_sample


@pytest.fixture
def sinks(monkeypatch):
    """`null:` and `null:2` open these."""
    kept = {}
    monkeypatch.setattr(targets, "check_target", lambda to: None)
    monkeypatch.setattr(targets, "open_sink", lambda to, info, **options: kept[to])
    return kept


@pytest.fixture(autouse=True)
def background_runs():
    """Ends what a test that failed has left running: torch does not survive the end of Python in another thread."""
    yield
    while RUNNING:
        run, thread = RUNNING.pop()
        run.stop()
        thread.join(40)
        assert not thread.is_alive()


RUNNING = []


def background(run, **options):
    """Run in a thread; gives it and where its summary will be."""
    result = []
    thread = threading.Thread(target=lambda: result.append(run.run(**options)), daemon=True)
    thread.start()
    RUNNING.append((run, thread))
    return thread, result


def test_a_run_to_the_end_of_the_camera(tmp_path):
    camera = Camera(60)
    summary = LiveRun(camera, config(tmp_path / "out.mkv")).run()
    status = summary.status
    assert status.frames_in == 60
    assert status.frames_out + status.dropped + status.discarded == 60
    assert (status.state, status.cycle, status.order) == ("stopped", 2, ("under", "over"))
    assert (status.width, status.height, status.preset, status.fuser) == (96, 64, "fast", "mertens")
    assert status.exposures == ((500.0, 1.0), (4000.0, 1.0))
    assert 0 < status.age_ms[0] <= status.age_ms[1] <= status.age_ms[2]
    assert camera.closed >= 1
    assert summary.files == (str(tmp_path / "out.mkv"),)
    with av.open(str(tmp_path / "out.mkv")) as film:
        stamps = [frame.pts for frame in film.decode(video=0)]
    assert len(stamps) == status.outputs[0].frames == status.frames_out
    assert stamps[0] == 0
    assert stamps == sorted(set(stamps))
    assert {"seconds", "interrupted", "files", "warnings", "age_ms"} <= set(summary.as_dict())


def test_labels_are_the_cameras(sinks):
    sinks["null:"] = Sink()
    camera = Camera(60)
    LiveRun(camera, config("null:")).run()
    frames = sinks["null:"].frames
    assert len(frames) > 10
    assert all(frame.stats["rank"] == frame.index % 2 for frame in frames)


@pytest.mark.slow
def test_age_is_what_the_burnt_in_time_says(sinks):
    moments = []
    sinks["null:"] = Sink(before=lambda frame: moments.append(time.monotonic()))
    run = LiveRun(open_sample("sim:?size=160x90&rate=10&frames=60&stamp=on"), config("null:"))
    summary = run.run()
    burnt, booked = [], []
    for frame, moment in zip(sinks["null:"].frames, moments, strict=True):
        found = stamp.read(frame.luma, frame.bits, frame.color)
        if found is not None:
            assert found.rank == frame.stats["rank"]
            burnt.append(stamp.age_ms(found, moment))
            booked.append((moment - frame.captured_at) * 1e3)
    assert len(burnt) > 10
    assert np.abs(np.subtract(burnt, booked)).max() < 2  # one and the same picture
    assert abs(np.median(burnt) - summary.status.age_ms[0]) < 100  # a frame's period


def test_a_slow_and_a_failing_output_leave_the_others_alone(sinks):
    def fail(frame):
        raise OutputError("It is broken.")

    sinks |= {"slow": Sink(before=lambda f: time.sleep(0.2)), "bad": Sink(before=fail), "good": Sink()}
    specs = [OutputSpec(to=name, queue=2 if name == "slow" else 64, restart=name != "bad") for name in sinks]
    summary = LiveRun(Camera(60), config(*specs)).run()
    by_name = {output.name: output for output in summary.status.outputs}
    assert by_name["good"].frames == summary.status.frames_out
    assert by_name["slow"].dropped > 0
    assert by_name["bad"].state == "failed"
    assert summary.warnings == ("bad: It is broken.",)


def test_a_camera_that_is_pulled_out_ends_the_run_with_its_words_and_a_film(tmp_path):
    def pulled_out(number):
        if number == 50:
            raise CameraError("The camera /dev/video0 was unplugged.")

    run = LiveRun(Camera(60, before=pulled_out), config(tmp_path / "out.mkv"))
    with pytest.raises(CameraError, match="/dev/video0 was unplugged"):
        run.run()
    with av.open(str(tmp_path / "out.mkv")) as film:
        assert sum(1 for _ in film.decode(video=0)) > 10


def test_a_camera_that_comes_back_is_taken_up_afresh(sinks):
    sinks["null:"] = Sink()

    def lost(number):
        if number == 51:  # the order of exposures is broken here
            camera.status.reconnects = 1

    camera = Camera(100, before=lost)
    summary = LiveRun(camera, config("null:")).run()
    assert summary.status.reconnects == 1
    assert all(frame.stats["rank"] == frame.index % 2 for frame in sinks["null:"].frames)
    assert max(frame.index for frame in sinks["null:"].frames) > 75


def failing_blends(monkeypatch, fails):
    """Have blending raise where `fails` says so of a frame's number."""

    class Failing(BlendStage):
        def push(self, item):
            if fails(item.aligned.bracket.reference.index):
                raise RuntimeError("out of memory")
            yield from super().push(item)

    monkeypatch.setattr(lanes, "BlendStage", Failing)


def test_fusion_that_fails_begins_again(sinks, monkeypatch):
    sinks["null:"] = Sink()
    failures = []
    failing_blends(monkeypatch, lambda index: index > 45 and not failures and not failures.append(index))
    summary = LiveRun(Camera(90), config("null:")).run()
    assert failures
    assert max(frame.index for frame in sinks["null:"].frames) > failures[0] + 20
    assert any("Fusion failed and begins again: out of memory" in warning for warning in summary.warnings)


@pytest.mark.slow
def test_fusion_that_always_fails_ends_the_run(sinks, monkeypatch):
    sinks["null:"] = Sink()
    failing_blends(monkeypatch, lambda index: index > 20)  # what is timed before the run is made of fewer
    with pytest.raises(RuntimeError, match="out of memory"):
        LiveRun(Camera(400), config("null:")).run(duration=60)


def test_views_are_there_for_whoever_asks():
    run = LiveRun(Camera(1000, rate=10), config())
    thread, result = background(run)
    try:
        number = -1
        pictures = {}
        for view in ("fused", "under", "over", "weights"):
            found = run.picture(view, after=number, timeout=20)
            assert found is not None
            assert found[0] > number
            number, pictures[view] = found
            assert pictures[view].shape == (64, 96, 3)
            assert pictures[view].dtype == np.uint8
        assert pictures["under"].mean() < pictures["fused"].mean() < pictures["over"].mean()
        assert run.picture("fused", after=10**9, timeout=0.05) is None
    finally:
        run.stop()
        thread.join(20)
    assert result[0].status.state == "stopped"


def test_recording_by_request(tmp_path):
    run = LiveRun(Camera(1000, rate=20), config(record_dir=tmp_path))
    thread, _ = background(run)
    try:
        assert wait_for(lambda: run.status().state == "running")
        with pytest.raises(UsageError, match="Nothing is being recorded"):
            run.stop_recording()
        name = run.start_recording()
        assert run.status().recording == name
        with pytest.raises(UsageError, match="is being recorded already"):
            run.start_recording()
        assert wait_for(lambda: run.status().outputs[-1].frames >= 5)
        assert run.stop_recording() == name
        assert run.status().recording is None
        other = run.start_recording()
        assert other != name
        assert wait_for(lambda: run.status().outputs[-1].frames >= 2)
    finally:
        run.stop()
        thread.join(20)
    for file in (name, other):  # the second one was finished by the end of the run
        with av.open(file) as film:
            stamps = [frame.pts for frame in film.decode(video=0)]
        assert stamps[0] == 0
        assert len(stamps) >= 2


def test_nothing_is_recorded_without_a_folder():
    run = LiveRun(Camera(10), config())
    with pytest.raises(UsageError, match="--record-dir"):
        run.start_recording()
    run.close()


def test_exposures_are_for_the_camera_to_set():
    camera = Camera(10)
    run = LiveRun(camera, config())
    with pytest.raises(UsageError, match="cannot be set from here"):
        run.set_exposures("auto")
    run.close()
    calls = []

    class Driven(Camera):
        def set_exposures(self, *arguments):
            calls.append(arguments)

    driven = LiveRun(Driven(10), config())
    driven.set_exposures("manual", -1.0, 3.0)
    assert calls == [("manual", -1.0, 3.0)]
    driven.close()
    assert camera.closed


def numbers_are_in_order(frames):
    numbers = [frame.index for frame in frames]
    return numbers == sorted(set(numbers)) and all(frame.stats["rank"] == frame.index % 2 for frame in frames)


@pytest.mark.alone
@pytest.mark.slow
def test_a_run_begins_with_what_the_machine_holds_and_loses_nothing(sinks, monkeypatch):
    sinks["null:"] = Sink()
    Costs(fast=0.002, balanced=0.15, best=0.4).install(monkeypatch)
    told = Told()
    summary = LiveRun(Camera(140, rate=20), config("null:", preset="auto"), events=told).run()
    status = summary.status
    assert (status.preset, status.fuser) == ("fast", "mertens of fast")
    assert status.dropped <= 4  # by what else the machine does; a preset that does not hold loses most
    assert status.frames_out + status.dropped + status.discarded == 140
    assert numbers_are_in_order(sinks["null:"].frames)
    assert not [text for text in told.sentences if " holds " in text]


@pytest.mark.alone
@pytest.mark.slow
def test_a_machine_with_time_to_spare_begins_with_the_best(sinks, monkeypatch):
    sinks["null:"] = Sink()
    Costs().install(monkeypatch)
    summary = LiveRun(Camera(80, rate=10), config("null:", preset="auto")).run()
    assert (summary.status.preset, summary.status.fuser) == ("best", "mertens of best")


@pytest.mark.alone
@pytest.mark.slow
def test_a_preset_that_gets_too_slow_is_left_within_a_second_and_the_one_after_it_holds(sinks, monkeypatch):
    """What makes it slow is work, and goes on in frames that are on their way when the choice is made."""
    sinks["null:"] = Sink()
    costs = Costs(fast=0.001, balanced=0.01, best=0.015).install(monkeypatch)
    told = Told()
    run = LiveRun(Camera(10_000, rate=15), config("null:", preset="auto"), events=told)
    thread, _ = background(run)
    assert wait_for(lambda: run.status().state == "running")
    assert run.status().preset == "best"
    costs["best"] = 0.4
    assert wait_for(lambda: any("The preset best holds" in text for text in told.sentences), 30)
    began = time.monotonic()
    assert wait_for(lambda: run.status().preset != "best", 10)
    assert time.monotonic() - began < 3  # two frames of 0.4 s are being worked on in the worst case
    chosen = run.status().preset
    time.sleep(2.5)  # what waited is worked off
    dropped, frames = run.status().dropped, len(sinks["null:"].frames)
    assert wait_for(lambda: len(sinks["null:"].frames) > frames + 60)
    assert run.status().dropped - dropped <= 4
    rung = "coarse" if run.status().coarse else chosen
    assert run.status().fuser == f"mertens of {rung}"
    run.stop()
    thread.join(20)
    assert numbers_are_in_order(sinks["null:"].frames)
    assert [text.split(" holds")[0] for text in told.sentences if " holds " in text] == ["The preset best"]
    assert costs.loaded == ["best", "balanced", "fast", "coarse"]  # once


@pytest.mark.alone
@pytest.mark.slow
def test_when_nothing_holds_an_even_half_of_the_frames_is_fused(sinks, monkeypatch):
    sinks["null:"] = Sink()
    costs = Costs(fast=0.001, balanced=0.2, best=0.4).install(monkeypatch)
    told = Told()
    run = LiveRun(Camera(10_000, rate=20), config("null:", preset="auto"), events=told)
    thread, _ = background(run)
    assert wait_for(lambda: run.status().state == "running")
    costs |= {"fast": 0.065, "coarse": 0.065}  # 15 of 20 frames a second
    assert wait_for(lambda: any("one frame of each bracket" in text for text in told.sentences), 30)
    time.sleep(2.5)
    seen = len(sinks["null:"].frames)
    assert wait_for(lambda: len(sinks["null:"].frames) > seen + 20)
    frames = sinks["null:"].frames[seen:]
    assert {frame.stats["rank"] for frame in frames} == {0.0}
    steps = [later.index - earlier.index for earlier, later in pairwise(frames)]
    assert steps.count(2) >= 0.8 * len(steps)  # even, but for what other work on the machine costs
    costs |= {"fast": 0.001, "coarse": 0.001}
    assert wait_for(lambda: any("going on with every frame" in text for text in told.sentences), 30)
    run.stop()
    thread.join(20)
    assert numbers_are_in_order(sinks["null:"].frames)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_a_frame_waits_for_as_many_as_it_looks_ahead(sinks, lookahead):
    """The camera gives its next frame when the last one that is due is fused: with more look-ahead none would come."""
    sink = sinks["null:"] = Sink()
    behind = []

    def before(number):
        if number > 70:
            assert wait_for(lambda: bool(sink.frames) and sink.frames[-1].index >= number - 1 - lookahead)
            behind.append(number - 1 - sink.frames[-1].index)

    summary = LiveRun(Camera(90, before=before), config("null:", lookahead=lookahead)).run()
    assert summary.status.delay_frames == lookahead
    assert behind == [lookahead] * 19


def test_reload_exchanges_outputs_and_keeps_the_rest(sinks):
    sinks |= {"one": Sink(), "two": Sink(), "three": Sink()}
    told = Told()
    run = LiveRun(Camera(10_000, rate=20), config("one", "two"), events=told)
    thread, _ = background(run)
    assert wait_for(lambda: len(sinks["two"].frames) > 2)
    run.reload(config("two", "three", preset="best", fps=5))
    assert sinks["one"].closed == 1
    assert sinks["two"].closed == 0
    assert wait_for(lambda: len(sinks["three"].frames) > 2)
    assert wait_for(lambda: run.status().preset == "best")
    assert "live.fps changed and needs a restart: the old value stays." in told.sentences
    run.stop()
    thread.join(20)
    assert [sink.closed for sink in sinks.values()] == [1, 1, 1]


def test_an_output_that_hangs_at_the_end_does_not_hold_the_run(sinks, monkeypatch):
    from streamfuse.runtime.live import output_set

    monkeypatch.setattr(output_set, "_CLOSE_SECONDS", 0.5)
    stuck = threading.Event()
    sinks |= {"good": Sink(), "stuck": Sink(on_close=lambda: stuck.wait(60))}
    began = time.monotonic()
    summary = LiveRun(Camera(40), config("stuck", "good")).run()
    assert time.monotonic() - began < 25
    stuck.set()
    assert sinks["good"].closed == 1
    assert any("stuck: it did not close within" in warning for warning in summary.warnings)
