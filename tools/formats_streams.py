"""Network sources and sinks against FFmpeg on this machine: start, loss of the other end and its return, end.

    python tools/formats_streams.py            # all
    python tools/formats_streams.py --only rtmp

A source is a camera of `streamfuse live`, with a sender in a process of its own, which comes late, is killed, comes
again and ends. A sink is an output of a run of `streamfuse live`, whose receiver is killed and started again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path

import click
from outside import free_port
from tool_options import help_of

from streamfuse.camera import CameraOptions, CameraSource, open_camera
from streamfuse.core.output_file import write_json_file
from streamfuse.errors import StreamfuseError

_FRAMES = 20
_SECONDS = 40.0
OPTIONS = CameraOptions(open_timeout=15, timeout=2, backoff=(0.1, 0.5), wait=True)
SENDER = """
import socket, sys, time
from fractions import Fraction
from urllib.parse import urlsplit
import av, numpy as np
url, form, frames, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), dict(o.split("=", 1) for o in sys.argv[4:])
target = url
if url.startswith("http:"):  # PyAV gives FFmpeg no way to serve it
    client, _ = socket.create_server(("127.0.0.1", urlsplit(url).port)).accept()
    client.recv(4096)
    client.sendall(f"HTTP/1.0 200 OK\\r\\nContent-Type: {options.pop('content_type')}\\r\\n\\r\\n".encode())
    target = client.makefile("wb", buffering=0)
with av.open(target, "w", format=form, options=options) as out:
    codec = {"tune": "zerolatency", "g": "10", "preset": "ultrafast"}
    mjpeg = form == "mpjpeg"
    stream = out.add_stream("mjpeg" if mjpeg else "libx264", rate=25, options={} if mjpeg else codec)
    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if mjpeg else "yuv420p"
    began = time.monotonic()
    for number in range(frames):
        picture = np.full((64, 96, 3), 60 if number % 2 == 0 else 180, np.uint8)
        picture[:, number % 96] = 255
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        out.mux(stream.encode(frame))
        time.sleep(max(0.0, began + number / 25 - time.monotonic()))
"""
RECEIVER = """
import av, sys
url, form, options = sys.argv[1], sys.argv[2], dict(o.split("=", 1) for o in sys.argv[3:])
with av.open(url, format=form, options=options, timeout=30) as stream:
    for number, frame in enumerate(stream.decode(video=0), 1):
        if number % 10 == 0:
            print(number, flush=True)
