"""Pushing a stream to a server or a listener: RTSP, RTMP, MPEG-TS over UDP and TCP, SRT where FFmpeg has it."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import av
import av.container

from streamfuse.encode.stream import StreamEncoder
from streamfuse.errors import EncoderError, OutputError, StreamAccessError, UsageError, without_credentials
from streamfuse.frame import FusedFrame
from streamfuse.stage import SourceInfo

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
_OPEN_SECONDS = 10.0


class NetworkSink:
    """Encodes with low latency and pushes.

    Args:
        url: `rtsp://`, `rtsps://`, `rtmp://`, `rtmps://`, `udp://`, `tcp://` or `srt://`; UDP, TCP and SRT carry
            MPEG-TS. What stands behind a '?' is FFmpeg's (`tcp://0.0.0.0:5000?listen=1`).
        info: of the frames.
        options: `codec`, `bitrate`, `crf`, `speed` of `StreamEncoder`.

    Raises:
        UsageError: no address, or a protocol that this build of FFmpeg does not have.
        OutputError: nobody answers there.
        StreamAccessError: the server refuses the user or the password.
        EncoderError: as `StreamEncoder`.
    """

    def __init__(self, url: str, info: SourceInfo, **options: Any) -> None:
        check_url(url)
        self._name = without_credentials(url)
        self.outputs = [self._name]
        self._closed = False
        format_name = _FORMATS[urlsplit(url).scheme]
        try:
            self._container = av.open(
                url, "w", format=format_name, container_options=_OPTIONS[format_name], timeout=_OPEN_SECONDS
            )
        except av.FFmpegError as error:
            raise self._failure(error, "reached") from error
        self._info = info
        try:
            self._encoder = StreamEncoder(self._container, info, **options)
            self._container.start_encoding()
        except av.FFmpegError as error:
            self._abandon()
            raise self._failure(error, "reached") from error
        except BaseException:
            self._abandon()
            raise

    def write(self, frame: FusedFrame) -> None:
        """Encode and send one frame.

        Raises:
            OutputError: the connection is lost.
        """
        if self._closed:
            raise OutputError(f"{self._name} is closed: no frame can be sent.")
        try:
            for packet in self._encoder.encode(frame):
                self._container.mux(packet)
        except av.FFmpegError as error:
            self._abandon()
            raise self._failure(error, "written to any more") from error

    def close(self) -> None:
        """Send what is left and hang up; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        # Whoever listened may have hung up before: nothing is lost then that could be kept.
        with suppress(av.FFmpegError):
            for packet in self._encoder.flush():
                self._container.mux(packet)
        self._abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _abandon(self) -> None:
        self._closed = True
        with suppress(av.FFmpegError):
            self._container.close()

    def _failure(self, error: av.FFmpegError, verb: str) -> Exception:
        if isinstance(error, av.error.ProtocolNotFoundError):
            return _no_protocol(self._name)
        if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
            return StreamAccessError(f"{self._name} refuses the user or the password: check them in the address.")
        return OutputError(
            f"{self._name} cannot be {verb} ({error.strerror}): check the address, and that a server listens there."
        )


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
        raise UsageError(f"{name} is no address: write it like rtsp://HOST:PORT/PATH or udp://HOST:PORT.") from error
    if parts.scheme not in _FORMATS:
        raise UsageError(f"{name} is no network output: it begins with {', '.join(f'{s}://' for s in SCHEMES)}.")
    needs_port = parts.scheme in {"udp", "tcp", "srt"}
    if not host or (needs_port and not port):
        raise UsageError(
            f"{name} has no {'port' if host else 'host'}: write it like rtsp://HOST:PORT/PATH or udp://HOST:PORT."
        )
    if parts.scheme == "srt" and not _has_srt():
        raise _no_protocol(name)


def _has_srt() -> bool:
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


__all__ = ["SCHEMES", "EncoderError", "NetworkSink", "check_url"]
