"""Network streams on loopback: they are read, lost, and found again."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import time
from itertools import islice, pairwise
from pathlib import Path

import pytest

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.errors import CameraError, UsageError

OWN = Path("/proc/self")
SENDER = Path(__file__).parents[1] / "support" / "send_stream.py"
PATIENT = CameraOptions(open_timeout=20, timeout=2, backoff=(0.1, 0.5))


pytestmark = pytest.mark.skipif(
    not OWN.is_dir(), reason="counts threads and files in /proc, which is not here"
)


@pytest.fixture
def send():
    """Starts senders, and ends those that still run."""
    running = []

    def start(url, form="mpegts", *arguments):
        running.append(
            subprocess.Popen(
                [sys.executable, SENDER, url, form, *map(str, arguments)], stderr=subprocess.DEVNULL
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait(10)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def opened(url, seconds=20):
    """The source, as soon as its sender listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            return open_camera(url, PATIENT)
        except CameraError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def check(frames):
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    means = [frame.luma.mean() for frame in frames[1:]]
    assert max(means) - min(means) > 80  # both exposures
    assert all(0 <= time.monotonic() - frame.captured_at < 60 for frame in frames)


@pytest.mark.slow
def test_transport_stream_over_tcp(send, port):
    send(f"tcp://127.0.0.1:{port}?listen=1")
    with opened(f"tcp://127.0.0.1:{port}") as source:
        assert "96x64 h264" in source.status.mode
        check(list(islice(source, 30)))
        assert source.control is None


@pytest.mark.slow
def test_transport_stream_over_udp(send, port):
    send(f"udp://127.0.0.1:{port}?pkt_size=1316")
    with open_camera(f"udp://127.0.0.1:{port}", PATIENT) as source:
        check(list(islice(source, 30)))


def test_the_stamps_are_those_of_the_stream(send, port):
    send(f"tcp://127.0.0.1:{port}?listen=1")
    with opened(f"tcp://127.0.0.1:{port}") as source:
        frames = list(islice(source, 20))
    steps = [float((b.pts - a.pts) * b.time_base) for a, b in pairwise(frames)]
    assert sorted(steps)[10] == pytest.approx(1 / 30, abs=0.002)


@pytest.fixture
def uncollected():
    """Nothing is freed late: what a cycle of references holds is held for ever."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.slow
def test_a_camera_that_is_killed_three_times(send, port, uncollected):
    """It resumes each time, time goes on, and no thread or file is left over."""
    url = f"rtsp://127.0.0.1:{port}/live"
    threading.Timer(1.0, send, (url, "rtsp")).start()
    source = open_camera(f"{url}?listen=1", PATIENT)
    running = send.__closure__[0].cell_contents
    frames, used = [], []
    with source:
        taken = iter(source)
        for life in range(4):
            frames += islice(taken, 25)
            used.append(
                (
                    threading.active_count(),
                    *(len(list(OWN.joinpath(kind).iterdir())) for kind in ("fd", "task")),
                )
            )
            assert source.status.reconnects == life
            if life < 3:
                running[-1].kill()
                running[-1].wait(10)
                threading.Timer(0.5, send, (url, "rtsp")).start()
    check(frames)
    assert source.status.error is None
    for before, after in zip(used[1], used[3], strict=True):
        assert after <= before, used
    # The clock goes on while the source is away.
    span = frames[-1].pts * frames[-1].time_base
    assert float(span) == pytest.approx(frames[-1].captured_at - frames[0].captured_at, abs=1.5)


@pytest.mark.slow
def test_a_sender_that_stops_is_reconnected_to(send, port):
    send(f"tcp://127.0.0.1:{port}?listen=1", "mpegts", 45)
    with opened(f"tcp://127.0.0.1:{port}") as source:
        taken = iter(source)
        next(taken)
        threading.Timer(1.0, send, (f"tcp://127.0.0.1:{port}?listen=1",)).start()
        frames = list(islice(taken, 60))
        assert source.status.reconnects == 1
        assert all(a.pts < b.pts for a, b in pairwise(frames))


def test_nobody_answers_and_no_secret_is_told(port):
    with pytest.raises(CameraError) as told:
        open_camera(f"rtsp://me:secret@127.0.0.1:{port}/live?token=secret", PATIENT)
    assert "secret" not in str(told.value)
    assert f"rtsp://***@127.0.0.1:{port}/live?token=*** cannot be opened (Connection refused)" in str(
        told.value
    )


def test_an_address_that_accepts_and_stays_silent(port):
    with socket.create_server(("127.0.0.1", port)):
        began = time.monotonic()
        with pytest.raises(CameraError, match=r"has not answered within 1 s"):
            open_camera(f"tcp://127.0.0.1:{port}", CameraOptions(open_timeout=1))
        assert time.monotonic() - began < 10


def test_a_name_that_does_not_exist():
    with pytest.raises(CameraError, match="cannot be opened"):
        open_camera("rtsp://camera.invalid/live", CameraOptions(open_timeout=3))


def test_a_wrong_password():
    with refusing(b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n') as port:
        with pytest.raises(CameraError, match="refuses the user or the password") as told:
            open_camera(f"http://me:secret@127.0.0.1:{port}/", PATIENT)
        assert "secret" not in str(told.value)


def test_something_that_is_no_video():
    page = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>no video</html>"
    with refusing(page) as port, pytest.raises(CameraError, match=r"is a web page and no video stream"):
        open_camera(f"http://127.0.0.1:{port}/", PATIENT)


class refusing:  # noqa: N801 (used like a function)
    """A server that gives everybody the same answer."""

    def __init__(self, answer):
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(self._answer)

    def __enter__(self):
        self._thread.start()
        return self._server.getsockname()[1]

    def __exit__(self, *_):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@pytest.mark.slow
def test_closing_a_silent_stream_does_not_wait(send, port):
    process = send(f"udp://127.0.0.1:{port}?pkt_size=1316")
    source = open_camera(f"udp://127.0.0.1:{port}", CameraOptions(open_timeout=20, timeout=30))
    next(iter(source))
    process.kill()
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 3


LATE_KEYFRAME = """
import sys, time
from fractions import Fraction
import av, numpy as np
with av.open(sys.argv[1], "w", format="mpegts") as out:
    options = {"tune": "zerolatency", "g": sys.argv[2], "preset": "ultrafast"}
    stream = out.add_stream("libx264", rate=30, options=options)
    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
    began = time.monotonic()
    for number in range(10**6):
        frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 60 + 120 * (number % 2), np.uint8), "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 30)
        out.mux(stream.encode(frame))
        if number == 30:
            print("the first keyframe is gone", flush=True)
        time.sleep(max(0.0, began + number / 30 - time.monotonic()))
