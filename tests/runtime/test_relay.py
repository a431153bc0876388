"""Runs between programs: a live source may lose frames where nobody has to get them, recordings begin at 0."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress

import av
import pytest
from runs import streamfuse as command
from wire_frames import fused_frame, stream_info

import streamfuse
from streamfuse.config import Config
from streamfuse.core.protocols import Sink
from streamfuse.errors import StreamTimeoutError, UsageError
from streamfuse.runtime import job
from streamfuse.runtime import relay as relays
from streamfuse.runtime.statistics import Statistics
from streamfuse.zmq.zmq_sink import open_publisher

AGE = 3_000_000  # frames that were published before


def policy(monkeypatch, inputs, endpoints, run=relays.capture_publish, **options):
    """What happens to frames that come too fast in that run."""
    found = []

    class Recorded(job.Pipeline):
        def __init__(self, *args, **options):
            found.append(options["policy"])
            super().__init__(*args, **options)

    monkeypatch.setattr(job, "Pipeline", Recorded)
    relay = run(inputs, endpoints, **options)
    relay.stop()
    relay.run()
    return found[0]


PUB, PUSH = "pub:ipc://{}/out", "push:ipc://{}/out?wait=0.1"


@pytest.mark.parametrize(
    ("source", "endpoint", "expected"),
    [
        ("sim:?size=64x48", PUB, "drop-oldest"),
        ("sim:?size=64x48", PUSH, "wait"),
        ("simcam:?size=64x48&latency=1&mixed=off", PUB, "drop-oldest"),
        ("simcam:?size=64x48&latency=1&mixed=off", PUSH, "wait"),
        ("sample:?size=64x48&frames=4", PUB, "wait"),
    ],
)
def test_what_is_live_may_drop(monkeypatch, tmp_path, source, endpoint, expected):
    assert policy(monkeypatch, [source], [endpoint.format(tmp_path)]) == expected


def test_a_camera_is_fused_and_published(monkeypatch, tmp_path):
    source, endpoint = "simcam:?size=64x48&latency=1&mixed=off", f"pub:ipc://{tmp_path}/out"
    config = Config().with_overrides(fuser="mertens")
    run = relays.publish
    assert policy(monkeypatch, [source], [endpoint], run, config=config) == "drop-oldest"


def test_a_stream_that_is_subscribed_to_may_drop_and_one_that_is_pulled_not(monkeypatch, tmp_path):
    for kind, other, expected in (("sub", "pub", "drop-oldest"), ("pull", "push", "wait")):
        address = f"ipc://{tmp_path}/{kind}"
        stopped = threading.Event()

        def publish(address=f"{other}:{address}?wait=1", stopped=stopped):
            with open_publisher(address, stream_info()) as sink:
                number = 0
                while not stopped.wait(0.02):
                    with suppress(StreamTimeoutError):  # nobody is there yet, or any more
                        sink.write(fused_frame(number))
                    number += 1

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            found = policy(monkeypatch, [f"{kind}:{address}"], [f"pub:ipc://{tmp_path}/out-{kind}"])
        finally:
            stopped.set()
            thread.join()
        assert found == expected


def test_a_camera_has_no_frames_to_choose_from(tmp_path):
    with pytest.raises(UsageError, match="no sidecar"):
        relays.capture_publish(["simcam:"], [f"pub:ipc://{tmp_path}/out"], sidecar=tmp_path / "a.csv")


def stamps(path):
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(video=0)]


class Publishing:
    """A publisher that has run for a day."""

    def __init__(self, address):
        self._address = address
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        with open_publisher(self._address, stream_info()) as sink:
            if sink.live:
                sink.wait_for_subscribers(1, 20)
            for number in range(20):
                sink.write(fused_frame(AGE + number))
                time.sleep(0.01)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._thread.join(30)


@pytest.mark.parametrize("words", [["record", "-o"], ["subscribe", "--record"]])
@pytest.mark.parametrize("kind", ["sub", "pull"])
def test_a_recording_of_a_stream_that_has_run_for_a_day_begins_at_zero(tmp_path, words, kind):
    address = f"ipc://{tmp_path}/frames"
    with Publishing(f"{'pub' if kind == 'sub' else 'push'}:{address}"):
        done = command(words[0], f"{kind}:{address}", words[1], tmp_path / "out.mkv", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == [str(tmp_path / "out.mkv")]
    found = stamps(tmp_path / "out.mkv")
    assert found[0] == 0
    assert found == pytest.approx([n / 30 for n in range(len(found))], abs=0.02)


def test_a_sink_that_was_opened_without_a_source_begins_at_zero(tmp_path):
    with streamfuse.open_sink(tmp_path / "out.mp4") as sink:
        for number in range(10):
            sink.write(fused_frame(AGE + number))
    assert stamps(tmp_path / "out.mp4")[0] == 0


@pytest.mark.slow
def test_a_stream_that_is_fused_into_a_file_begins_at_zero(tmp_path):
    address = f"ipc://{tmp_path}/frames"
    source = "sim:?size=64x48&frames=150"
    publisher = threading.Thread(target=lambda: relays.capture_publish([source], [f"push:{address}"]).run())
    publisher.start()
    time.sleep(1)
    done = command(
        "fuse", f"pull:{address}", "-o", tmp_path / "out.mkv", "--preset", "fast", "--fuser", "mertens"
    )
    publisher.join(60)
    assert done.exit_code == 0, done.stderr
    assert stamps(tmp_path / "out.mkv")[0] == 0


class Slow(Sink):
    """Takes a tenth of a second for each frame, and keeps how old they are."""

    def __init__(self):
        self.outputs = []
        self.ages = []

    def write(self, frame):
        time.sleep(0.1)
        self.ages.append(time.monotonic() - frame.captured_at)

    def close(self):
        """Nothing is open."""


@pytest.mark.slow
def test_what_is_live_stays_young_where_fusion_is_too_slow():
    slow = Slow()
    source = streamfuse.open_source("sim:?size=64x48&rate=60&frames=480")
    config = Config().with_overrides(fuser="mertens", align="off")
    run = job.FusionJob.opened(source, config, lambda info: [slow], policy="drop-oldest")
    done = run.run()
    assert done.frames_in == 480
    assert done.drops > 200
    assert done.frames_out + done.drops + 2 >= 480 - 48  # what came before the order was known may be late
    assert max(slow.ages[len(slow.ages) // 2 :]) < 2.5
    assert run.chain.front.pairer.repaired_pairs < 10  # of hundreds: a busy machine hangs at times


def progress(elapsed, frames_in, drops):
    return Statistics(frames_in, frames_in - drops, drops, elapsed, False, ())


def test_frames_that_are_left_out_all_the_time_are_told_once(caplog):
    told = relays._Lateness()
    for second in range(40):
        told(progress(float(second), 30 * second, 20 if second < 12 else 20 * second))
    (record,) = caplog.records
    assert "too slow" in record.getMessage()
    assert record.event == "late"


def test_frames_that_are_left_out_once_are_not_told(caplog):
    told = relays._Lateness()
    for second in range(40):
        told(progress(float(second), 30 * second, min(15 * second, 20)))
    assert not caplog.records
