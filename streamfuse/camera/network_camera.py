"""Network streams by URL: rtsp, rtsps, http(s), udp, tcp, srt and what else FFmpeg reads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
import av.container
import av.error
from av.format import Flags

from streamfuse.camera import rtp_losses as losses
from streamfuse.camera.arrivals import ArrivalRate
from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits
from streamfuse.camera.stream_door import Door, reason
from streamfuse.camera.whole import WholePictures
from streamfuse.capture.avframe import picture_of
from streamfuse.core.frame import Exposure, Frame
from streamfuse.core.queue import Queue
from streamfuse.errors import CameraError, without_credentials

SCHEMES = ("rtsp", "rtsps", "http", "https", "udp", "tcp", "srt", "rtmp", "rtmps")
_WAITING = 3  # decoded frames held for the consumer; the oldest is dropped: this is live
_RATES = (1, 1000)  # frames per second; what is beyond is a time base, where the stream does not tell
_PROBABLE_RATE = Fraction(25)  # until one is known
_PATIENT_SECONDS = 3.0  # without a picture, after which it is said why
_LOG = logging.getLogger("streamfuse.camera")


class NetworkCamera:
    """A stream that is decoded in a thread of its own, so that the sender never waits for the consumer.

    Its frames carry the time stamps of the stream. Where those are made up by the reader (Motion JPEG over HTTP has
    none), they have no `pts`, and the time of arrival counts.

    Args:
        door: opens it.

    Attributes:
        mode: what it delivers; of a stream that does not tell its rate only known with the first frame.

    Raises:
        CameraError: unreachable, refused, or no video in it.
    """

    limits: ExposureLimits | None = None
    exposure: Exposure | None = None

    def __init__(self, door: Door) -> None:
        self.name = door.name
        self._door = door
        self._frames: Queue[Frame] = Queue(_WAITING, "drop-oldest")
        self._closed = False
        self._whole = WholePictures(door.options.damaged, door.options.keyframe_timeout)
        self._container = door.open()
        try:
            self._enter()
        except BaseException:
            self._container.close()
            raise
        self._thread = threading.Thread(target=self._read, name=f"streamfuse {self.name}", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Frames that were damaged, or came faster than they were taken."""
        return self._frames.drops + self._whole.lost

    def set_exposure(self, exposure: Exposure) -> None:
        """Not possible from here.

        Raises:
            CameraError: always.
        """
        raise CameraError(
            f"The exposure of {self.name} cannot be set over the network: let it alternate by itself."
        )

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame; frames that nobody took in time are lost.

        Raises:
            CameraError: the stream ended or broke off, or has sent no picture that stands for itself.
        """
        frame = self._frames.get(timeout)
        return frame if isinstance(frame, Frame) else None

    def close(self) -> None:
        """Stop reading; a read that is under way ends by itself, at the latest with its timeout."""
        self._closed = True
        self._frames.cancel()
        self._frames.end()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def _enter(self) -> None:
        """Take the video of the stream that was opened."""
        self._stream = self._picture_stream()
        self._undated = bool(Flags(self._container.format.flags) & Flags.no_timestamps)
        self.mode = self._mode()
        self._rate = ArrivalRate() if self.mode.rate_is == "measured" and self._door.rate is None else None

    def _picture_stream(self) -> av.VideoStream:
        for stream in self._container.streams.video:
            if stream.codec_context is not None:
                # Threads over frames would hold back as many frames as there are threads.
                stream.thread_type = "SLICE"
                return stream
        raise CameraError(f"{self.name} has no video that can be decoded: check what it sends.")

    def _mode(self) -> CameraMode:
        stream, assumed = self._stream, self._door.options.assume_fps
        told = Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 0)
        form = stream.width, stream.height
        codec = stream.codec_context.name
        if not self._undated and _RATES[0] <= told <= _RATES[1]:
            return CameraMode(*form, told, codec)
        if assumed is not None:
            return CameraMode(*form, Fraction(assumed).limit_denominator(1001), codec, "assumed")
        return CameraMode(*form, self._door.rate or _PROBABLE_RATE, codec, "measured")

    def _read(self) -> None:
        """Decode until the end, a failure or `close`; the container belongs to this thread."""
        failure = "ended"
        try:
            try:
                self._decode_all()
            except av.error.InvalidDataError:
                other = self._door.other(self._container)
                if other is None:
                    raise
                self._container.close()
                self._container = other
                self._enter()
                self._decode_all()
        except (av.error.ExitError, av.error.TimeoutError):
            failure = "fell silent"
        except CameraError as error:
            self._frames.end(error)
        except (av.FFmpegError, OSError) as error:
            failure = f"broke off ({reason(error)})"
        except Exception as error:  # whatever goes wrong in a thread has to reach the consumer
            failure = f"cannot be used ({without_credentials(str(error))})"
        finally:
            # The decoder's threads end when nobody holds it any more: one that was told of the end holds this camera.
            self._container.close()
            del self._container, self._stream
        self._frames.end(CameraError(f"The stream {self.name} {failure}."))

    def _decode_all(self) -> None:
        began: float | None = None
        told = False
        for packet, missed in self._packets():
            arrived = time.monotonic()
            if self._closed:
                break
            for picture in self._whole.take(packet, missed=missed):
                self._offer(picture, arrived)
            if self._whole.began or not packet.size:
                continue
            began = began or arrived
            if arrived - began > self._door.options.keyframe_timeout:
                raise CameraError(
                    f"{self.name} is sending, but no keyframe came within {arrived - began:.0f} s: set the camera to "
                    "send one more often, or give it more time (--keyframe-timeout)."
                )
            if arrived - began > _PATIENT_SECONDS and not told:
                told = True
                _LOG.warning(
                    "%s is sending, no keyframe yet.", self.name, extra={"event": "source", "fields": {}}
                )

    def _packets(self) -> Iterator[tuple[av.Packet[av.VideoStream], bool]]:
        """Give what comes, and whether something before it did not."""
        if self._door.can_lose:
            yield from losses.noticed(self._container, self._stream)
        else:
            yield from ((packet, False) for packet in self._container.demux(self._stream))

    def _offer(self, raw: av.VideoFrame, arrived: float) -> None:
        dated = raw.pts is not None and not self._undated
        frame = Frame(
            *picture_of(raw),
            pts=raw.pts if dated else None,
            time_base=Fraction(raw.time_base) if raw.time_base else Fraction(1, 90_000),
            index=0,
            captured_at=arrived,
        )
        if self._is_measured(frame, arrived):
            self._frames.put(frame)

    def _is_measured(self, frame: Frame, arrived: float) -> bool:
        """Tell whether the mode is known; frames before that only tell it."""
        if self._rate is not None:
            rate = self._rate.add(arrived)
            if rate is None:
                return False
            self._rate, self._door.rate = None, rate
            self.mode = replace(self.mode, rate=rate)
        if self.mode.width != frame.width or self.mode.height != frame.height:
            self.mode = replace(self.mode, width=frame.width, height=frame.height)
        return True