"""


@dataclass(frozen=True)
class End:
    """One address of streamfuse's, and that of FFmpeg at the other end.

    Args:
        shown: as the page writes it.
        url: for streamfuse; {port} is a free one.
        other: for FFmpeg.
        form: its muxer or demuxer.
        options: of FFmpeg at the other end.
    """

    shown: str
    url: str
    other: str
    form: str
    options: tuple[str, ...] = ()


SOURCES = {
    "udp": End("udp://HOST:PORT", "udp://127.0.0.1:{port}", "udp://127.0.0.1:{port}?pkt_size=1316", "mpegts"),
    "tcp": End("tcp://HOST:PORT", "tcp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}?listen=1", "mpegts"),
    "http": End(
        "http://HOST/x.ts", "http://127.0.0.1:{port}/x.ts", "http://127.0.0.1:{port}/x.ts", "mpegts",
        ("content_type=video/mp2t",),
    ),
    "http-mjpeg": End(
        "http://HOST/x.mjpg", "http://127.0.0.1:{port}/x", "http://127.0.0.1:{port}/x", "mpjpeg",
        ("content_type=multipart/x-mixed-replace; boundary=ffmpeg",),
    ),
    "rtsp": End(
        "rtsp://HOST:PORT/x?listen=1", "rtsp://127.0.0.1:{port}/x?listen=1", "rtsp://127.0.0.1:{port}/x", "rtsp",
        ("rtsp_transport=tcp",),
    ),
    "rtmp": End(
        "rtmp://HOST:PORT/live/KEY?listen=1", "rtmp://127.0.0.1:{port}/live/key?listen=1",
        "rtmp://127.0.0.1:{port}/live/key", "flv",
    ),
    "srt": End("srt://HOST:PORT", "srt://127.0.0.1:{port}", "srt://127.0.0.1:{port}", "mpegts"),
}  # fmt: skip
SINKS = {
    "udp": End("udp://HOST:PORT", "udp://127.0.0.1:{port}", "udp://127.0.0.1:{port}", "mpegts"),
    "tcp": End("tcp://HOST:PORT", "tcp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}?listen=1", "mpegts"),
    "rtsp": End(
        "rtsp://HOST:PORT/x", "rtsp://127.0.0.1:{port}/x", "rtsp://127.0.0.1:{port}/x", "rtsp",
        ("rtsp_flags=listen", "listen_timeout=30"),
    ),
    "rtmp": End(
        "rtmp://HOST:PORT/live/KEY", "rtmp://127.0.0.1:{port}/live/key", "rtmp://127.0.0.1:{port}/live/key", "flv",
        ("listen=1",),
    ),
    "srt": End("srt://HOST:PORT", "srt://127.0.0.1:{port}", "srt://127.0.0.1:{port}", "mpegts"),
}  # fmt: skip


@dataclass
class Tried:
    """What was seen: True, None where it is not tried, or a sentence on what went wrong.

    Args:
        address: as the page writes it.
        direction: `source` or `sink`.
        start: the other end comes late, and pictures of both exposures come.
        loss: the other end is killed and started again, and pictures come again, with times that go on.
        end: the other end stops (source: that is noticed; sink: the receiver sees the end), and all closes soon.
    """

    address: str
    direction: str
    start: bool | str | None = None
    loss: bool | str | None = None
    end: bool | str | None = None


class _MissingError(Exception):
    """Something that should have been seen was not."""


def try_source(kind: str) -> Tried:
    """Read a sender that comes late, is killed, comes again and ends."""
    end, port = SOURCES[kind], free_port()
    tried = Tried(end.shown, "source")
    running: list[subprocess.Popen[str]] = []

    def send(frames: int) -> None:
        other = end.other.format(port=port)
        words = [sys.executable, "-c", SENDER, other, end.form, str(frames), *end.options]
        running.append(subprocess.Popen(words, stderr=subprocess.DEVNULL, text=True))

    late = threading.Timer(0 if kind == "srt" else 1.0, send, (10**6,))
    late.start()
    step = "start"
    try:
        with open_camera(end.url.format(port=port), OPTIONS) as source:
            taken = iter(source)
            with _limit(source):
                frames = list(islice(taken, _FRAMES))
            _check(frames)
            tried.start, step = True, "loss"
            running[-1].kill()
            # Over UDP one that is back sooner than it is missed is not lost at all.
            threading.Timer(OPTIONS.timeout + 1 if kind == "udp" else 0.5, send, (100,)).start()
            with _limit(source):
                while source.status.reconnects < 1:
                    frames.append(next(taken))
                frames += islice(taken, _FRAMES)
            _check(frames)
            tried.loss, step = True, "end"
            threading.Thread(target=lambda: list(taken), daemon=True).start()
            _await(lambda: source.status.state == "reconnecting", "the end of the stream was not noticed")
            began = time.monotonic()
        if time.monotonic() - began > 3:
            raise _MissingError("closing took long")
        tried.end = True
    except (StreamfuseError, _MissingError, StopIteration) as error:
        setattr(tried, step, str(error).replace(str(port), "PORT"))
    finally:
        late.cancel()
        for process in running:
            process.kill()
            process.wait(10)
    return tried


def try_sink(kind: str) -> Tried:
    """Push to a receiver that comes late, is killed, comes again and sees the end."""
    end, port = SINKS[kind], free_port()
    tried = Tried(end.shown, "sink")
    words = [
        sys.executable, "-m", "streamfuse", "live", "sim:?size=96x64&rate=15", "--sink", end.url.format(port=port),
        "--preset", "fast", "--fuser", "mertens", "--align", "off", "--quiet",
    ]  # fmt: skip
    step = "start"
    with tempfile.TemporaryFile("w+") as told:
        run = subprocess.Popen(words, stderr=told, text=True)
        receivers: list[_Receiver] = []
        try:
            if kind == "srt":
                run.wait(_SECONDS)
                told.seek(0)
                raise _MissingError(told.read().strip().removeprefix("Error: "))
            time.sleep(1)
            receivers.append(_Receiver(end, port))
            _await(lambda: receivers[-1].frames >= _FRAMES, "no pictures came")
            tried.start, step = True, "loss"
            receivers[-1].kill()
            receivers.append(_Receiver(end, port))
            _await(
                lambda: receivers[-1].frames >= _FRAMES, "no pictures came after the receiver was there again"
            )
            tried.loss, step = True, "end"
            run.send_signal(signal.SIGTERM)
            _await(lambda: run.poll() is not None, "the run did not end")
            if run.returncode != 0:
                told.seek(0)
                raise _MissingError(f"exit status {run.returncode}: {told.read().strip()}")
            if kind == "udp":
                tried.end = "the run ends; UDP tells nobody"
            else:
                _await(lambda: receivers[-1].ended, "the receiver saw no end")
                tried.end = True
        except _MissingError as error:
            setattr(tried, step, str(error).replace(str(port), "PORT"))
        finally:
            run.kill()
            run.wait(10)
            for receiver in receivers:
                receiver.process.kill()
                receiver.process.wait(10)
    return tried


class _Receiver:
    """FFmpeg at the other end of a sink; starts again until somebody sends."""

    def __init__(self, end: End, port: int) -> None:
        words = [sys.executable, "-c", RECEIVER, end.other.format(port=port), end.form, *end.options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._seen = 0

    @property
    def frames(self) -> int:
        """Pictures that it has decoded."""
        assert self.process.stdout is not None
        for line in (self.process.stdout.read() or b"").split():
            self._seen = int(line)
        return self._seen

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself; of RTMP, FFmpeg calls every end an error."""
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def _check(frames: Sequence[object]) -> None:
    from streamfuse.core.frame import Frame

    found = [frame for frame in frames if isinstance(frame, Frame)]
    if not all((a.pts or 0) < (b.pts or 0) for a, b in pairwise(found)):
        raise _MissingError("time stamps do not increase")
    means = [float(frame.luma.mean()) for frame in found[1:]]
    if not means or max(means) - min(means) < 80:
        raise _MissingError("the two exposures are not seen")


@contextmanager
def _limit(source: CameraSource) -> Iterator[None]:
    """Closes the source after a time, which ends whoever waits for its frames."""
    timer = threading.Timer(_SECONDS, source.close)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _await(condition: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > until:
            raise _MissingError(otherwise)
        time.sleep(0.05)


def all_tried(only: str = "") -> Iterator[Tried]:
    """Each source, then each sink, of those whose name holds `only`."""
    for kinds, attempt in ((SOURCES, try_source), (SINKS, try_sink)):
        yield from (attempt(kind) for kind in kinds if only in kind)


@click.command(help=help_of(__doc__))
@click.option("--only", default="", metavar="TEXT", help="Such as rtmp.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="That tools/formats.py has made.",
)
def main(only: str, json_file: Path | None) -> None:
    """Try all; those that are not tried now stay in the file."""
    found = []
    for tried in all_tried(only):
        found.append(asdict(tried))
        click.echo(json.dumps(found[-1]))
    if json_file is not None:
        result = json.loads(json_file.read_text(encoding="utf-8"))
        now = {(row["address"], row["direction"]): row for row in (*result.get("streams", ()), *found)}
        write_json_file(json_file, result | {"streams": list(now.values())})


if __name__ == "__main__":
    main()