"""


@pytest.fixture
def rare_keyframes(port):
    """A stream over UDP with a keyframe each so many frames, joined in the middle."""
    running = []

    def start(frames):
        url = f"udp://127.0.0.1:{port}?pkt_size=1316"
        command = [sys.executable, "-c", LATE_KEYFRAME, url, str(frames)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert "gone" in running[-1].stdout.readline()
        return f"udp://127.0.0.1:{port}"

    yield start
    for process in running:
        process.kill()
        process.wait(10)


@pytest.mark.slow
def test_a_stream_that_is_between_its_keyframes_is_waited_for_and_told(rare_keyframes, caplog):
    url = rare_keyframes(360)
    options = CameraOptions(open_timeout=4, timeout=2)
    with open_camera(url, options) as source:
        assert "96x64 h264" in source.status.mode
        check(list(islice(source, 30)))
    assert f"{url} is sending, no keyframe yet." in [record.getMessage() for record in caplog.records]


@pytest.mark.slow
def test_a_stream_without_a_keyframe_is_told_after_the_time_that_was_given(rare_keyframes):
    url = rare_keyframes(10_000)
    options = CameraOptions(open_timeout=2, timeout=2, keyframe_timeout=3)
    with pytest.raises(
        CameraError, match=r"is sending, but no keyframe came within 3 s: .*--keyframe-timeout"
    ):
        open_camera(url, options)


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_the_transport_of_rtsp_is_what_was_asked_for(transport):
    asked = []

    def serve():
        client, _ = server.accept()
        with client:
            asked.append(client.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(CameraError):
            open_camera(
                f"rtsp://127.0.0.1:{server.getsockname()[1]}/a",
                CameraOptions(transport=transport, open_timeout=2),
            )
        thread.join(5)
    assert asked[0].startswith(b"GET" if transport == "http" else b"OPTIONS")


def test_a_protocol_that_this_build_lacks_is_not_waited_for(port):
    import av

    try:
        av.open("srt://", "r").close()
    except av.error.ProtocolNotFoundError:
        pass
    except (av.FFmpegError, ValueError):
        pytest.skip("this build of FFmpeg has SRT")
    with pytest.raises(UsageError, match=r"srt://\*\*\*@127.0.0.1:.*has no such protocol; have the camera"):
        open_camera(f"srt://me:secret@127.0.0.1:{port}", CameraOptions(wait=True, open_timeout=2))


@pytest.mark.parametrize(
    "url", ["rtmp://127.0.0.1:{}/live/secret?listen=1", "http://127.0.0.1:{}/x?listen=1"]
)
def test_a_source_that_listens_waits_for_its_sender(port, url):
    def wait():
        with pytest.raises(CameraError):
            open_camera(url.format(port), CameraOptions(open_timeout=4))

    waiting = threading.Thread(target=wait)
    waiting.start()
    until = time.monotonic() + 4
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    else:
        pytest.fail("nobody listens")
    waiting.join(30)
    assert not waiting.is_alive()
