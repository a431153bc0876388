"""Video from standard input: Y4M that is whole, cut off or wrong, and a pipe that is silent."""

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import time

import numpy as np
import pytest
from runs import REPOSITORY, start

HEAD = b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n"


def y4m(count):
    """Frames of a still ramp, dark and bright in turn."""
    ramp = np.tile(np.linspace(10, 60, 64, dtype=np.uint8), (48, 1))
    grey = np.full(2 * 24 * 32, 128, np.uint8).tobytes()
    return [b"FRAME\n" + (ramp * (1 + 2 * (n % 2))).tobytes() + grey for n in range(count)]


def fused(data, *more):
    command = [sys.executable, "-m", "streamfuse", "fuse", "-", "-o", "null:", "--preset", "fast", *more]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, input=data, capture_output=True, env=environment, check=False)


def test_a_stream_that_is_whole_has_no_warning():
    done = fused(HEAD + b"".join(y4m(8)), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["frames_in"], summary["frames_out"], summary["warnings"]) == (8, 8, [])


@pytest.mark.parametrize("cut", [3, 2000])
def test_a_stream_that_is_cut_in_mid_frame_says_so(cut):
    frames = y4m(8)
    done = fused(HEAD + b"".join(frames[:7]) + frames[7][:cut], "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["frames_out"] == 7
    assert summary["warnings"] == [
        "standard input ends in the middle of a frame, which was left out: it is cut off."
    ]


def test_a_file_that_is_cut_in_mid_frame_says_so(tmp_path):
    from streamfuse.capture.video_source import VideoFileSource

    frames = y4m(4)
    (tmp_path / "a.y4m").write_bytes(HEAD + b"".join(frames)[:-100])
    with VideoFileSource(tmp_path / "a.y4m") as source:
        assert len(list(source)) == 3
    assert "ends in the middle of a frame" in source.warnings[0]


def test_a_frame_that_does_not_begin_as_one_says_that_the_rest_is_lost():
    frames = y4m(8)
    frames[6] = b"FRAMX\n" + frames[6][6:]
    done = fused(HEAD + b"".join(frames), "--json")
    summary = json.loads(done.stdout)
    assert summary["frames_out"] == 6
    assert any("cannot be read to its end" in text for text in summary["warnings"])


@pytest.mark.parametrize(
    "head", [b"YUV4MPEG2 W0 H48 F25:1\n", b"YUV4MPEG2 W64 H48 Cnone\n", b"YUV4MPEG2 F25:1\n"]
)
def test_a_first_line_that_cannot_be_used_is_shown(head):
    done = fused(head + b"".join(y4m(2)))
    errors = done.stderr.decode()
    assert done.returncode == 1
    assert f"begins as Y4M, but its first line cannot be used ({head.decode().strip()})" in errors
    assert "busy" not in errors and len(errors.splitlines()) == 1


def test_standard_input_that_is_closed():
    process = start("fuse", "-", "-o", "null:", preexec_fn=lambda: os.close(0))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Standard input is closed" in errors


def unread(pipe):
    """Bytes in a pipe that its reader has not taken."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


@pytest.mark.parametrize("begun", [b"YUV4", HEAD + b"".join(y4m(6))])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_silent_standard_input_can_be_interrupted(begun, number):
    process = start("fuse", "-", "-o", "null:", "--preset", "fast", stdin=subprocess.PIPE)
    try:
        os.write(process.stdin.fileno(), begun)
        deadline = time.monotonic() + 60
        while unread(process.stdin) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        process.wait(timeout=20)
        errors = process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    # before the pipeline is there, SIGTERM ends the process as the system does it
    assert process.returncode in (130, -number)
    assert "Traceback" not in errors and "Internal" not in errors
