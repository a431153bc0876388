"""Watching a stream: `streamfuse subscribe`."""

from __future__ import annotations

import json
import threading
import time

import pytest
from click.testing import CliRunner
from wire_frames import fused_frame, publish, same_pixels, stream_info

import streamfuse
from streamfuse.cli.app import main
from streamfuse.errors import StreamTimeoutError
from streamfuse.runtime.sinks import open_sink
from streamfuse.runtime.watch import watch


@pytest.fixture
def sink():
    with open_sink("zmq+pub://:*", stream_info()) as opened:
        yield opened


def test_the_command_warns_of_a_plain_public_address():
    words = ["subscribe", "pull+bind:tcp://*:*", "--duration", "0.1", "--timeout", "0.1"]
    assert "Warning: tcp://*:* can be reached" in CliRunner().invoke(main, words).stderr
    assert "Warning" not in CliRunner().invoke(main, [*words, "--quiet"]).stderr


def test_it_watches_for_so_long_and_reports_though_no_frame_comes():
    with open_sink("zmq+pub://:*?heartbeat=0.1", stream_info()) as alive:
        began = time.monotonic()
        reports = list(watch(streamfuse.subscribe(alive.outputs[0], timeout=10), seconds=1.5))
        assert 1.4 < time.monotonic() - began < 5
        assert [report.frames for report in reports] == [0, 0]


@pytest.mark.slow
def test_rates_begin_with_the_first_frame(sink):
    frames = streamfuse.subscribe(sink.outputs[0], timeout=10, max_age=None)

    def later():
        sink.wait_for_subscribers(1, 5)
        time.sleep(2)
        publish(sink, 21, pause=0.05).join()

    thread = threading.Thread(target=later)
    thread.start()
    *_, total = watch(frames)
    thread.join()
    assert total.frames == 21
    assert 12 < total.fps <= 21  # 20 a second at most, and 7 if the wait counted
    assert total.megabytes_per_second > 0


def test_silence_is_an_error_also_while_it_reports(tmp_path):
    reports = watch(streamfuse.subscribe(f"ipc://{tmp_path}/nobody", timeout=1.5))
    with pytest.raises(StreamTimeoutError):
        list(reports)


def test_the_command_reports_and_records(sink, tmp_path):
    def later():
        sink.wait_for_subscribers(1, 20)
        publish(sink, 20, pause=0.02).join()

    thread = threading.Thread(target=later)
    thread.start()
    output = tmp_path / "recorded.mkv"
    done = CliRunner().invoke(
        main, ["subscribe", sink.outputs[0], "--record", str(output), "--codec", "ffv1", "--json"]
    )
    thread.join()
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["frames"], report["lost"], report["refused"]) == (20, 0, 0)
    with streamfuse.open_source(output) as source:
        assert all(same_pixels(frame, fused_frame(number)) for number, frame in enumerate(source))
