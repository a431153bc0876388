"""Pushing a stream to a server or a listener: RTSP, RTMP, MPEG-TS over UDP and TCP, SRT where FFmpeg has it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Unpack
from urllib.parse import urlsplit

import av

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame
from streamfuse.core.options import EncodeOptions
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.encode.pusher import LIMIT_SECONDS, READY
from streamfuse.encode.stream import StreamEncoder
from streamfuse.errors import OutputError, StreamAccessError, UsageError, without_credentials

_FORMATS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "udp": "mpegts",
    "tcp": "mpegts",
    "srt": "mpegts",
}
SCHEMES = tuple(_FORMATS)
_OPTIONS = {
    # Over TCP: what is lost on the way would be lost for seconds, and a firewall lets it through.
    "rtsp": {"rtsp_transport": "tcp"},
    "mpegts": {"flush_packets": "1", "muxdelay": "0", "muxpreload": "0"},
    "flv": {"flvflags": "no_duration_filesize"},
}
_SHAPE = "write it like rtsp://HOST:PORT/PATH or udp://HOST:PORT"
_WRITE_SECONDS = 10.0
_CLOSE_SECONDS = 3.0
_REFUSED = ("HTTPUnauthorizedError", "HTTPForbiddenError")


class NetworkSink(Sink):
    """Encodes with low latency and pushes, by a process of its own (`streamfuse.encode.pusher`).

    The connection is made with the first packet, so a server that is not there is told by one of the first writes.

    Args:
        url: `rtsp://`, `rtsps://`, `rtmp://`, `rtmps://`, `udp://`, `tcp://` or `srt://`; UDP, TCP and SRT carry
            MPEG-TS. What stands behind a '?' is FFmpeg's (`tcp://0.0.0.0:5000?listen=1`).
        info: of the frames.
        options: `codec`, `bitrate`, `crf`, `speed` of `StreamEncoder`.

    Raises:
        UsageError: no address, or a protocol that this build of FFmpeg does not have.
        EncoderError: as `StreamEncoder`.
    """

    def __init__(self, url: str, info: SourceInfo, **options: Unpack[EncodeOptions]) -> None:
        check_url(url)
        self._name = without_credentials(url)
        self.outputs = [self._name]
        self._closed = False
        self._pusher = _Pusher(url, _FORMATS[urlsplit(url).scheme])
        try:
            self._container = av.open(
                self._pusher, "w", format="nut", container_options={"flush_packets": "1"}
            )
            self._encoder = StreamEncoder(self._container, info, **options)
        except BaseException:
            self._pusher.end(0)
            raise

    @property
    def ready(self) -> bool:
        """Tell whether the other end has taken something."""
        return self._pusher.ready

    def write(self, frame: FusedFrame) -> None:
        """Encode and send one frame.

        Raises:
            OutputError: nobody answers there, or the connection is lost.
            StreamAccessError: the server refuses the user or the password.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._name} is closed: no frame can be sent.")
        try:
            self._pusher.check()
            for packet in self._encoder.encode(frame):
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def report(self) -> SinkReport:
        """Tell whether frames reach somebody."""
        return SinkReport(ready=self.ready)

    def close(self) -> None:
        """Send what is left and hang up; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        # Whoever listened may have hung up before: nothing is lost then that could be kept.
        with suppress(av.FFmpegError, OSError):
            for packet in self._encoder.flush():
                self._container.mux(packet)
            self._container.close()
        self._pusher.end(_CLOSE_SECONDS)

    def _failure(self, error: Exception) -> Exception:
        self._closed = True
        kind, text = self._pusher.end(0)
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        if kind == "ProtocolNotFoundError":
            return _no_protocol(self._name)
        if kind in _REFUSED:
            return StreamAccessError(
                f"{self._name} refuses the user or the password: check them in the address."
            )
        problem = text or getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = f"; for frames over ZeroMQ write pub:{self._name}" if self._name.startswith("tcp:") else ""
        return OutputError(
            f"{self._name} cannot be reached ({problem}): check the address, and that a server listens there{hint}."
        )


class _Pusher:
    """The other process, as a file to write to; writing takes a limited time."""

    def __init__(self, url: str, form: str) -> None:
        order = {"url": url, "format": form, "options": _OPTIONS[form]}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamfuse.encode.pusher"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._ready = False
        self._told = b""
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        self.write(json.dumps(order).encode() + b"\n")

    @property
    def ready(self) -> bool:
        """Tell whether it has told that the first packet was sent."""
        out = self._process.stdout
        if not self._ready and out is not None and not out.closed and select.select([out], [], [], 0)[0]:
            self._told += out.readline()
            self._ready = READY.encode() in self._told
        return self._ready

    def check(self) -> None:
        """Raises BrokenPipeError if the process has ended."""
        if self._process.poll() is not None:
            raise BrokenPipeError("the connection has ended")

    def write(self, data: bytes) -> int:
        """Write all of it, or raise a TimeoutError."""
        rest = memoryview(data)
        until = time.monotonic() + _WRITE_SECONDS
        while rest:
            if not select.select([], [self._pipe], [], max(0.0, until - time.monotonic()))[1]:
                raise TimeoutError(f"nothing was taken for {_WRITE_SECONDS:g} s")
            with suppress(BlockingIOError):
                rest = rest[os.write(self._pipe, rest) :]
        return len(data)

    def end(self, patience: float) -> tuple[str, str]:
        """Let it finish for so long, then end it; what it told of its end, or empty."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdin.closed:
            return "", ""
        with suppress(OSError):
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        if process.poll() is None:
            process.kill()
        else:
            self._told += process.stdout.read()
        process.wait()
        process.stdout.close()
        if process.returncode == -signal.SIGALRM:
            return "", f"no answer for {LIMIT_SECONDS} s"
        lines = self._told.splitlines()
        found = json.loads(lines[-1]) if lines else {}
        return found.get("kind", ""), found.get("text", "")


def check_url(url: str) -> None:
    """Refuse what can never work, without opening anything on the network.

    Raises:
        UsageError: not an address of a known kind, or a protocol that this build of FFmpeg does not have.
    """
    name = without_credentials(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{name} is no address: {_SHAPE}.") from error
    if parts.scheme not in _FORMATS:
        raise UsageError(
            f"{name} is no network output: it begins with {', '.join(f'{s}://' for s in SCHEMES)}."
        )
    needs_port = parts.scheme in {"udp", "tcp", "srt"}
    if not host or (needs_port and not port):
        raise UsageError(f"{name} has no {'port' if host else 'host'}: {_SHAPE}.")
    if parts.scheme == "srt" and not _has_srt():
        raise _no_protocol(name)


def _has_srt() -> bool:
    """Tell whether FFmpeg knows the protocol: else it says so before it looks at the address."""
    try:
        av.open("srt://", "r").close()
    except av.error.ProtocolNotFoundError:
        return False
    except (av.FFmpegError, ValueError):
        return True
    return True


def _no_protocol(name: str) -> UsageError:
    return UsageError(
        f"{name}: the FFmpeg in this installation of PyAV has no such protocol; push to rtsp:// or udp://, or install "
        "a PyAV that was built with it (pip install av --no-binary av)."
    )
