"""Opening network streams by URL: protocols, transports, and a second try as plain Motion JPEG."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import av
import av.container
import av.error
from av.format import ContainerFormat

from streamfuse.camera.answer import look
from streamfuse.camera.options import CameraOptions, Transport
from streamfuse.errors import CameraError, UsageError, without_credentials

_LISTEN = re.compile(r"[?&]listen=1\b")
# A stream must not make us open files, or a playlist other kinds of addresses.
_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,srt,rtmp,rtmps"
_OPTIONS = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "max_delay": "500000",
    "analyzeduration": "2000000",
    "probesize": "2000000",
    "protocol_whitelist": _PROTOCOLS,
}
_BY_TRANSPORT: dict[Transport, dict[str, str]] = {
    "auto": {"rtsp_flags": "prefer_tcp"},  # UDP only where the camera has no other way: it loses packets
    "tcp": {"rtsp_transport": "tcp"},
    "udp": {"rtsp_transport": "udp"},
    "multicast": {"rtsp_transport": "udp_multicast"},
    "http": {"rtsp_transport": "http"},
}
_MJPEG = "mjpeg"
# A rate cannot be probed where there are no times: trying to would only hold pictures back (0 is the default).
_UNDATED = {"fpsprobesize": "0", "analyzeduration": "10000"}
_STILLS = ("_pipe", "image2")  # what the names of FFmpeg's demuxers of single pictures end with
_STREAM_HINT = "which its page or its manual names (often ending in /video, /stream or .mjpg)"


class Door:
    """Opens one stream, again and again, and remembers what it has learnt of it.

    Args:
        url: where it is; `?listen=1` (rtsp, tcp, http, rtmp) waits for the sender to connect.
        options: timeouts, transport and demuxer.

    Attributes:
        name: what to call it; without credentials.
        rate: frames per second that were measured, where the stream does not tell.

    Raises:
        UsageError: there is no such demuxer.
    """

    def __init__(self, url: str, options: CameraOptions) -> None:
        self.name = without_credentials(url)
        self.options = options
        self.rate: Fraction | None = None
        self._url = url
        self._demuxer = options.demuxer
        if options.demuxer is not None:
            _check_demuxer(options.demuxer)

    def open(self) -> av.container.InputContainer:
        """The stream, opened; that it has a picture is not known yet.

        Raises:
            CameraError: unreachable, refused, or no stream, as the message says.
        """
        try:
            container = self._open(self._demuxer)
        except (av.error.InvalidDataError, av.error.ExitError, av.error.TimeoutError) as error:
            return self._second(error)
        except av.FFmpegError as error:
            raise self._refusal(error) from error
        if self._demuxer is None and container.format.name.endswith(_STILLS):
            container.close()
            return self._second(None)
        return container

    def other(self, container: av.container.InputContainer) -> av.container.InputContainer | None:
        """The stream opened as plain pictures, if it is in parts that cannot be told from each other; else None.

        Raises:
            CameraError: as `open`.
        """
        if self._demuxer is not None or container.format.name != "mpjpeg":
            return None
        return self._as_pictures()

    def _second(self, error: av.FFmpegError | None) -> av.container.InputContainer:
        """What FFmpeg makes no stream of by itself: Motion JPEG without boundaries, or no stream at all."""
        web = self._url.lower().startswith(("http://", "https://")) and not _LISTEN.search(self._url)
        answer = look(self._url, self.options.open_timeout) if web and self._demuxer is None else None
        kind = "other" if answer is None else answer.kind
        if kind == "page":
            raise CameraError(
                f"{self.name} is a web page and no video stream: give the address of the stream, {_STREAM_HINT}."
            ) from error
        if kind == "picture" or (kind == "other" and error is None):
            raise CameraError(
                f"{self.name} is a single picture and no video stream: give the address of the stream, {_STREAM_HINT}."
            ) from error
        if kind == "pictures":
            return self._as_pictures()
        assert error is not None
        raise self._refusal(error) from error

    def _as_pictures(self) -> av.container.InputContainer:
        try:
            container = self._open(_MJPEG)
        except av.FFmpegError as error:
            raise self._refusal(error) from error
        self._demuxer = _MJPEG
        return container

    def _open(self, demuxer: str | None) -> av.container.InputContainer:
        url, timeout, limit = self._url, self.options.timeout, self.options.open_timeout
        options = dict(_OPTIONS)
        if url.lower().startswith("rtsp"):
            options |= _BY_TRANSPORT[self.options.transport]
            address, listens = _LISTEN.subn("", url)
            if listens:  # other protocols know it by themselves
                url = address
                options |= {"rtsp_flags": "listen", "listen_timeout": str(math.ceil(limit))}
        if demuxer == _MJPEG:
            options |= _UNDATED
        return av.open(
            url,
            format=demuxer,
            options=options,
            timeout=(limit, timeout),
            metadata_errors="replace",
            buffer_size=65536,
        )

    def _refusal(self, error: av.FFmpegError) -> CameraError:
        """The sentence for what FFmpeg says."""
        if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
            return CameraError(f"{self.name} refuses the user or the password: check them in the URL.")
        if isinstance(error, av.error.ExitError | av.error.TimeoutError):
            limit = self.options.open_timeout
            return CameraError(
                f"{self.name} has not answered within {limit:g} s: check the address and the network."
            )
        hint = (
            ", or name what it is sent in (--demuxer)" if isinstance(error, av.error.InvalidDataError) else ""
        )
        return CameraError(
            f"{self.name} cannot be opened ({reason(error)}): check the address, and that it is sending{hint}."
        )


def reason(error: BaseException) -> str:
    """What FFmpeg says, without the address that it may repeat."""
    text = error.strerror if isinstance(error, OSError) else None
    return without_credentials(text or str(error))


def _check_demuxer(name: str) -> None:
    try:
        ContainerFormat(name, "r")
    except ValueError:
        raise UsageError(
            f"There is no demuxer {name!r}: give a name of FFmpeg's, such as mjpeg, mpegts or h264."
        ) from None
