"""Ended in mid-run, by the user or by the system: the output plays."""

import json
import signal
import time
from contextlib import contextmanager

import pytest
from runs import pictures_of, start

ENDLESS = "sample:?frames=endless&size=96x64"


@contextmanager
def begun(out, size=8_000):
    """A run that has written something; it never outlives the test."""
    process = start("fuse", ENDLESS, "-o", out, "--preset", "fast", "--json")
    try:
        deadline = time.monotonic() + 60
        while not (out.exists() and out.stat().st_size >= size):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_finishes_the_output(tmp_path, number):
    out = tmp_path / "o.mkv"
    with begun(out) as process:
        process.send_signal(number)
        printed, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    summary = json.loads(printed)
    assert summary["interrupted"]
    assert len(pictures_of(out)) == summary["frames_out"] > 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["o.mkv", "o.mp4"])
def test_a_killed_run_leaves_a_file_that_plays(tmp_path, name):
    with begun(tmp_path / name) as process:
        process.kill()
    assert len(pictures_of(tmp_path / name)) > 0


def test_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path):
    from streamfuse.config import Config
    from streamfuse.run import FileFusion

    # the second frame comes after ten seconds: one frame alone cannot be fused
    fusion = FileFusion(["sim:?rate=1/10&size=96x64"], str(tmp_path / "o.mkv"), Config())

    def stop(*_):
        if fusion._pipeline.statistics.frames_in == 1:
            fusion.stop()

    fusion._pipeline._on_progress = stop
    summary = fusion.run()
    assert summary.interrupted
    assert (summary.frames_in, summary.frames_out, summary.outputs) == (1, 0, ())
    assert list(tmp_path.iterdir()) == []
