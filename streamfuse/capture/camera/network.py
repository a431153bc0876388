"""Network streams by URL: rtsp, rtsps, http(s), udp, tcp, srt and what else FFmpeg reads."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from fractions import Fraction

import av
import av.container
import av.error

from streamfuse.capture.avframe import picture_of
from streamfuse.capture.camera.device import CameraMode, ExposureLimits
from streamfuse.errors import CameraError, without_credentials
from streamfuse.frame import Exposure, Frame

SCHEMES = ("rtsp", "rtsps", "http", "https", "udp", "tcp", "srt", "rtmp", "rtmps")
_LISTEN = re.compile(r"[?&]listen=1\b")
_WAITING = 3  # decoded frames held for the consumer; the oldest is dropped: this is live
_DEFAULT_RATE = Fraction(25)
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


class NetworkCamera:
    """A stream that is decoded in a thread of its own, so that the sender never waits for the consumer.

    Args:
        url: where it is; `?listen=1` (rtsp, tcp, http, rtmp) waits for the sender to connect.
        open_timeout: seconds until it counts as unreachable.
        timeout: seconds of silence until it counts as lost.

    Raises:
        CameraError: unreachable, refused, or no video in it.
    """

    limits: ExposureLimits | None = None
    exposure: Exposure | None = None

    def __init__(self, url: str, open_timeout: float, timeout: float) -> None:
        self.name = without_credentials(url)
        self.lost = 0
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: str | None = None
        self._container = self._connect(url, open_timeout, timeout)
        try:
            self._stream = self._picture_stream()
            self.mode = self._mode()
        except BaseException:
            self._container.close()
            raise
        self._thread = threading.Thread(target=self._read, name=f"streamfuse {self.name}", daemon=True)
        self._thread.start()

    def set_exposure(self, exposure: Exposure) -> None:
        """Not possible from here.

        Raises:
            CameraError: always.
        """
        raise CameraError(
            f"The exposure of {self.name} cannot be set over the network: let it alternate by itself."
        )

    def grab(self, timeout: float) -> Frame | None:
        """The next frame; frames that nobody took in time are lost.

        Raises:
            CameraError: the stream ended or broke off.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._error or self._closed, timeout)
            if self._frames:
                return self._frames.popleft()
            if self._error:
                raise CameraError(self._error)
            return None

    def close(self) -> None:
        """Stop reading; a read that is under way ends by itself, at the latest with its timeout."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def _connect(self, url: str, open_timeout: float, timeout: float) -> av.container.InputContainer:
        options = dict(_OPTIONS)
        if url.lower().startswith("rtsp"):
            address, listens = _LISTEN.subn("", url)
            options["rtsp_flags"] = (
                "prefer_tcp"  # UDP only where the camera has no other way: it loses packets
            )
            if listens:  # other protocols know it by themselves
                url, options = (
                    address,
                    options | {"rtsp_flags": "listen", "listen_timeout": str(math.ceil(open_timeout))},
                )
        try:
            return av.open(
                url,
                options=options,
                timeout=(open_timeout, timeout),
                metadata_errors="replace",
                buffer_size=65536,
            )
        except (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError) as error:
            raise CameraError(
                f"{self.name} refuses the user or the password: check them in the URL."
            ) from error
        except (av.error.ExitError, av.error.TimeoutError) as error:
            raise CameraError(
                f"{self.name} has not answered within {open_timeout:g} s: check the address and the network."
            ) from error
        except av.FFmpegError as error:
            raise CameraError(
                f"{self.name} cannot be opened ({_reason(error)}): check the address, and that it is sending."
            ) from error

    def _picture_stream(self) -> av.VideoStream:
        for stream in self._container.streams.video:
            if stream.codec_context is not None:
                # Threads over frames would hold back as many frames as there are threads.
                stream.thread_type = "SLICE"
                return stream
        raise CameraError(f"{self.name} has no video that can be decoded: check what it sends.")

    def _mode(self) -> CameraMode:
        stream = self._stream
        rate = Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or _DEFAULT_RATE)
        if not 1 <= rate <= 1000:  # a time base, where the stream does not tell
            rate = _DEFAULT_RATE
        return CameraMode(stream.width, stream.height, rate, stream.codec_context.name)

    def _read(self) -> None:
        """Decode until the end, a failure or `close`; the container belongs to this thread."""
        failure = "ended"
        try:
            for packet in self._container.demux(self._stream):
                arrived = time.monotonic()
                if self._closed:
                    break
                for frame in self._decode(packet):
                    self._offer(frame, arrived)
        except (av.error.ExitError, av.error.TimeoutError):
            failure = "fell silent"
        except (av.FFmpegError, OSError) as error:
            failure = f"broke off ({_reason(error)})"
        except Exception as error:  # whatever goes wrong in a thread has to reach the consumer
            failure = f"cannot be used ({without_credentials(str(error))})"
        finally:
            self._container.close()
        with self._changed:
            self._error = f"The stream {self.name} {failure}."
            self._changed.notify_all()

    def _decode(self, packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
        """Whole pictures only: one with holes is worse than a lost one."""
        try:
            pictures = packet.decode()
        except av.EOFError:
            return []
        except av.FFmpegError:
            self.lost += 1
            return []
        whole = [picture for picture in pictures if not picture.is_corrupt]
        self.lost += len(pictures) - len(whole)
        return whole

    def _offer(self, raw: av.VideoFrame, arrived: float) -> None:
        frame = Frame(
            *picture_of(raw),
            pts=raw.pts,
            time_base=Fraction(raw.time_base) if raw.time_base else Fraction(1, 90_000),
            index=0,
            captured_at=arrived,
        )
        with self._changed:
            if self._closed:
                return
            if len(self._frames) == _WAITING:
                self._frames.popleft()
                self.lost += 1
            self._frames.append(frame)
            self._changed.notify_all()


def _reason(error: BaseException) -> str:
    """What FFmpeg says, without the address that it may repeat."""
    return without_credentials(getattr(error, "strerror", None) or str(error))
