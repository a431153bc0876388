"""Ended in mid-run, by the user or by the system: the output plays."""

import json
import signal
import time
from contextlib import contextmanager

import numpy as np
import pytest
from runs import pictures_of, start, streamfuse, write_video

from streamfuse.synthetic.sample_source import open_sample

PLANES = (((64, 96), 16), ((32, 48), 128), ((32, 48), 128))
ENDLESS = "sample:?frames=endless&size=96x64"


def slow(value):
    """A case of what another one shows in the quick tests; each starts a process."""
    return pytest.param(value, marks=pytest.mark.slow)


@contextmanager
def begun(out, size=8_000, written=None):
    """A run that has written something, to `written` if that is not `out`; it never outlives the test."""
    process = start("fuse", ENDLESS, "-o", out, "--preset", "fast", "--json", "--overwrite")
    written = written or out
    try:
        deadline = time.monotonic() + 60
        while not (written.exists() and written.stat().st_size >= size):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, slow(signal.SIGTERM), slow(signal.SIGHUP)])
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


@pytest.mark.parametrize("name", ["o.mp4", slow("o.mkv")])
def test_a_killed_run_leaves_a_file_that_plays(tmp_path, name):
    with begun(tmp_path / name) as process:
        process.kill()
    assert len(pictures_of(tmp_path / name)) > 0


def test_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path):
    from streamfuse.config import Config
    from streamfuse.runtime.file_run import FileFusion

    # the second frame comes after ten seconds: one frame alone cannot be fused
    def stop(statistics, *_):
        if statistics.frames_in == 1:
            fusion.stop()

    source = "sim:?rate=1/10&size=96x64"
    fusion = FileFusion([source], str(tmp_path / "o.mkv"), Config(), progress=stop)
    summary = fusion.run()
    assert summary.interrupted
    assert (summary.frames_in, summary.frames_out, summary.outputs) == (1, 0, ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, slow(signal.SIGKILL), slow(signal.SIGINT)])
def test_a_run_that_is_ended_leaves_the_good_file_that_was_there(tmp_path, number):
    out, beside = tmp_path / "o.mp4", tmp_path / "o.unfinished.mp4"
    out.write_bytes(b"good")
    with begun(out, written=beside) as process:
        process.send_signal(number)
        printed, _ = process.communicate(timeout=30)
    assert out.read_bytes() == b"good"
    assert len(pictures_of(beside)) > 0
    if number != signal.SIGKILL:
        summary = json.loads(printed)
        assert summary["outputs"] == [str(beside)]
        assert f"{out} is as it was; what was made is in {beside}." in summary["warnings"]


def test_a_run_that_fails_leaves_the_good_file_that_was_there(tmp_path):
    """Black frames do not alternate: that is known after the output was opened."""
    black = [(n, tuple(np.full(s, v, np.uint8) for s, v in PLANES)) for n in range(40)]
    with open_sample("sample:?frames=1&size=96x64") as sample:
        write_video(tmp_path / "black.mkv", black, sample.info)
    out = tmp_path / "o.mkv"
    out.write_bytes(b"good")
    result = streamfuse("fuse", tmp_path / "black.mkv", "-o", out, "--overwrite", "--preset", "fast")
    assert result.exit_code == 1
    assert "do not alternate" in result.stderr
    assert out.read_bytes() == b"good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["black.mkv", "o.mkv"]
