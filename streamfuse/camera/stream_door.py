"""Opening network streams by URL: protocols, transports, and a second try as plain Motion JPEG."""

from __future__ import annotations

import errno
import math
import re
from fractions import Fraction

import av
import av.container
import av.error
from av.format import ContainerFormat

from streamfuse.camera.answer import look
from streamfuse.camera.camera_settings import CameraOptions, Transport
from streamfuse.camera.instead import refusal, what_it_is
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
    "tcp": {"rtsp_transport": "tcp"},
    "udp": {"rtsp_transport": "udp"},
    "multicast": {"rtsp_transport": "udp_multicast"},
    "http": {"rtsp_transport": "http"},
}
_KNOWS_LISTEN = ("tcp:", "udp:", "srt:")  # or has no use for it; to others it is an option
_MJPEG = "mjpeg"
# A rate cannot be probed where there are no times: trying to would only hold pictures back (0 is the default).
_UNDATED = {"fpsprobesize": "0", "analyzeduration": "10000"}
_STILLS = ("_pipe", "image2")  # what the names of FFmpeg's demuxers of single pictures end with
_NO_FILMS = ("tty", "gif", "apng", "ico")  # text that is painted, and pictures that move a little
# Of these FFmpeg does not know, or does not tell, what is there instead of a stream.
_WITHOUT_A_CAUSE = (
    av.error.InvalidDataError, av.error.ExitError, av.error.TimeoutError, av.error.EOFError,
    av.error.HTTPOtherClientError, av.error.HTTPServerError,
)  # fmt: skip
_STATUS_OF: dict[type[av.FFmpegError], tuple[int, str]] = {
    av.error.HTTPBadRequestError: (400, ""),
    av.error.HTTPUnauthorizedError: (401, ""),
    av.error.HTTPForbiddenError: (403, ""),
    av.error.HTTPNotFoundError: (404, ""),
    av.error.HTTPTooManyRequestsError: (429, ""),
    av.error.HTTPOtherClientError: (400, "a status of 4xx"),
    av.error.HTTPServerError: (500, "a status of 5xx"),
}


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
        # UDP only where the camera has no other way: it loses packets.
        self._transport: Transport = "tcp" if options.transport == "auto" else options.transport
        if options.demuxer is not None:
            _check_demuxer(options.demuxer)

    @property
    def can_lose(self) -> bool:
        """Tell whether packets of RTP come over UDP."""
        return self._url.lower().startswith("rtsp") and self._transport in ("udp", "multicast")

    def open(self) -> av.container.InputContainer:
        """Give the stream, opened; that it has a picture is not known yet.

        Raises:
            CameraError: unreachable, refused, or no stream, as the message says.
            UsageError: this build of FFmpeg does not have the protocol.
        """
        try:
            container = self._open_by_some_way()
        except av.FFmpegError as error:
            if isinstance(error, _WITHOUT_A_CAUSE) or error.errno == errno.EIO:
                return self._second(error)
            raise self._refusal(error) from error
        form = container.format.name
        if self._demuxer is None and (
            form.endswith(_STILLS) or form in _NO_FILMS or not container.streams.video
        ):
            container.close()
            return self._second(None)
        return container

    def other(self, container: av.container.InputContainer) -> av.container.InputContainer | None:
        """Give the stream opened as plain pictures, if it is in parts that cannot be told from each other; else None.

        Raises:
            CameraError: as `open`.
        """
        if self._demuxer is not None or container.format.name != "mpjpeg":
            return None
        return self._as_pictures()

    def _second(self, error: av.FFmpegError | None) -> av.container.InputContainer:
        """Give what FFmpeg makes no stream of by itself: Motion JPEG without boundaries, or no stream at all."""
        web = self._url.lower().startswith(("http://", "https://")) and not _LISTEN.search(self._url)
        answer = look(self._url, self.options.open_timeout) if web else None
        if answer is not None and answer.kind == "pictures" and self._demuxer is None:
            return self._as_pictures()
        sentence = None if answer is None else what_it_is(self._url, answer)
        if sentence is None and error is None:
            sentence = f"{self.name} has no video that can be decoded: check what it sends."
        if sentence is not None:
            raise CameraError(sentence) from error
        assert error is not None
        raise self._refusal(error) from error

    def _open_by_some_way(self) -> av.container.InputContainer:
        """Over TCP, or over UDP where a camera refuses that and nobody has chosen."""
        try:
            return self._open(self._demuxer)
        except av.FFmpegError as error:
            choice = self.options.transport == "auto" and self._transport == "tcp"
            if not (choice and error.errno == errno.EPROTONOSUPPORT and self._url.lower().startswith("rtsp")):
                raise
        self._transport = "udp"
        return self._open(self._demuxer)

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
            options |= _BY_TRANSPORT[self._transport]
        address, listens = _LISTEN.subn("", url)
        if listens and url.lower().startswith("rtsp"):
            url = address
            options.pop("rtsp_transport")  # it is for the sender to choose
            options |= {"rtsp_flags": "listen", "listen_timeout": str(math.ceil(limit))}
        elif listens and not url.lower().startswith(_KNOWS_LISTEN):
            url = address
            options["listen"] = "1"
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
        """Give the sentence for what FFmpeg says."""
        if isinstance(error, av.error.ProtocolNotFoundError):  # and will not be however long it is waited for
            raise UsageError(
                f"{self.name}: the FFmpeg in this installation of PyAV has no such protocol; have the camera send by "
                "another one, or install a PyAV that was built with it (pip install av --no-binary av)."
            ) from error
        for kind, (status, words) in _STATUS_OF.items():
            if isinstance(error, kind):
                return CameraError(refusal(self._url, status, words))
        limit = self.options.open_timeout
        if isinstance(error, av.error.ExitError | av.error.TimeoutError):
            return CameraError(
                f"{self.name} has not answered within {limit:g} s: check the address and the network."
            )
        if isinstance(error, av.error.EOFError):
            return CameraError(
                f"{self.name} answers and sends nothing: check the address, and that it is sending."
            )
        if isinstance(error, av.error.InvalidDataError):
            return CameraError(
                f"{self.name} cannot be opened (what it sends is no video stream that is known here): check the "
                "address, or name what it is sent in (--demuxer)."
            )
        return CameraError(
            f"{self.name} cannot be opened ({reason(error)}): check the address, and that it is sending."
        )


def reason(error: BaseException) -> str:
    """Give what FFmpeg says, without its number and without the address that it may repeat."""
    text = error.strerror if isinstance(error, OSError | av.FFmpegError) else None
    return without_credentials(text or str(error))


def _check_demuxer(name: str) -> None:
    try:
        ContainerFormat(name, "r")
    except ValueError:
        raise UsageError(
            f"There is no demuxer {name!r}: give a name of FFmpeg's, such as mjpeg, mpegts or h264."
        ) from None
