"""Frames over ZeroMQ: the publishing end. docs/zmq.md specifies what is sent."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import zmq

from streamfuse.encode.payload import Payload, make_encoder
from streamfuse.errors import EncoderError, OutputError, StreamTimeoutError, UsageError
from streamfuse.frame import ColorInfo, Exposure, Frame, FusedFrame
from streamfuse.stage import SourceInfo
from streamfuse.wire.endpoint import Endpoint, parse_endpoint, read_options
from streamfuse.wire.message import (
    DTYPES,
    TOPIC_BYTES,
    Color,
    Encoding,
    EndHeader,
    ExposureInfo,
    FrameHeader,
    Header,
    HeartbeatHeader,
    HelloHeader,
    PartInfo,
    encode_header,
)
from streamfuse.wire.pixels import planes_of
from streamfuse.wire.security import allow_only, load_keys, secure_server
from streamfuse.wire.socket import LinkCounts, LinkMonitor, attach, make_socket

Content = Literal["fused", "exposure"]

_CONTROL_BYTES = 1024  # of what a subscriber may send: a subscription is a topic and one byte
_TOPICS = 4096  # that are remembered: whoever subscribes to more is up to no good
_SERVE_SECONDS = 0.05
_PUB_END_SECONDS = 1.0
_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """How to publish; each is an option of the endpoint, such as `?encoding=jpeg&quality=80`.

    Args:
        topic: what to publish under; None is the content's name.
        encoding: 'raw', 'jpeg', 'h264' or 'hevc'.
        pixels: layout of raw frames, see `streamfuse.wire.pixels.LAYOUTS`.
        quality: of JPEG, 1..100.
        crf: of H.264 and HEVC.
        workers: threads that encode JPEG.
        hwm: messages that wait for each subscriber.
        heartbeat: seconds without a frame after which a sign of life is sent.
        wait: seconds that a frame waits for a receiver (push) before it is an error, and the end of the stream
            for its delivery.
        copy: send copies; needed only where the caller writes to a frame's arrays again.
        keys: file with the key pair of this end, which turns CURVE on.
        clients: folder with the public keys of those who may subscribe; None lets in everybody who has the key.
    """

    topic: str | None = None
    encoding: Encoding = "raw"
    pixels: str = "native"
    quality: int = 85
    crf: float | None = None
    workers: int = 2
    hwm: int = 2
    heartbeat: float = 1.0
    wait: float = 60.0
    copy: bool = False
    keys: str | Path | None = None
    clients: str | Path | None = None

    def __post_init__(self) -> None:
        if self.encoding not in get_args(Encoding):
            raise UsageError(
                f"There is no encoding {self.encoding!r}: use one of {', '.join(get_args(Encoding))}."
            )
        if self.hwm < 1 or self.workers < 1 or not self.heartbeat > 0 or not self.wait > 0:
            raise UsageError("hwm and workers have to be 1 or more, heartbeat and wait more than 0 seconds.")
        if self.clients is not None and self.keys is None:
            raise UsageError("A list of clients needs keys for this end as well: keys=NAME.key_secret.")
        if self.topic is not None and len(self.topic.encode()) > TOPIC_BYTES:
            raise UsageError(f"The topic is longer than {TOPIC_BYTES} bytes.")


_PARSERS: dict[str, Any] = {
    "topic": str, "encoding": str, "pixels": str, "quality": int, "crf": float, "workers": int, "hwm": int,
    "heartbeat": float, "wait": float, "keys": Path, "clients": Path,
}  # fmt: skip


def open_publisher(
    target: str, info: SourceInfo, *, rate: Fraction | None = None, content: Content = "fused"
) -> ZmqSink:
    """A sink for an endpoint with its options.

    Raises:
        UsageError, OutputError, EncoderError: as the message says.
    """
    endpoint = parse_endpoint(target, "sink")
    options = read_options(endpoint, {name: (name, parse) for name, parse in _PARSERS.items()})
    return ZmqSink(endpoint, info, PublishSettings(**options), rate=rate, content=content)


class ZmqSink:
    """Publishes frames, fused ones or single exposures.

    `pub` never waits: a subscriber that is slow or gone loses frames, and nothing is encoded while nobody listens.
    `push` gives each frame to one receiver and waits for it, so that none is lost.

    Raw planes are sent without a copy. That is safe, since the arrays of a frame are never written to again; they
    live until ZeroMQ has sent them.

    Args:
        endpoint: `pub` or `push`.
        info: the source of the frames.
        settings: how.
        rate: nominal frames per second; by default the source's.
        content: what is said of the frames before the first one tells by its class.

    Attributes:
        outputs: the address, with the port that was chosen.
        warnings: a sentence for each thing the user should know.
        dropped: frames that were left out because encoding was too slow.

    Raises:
        OutputError: the address is taken, or is not this machine's.
        EncoderError, UsageError, InputNotFoundError, InputError: a setting that does not fit.
    """

    def __init__(
        self, endpoint: Endpoint, info: SourceInfo, settings: PublishSettings = PublishSettings(), *,
        rate: Fraction | None = None, content: Content = "fused",
    ) -> None:  # fmt: skip
        self.warnings: list[str] = []
        self.dropped = 0
        self._endpoint, self._info, self._settings = endpoint, info, settings
        self._rate = rate or info.rate
        self._stream = secrets.token_hex(8)
        self._encoder = make_encoder(
            settings.encoding, info, pixels=settings.pixels, quality=settings.quality, crf=settings.crf, rate=self._rate,
        )  # fmt: skip
        self._content = content
        self._topic = b"" if settings.topic is None else settings.topic.encode()
        self._seq = 0
        self._topics: Counter[bytes] = Counter()
        self._need_keyframe = True
        self._failed = False
        self._jobs: deque[tuple[Frame | FusedFrame, int, Future[Payload]]] = deque()
        self._pool = ThreadPoolExecutor(settings.workers, "jpeg") if self._encoder.parallel else None
        self._lock = threading.RLock()  # of the socket and all of the above
        self._closed = threading.Event()
        self._context: zmq.Context[Any] = zmq.Context()
        self._authenticator: Any = None
        try:
            self._open()
        except BaseException:
            self._shut(0)
            raise
        self._sent_at = time.monotonic()
        self._helper = threading.Thread(target=self._keep_alive, name=f"publish {endpoint.address}", daemon=True)
        self._helper.start()

    @property
    def live(self) -> bool:
        """Whether frames are left out for the slow (pub), in place of waiting for them (push)."""
        return self._endpoint.live

    @property
    def subscribers(self) -> int:
        """How many listen to this topic now (pub); one that subscribes twice counts twice."""
        return sum(count for topic, count in self._topics.items() if self._topic_now().startswith(topic))

    @property
    def links(self) -> LinkCounts:
        """Connections made, lost and refused so far."""
        return self._monitor.counts

    def write(self, frame: FusedFrame | Frame) -> None:
        """Publish one frame.

        Raises:
            StreamTimeoutError: push, and nobody took it in time.
            EncoderError: it cannot be encoded, or is not like the others.
            OutputError: this sink is closed.
        """
        if self._closed.is_set():
            raise OutputError(f"{self._endpoint} is closed: no frame can be published.")
        self._check_size(frame)
        with self._lock:
            if self._seq == 0:
                self._content = "exposure" if isinstance(frame, Frame) else "fused"
            self._serve()
            seq = self._seq
            self._seq += 1
            if self._endpoint.live and not self.subscribers:
                self._need_keyframe = True
                return
            if self._pool is None:
                payload = self._encoder.encode(frame, keyframe=self._need_keyframe)
                self._need_keyframe = self._need_keyframe and not payload.keyframe
                self._send_frame(frame, seq, payload)
                return
        self._submit(frame, seq)

    def wait_for_subscribers(self, count: int, seconds: float) -> None:
        """Return as soon as so many listen (pub).

        Raises:
            StreamTimeoutError: they did not come in time.
        """
        end = time.monotonic() + seconds
        while self.subscribers < count:
            if time.monotonic() > end:
                raise StreamTimeoutError(
                    f"{self.subscribers} of {count} subscribers came to {self.outputs[0]} within {seconds:g} s."
                )
            time.sleep(_SERVE_SECONDS)

    def close(self) -> None:
        """Send what is still being encoded, and the end of the stream; more than once does nothing."""
        if self._closed.is_set():
            return
        try:
            if not self._failed:
                self._drain(wait=True)
        finally:
            self._closed.set()
            self._helper.join()
            with self._lock:
                self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Opening and closing

    def _open(self) -> None:
        settings, endpoint = self._settings, self._endpoint
        if settings.clients is not None:
            self._authenticator = allow_only(self._context, settings.clients)
        self._socket = make_socket(self._context, endpoint, hwm=settings.hwm, max_bytes=_CONTROL_BYTES)
        if endpoint.kind == "pub":
            self._socket.xpub_verboser = True  # each one that comes or goes is told, not the first and the last only
        if settings.keys is not None:
            secure_server(self._socket, load_keys(settings.keys, secret=True))
        elif endpoint.public:
            self.warnings.append(
                f"{endpoint.address} can be reached from other machines, and everybody there can read it: "
                "add keys=NAME.key_secret (see `streamfuse keys`), or bind to 127.0.0.1."
            )
        self._monitor = LinkMonitor(self._socket)
        try:
            self.outputs = [attach(self._socket, endpoint)]
        except zmq.ZMQError as error:
            self._monitor.close()
            raise OutputError(
                f"{endpoint.address} cannot be opened ({error.strerror}): choose another address, or end the program "
                "that has it."
            ) from error

    def _finish(self) -> None:
        if not self._failed:
            self._send_end()
        if not self._failed:
            self._await_goodbye()
        self._shut(0 if self._failed else int(self._patience * 1000))

    @property
    def _patience(self) -> float:
        """Seconds that the end of the stream may take to be delivered."""
        return _PUB_END_SECONDS if self._endpoint.live else self._settings.wait

    def _shut(self, linger_ms: int) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if hasattr(self, "_monitor"):
            with suppress(zmq.ZMQError):
                self._monitor.close()
        if hasattr(self, "_socket"):
            self._socket.close(linger_ms)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    # What is sent

    def _topic_now(self) -> bytes:
        return self._topic if self._settings.topic is not None else self._content.encode()

    def _envelope(self, seq: int) -> dict[str, Any]:
        return {"stream": self._stream, "seq": seq, "published_at": time.time(), "dropped": self.dropped}

    def _picture(self) -> dict[str, Any]:
        info, encoder = self._info, self._encoder
        return {
            "content": self._content,
            "encoding": encoder.encoding,
            "pixel_format": encoder.pixel_format,
            "width": info.width,
            "height": info.height,
            "color": _color(encoder.color),
            "time_base": info.time_base.as_integer_ratio(),
            "rate": self._rate.as_integer_ratio(),
            "simultaneous": info.simultaneous if self._content == "exposure" else 1,
        }

    def _send_frame(self, frame: Frame | FusedFrame, seq: int, payload: Payload) -> None:
        maps = getattr(frame, "maps", {})
        if self._encoder.encoding == "raw":
            parts = _raw_parts(self._encoder.pixel_format, frame.width, frame.height)
        else:
            parts = (PartInfo(name=self._encoder.encoding, dtype="uint8", shape=payload.arrays[0].shape),)
        header = FrameHeader(
            **self._envelope(seq) | self._picture() | {"time_base": frame.time_base.as_integer_ratio()},
            index=frame.index,
            pts=frame.pts,
            captured_at=_unix_time(frame.captured_at),
            keyframe=payload.keyframe,
            exposures=getattr(frame, "exposures", ()),
            exposure=_exposure(getattr(frame, "exposure", None)),
            stats={key: float(value) for key, value in getattr(frame, "stats", {}).items() if math.isfinite(value)},
            parts=parts + tuple(_map_part(name, array) for name, array in maps.items()),
        )
        self._send(header, (*payload.arrays, *maps.values()))

    def _send(self, header: Header, arrays: Iterable[npt.NDArray[Any]] = ()) -> None:
        self._wait_for_room()
        message: list[Any] = [self._topic_now(), encode_header(header)]
        message += (np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data for array in arrays)
        with suppress(zmq.Again):  # pub: nobody who listens has room
            self._socket.send_multipart(message, zmq.NOBLOCK, copy=self._settings.copy)
        self._sent_at = time.monotonic()

    def _wait_for_room(self) -> None:
        """Push: wait until a receiver is there and has room."""
        end = time.monotonic() + self._settings.wait
        while not self._endpoint.live and not self._socket.poll(int(_SERVE_SECONDS * 1000), zmq.POLLOUT):
            if time.monotonic() > end:
                self._failed = True
                raise StreamTimeoutError(
                    f"Nobody took a frame from {self.outputs[0]} for {self._settings.wait:g} s: start the receiver "
                    "first, or give more time by wait=SECONDS."
                )

    def _send_end(self) -> None:
        """Tell that the stream is complete, to the slow ones too."""
        if not self._endpoint.live:
            self._monitor.read()
            for _ in range(max(1, self.links.peers)):  # ZeroMQ gives one to each in turn
                with suppress(StreamTimeoutError):
                    self._send(EndHeader(**self._envelope(self._seq)))
            return
        message = [self._topic_now(), encode_header(EndHeader(**self._envelope(self._seq)))]
        self._socket.xpub_nodrop, self._socket.sndtimeo = True, int(_PUB_END_SECONDS * 500)
        try:
            self._socket.send_multipart(message)
        except zmq.Again:
            self._socket.xpub_nodrop = False  # one hangs: the others shall get it
            self._socket.send_multipart(message)

    def _await_goodbye(self) -> None:
        """Wait until those who got the end have closed their side.

        Were this side closed first, libzmq would throw away at theirs what they have not read yet.
        """
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            self._serve()
            if not (self._topics if self._endpoint.live else self.links.peers):
                return
            time.sleep(_SERVE_SECONDS / 10)

    # JPEG, off the hot path

    def _submit(self, frame: Frame | FusedFrame, seq: int) -> None:
        """Have it encoded by a worker; too many at work: leave it out (pub), or wait (push)."""
        assert self._pool is not None
        self._drain()
        while len(self._jobs) >= 2 * self._settings.workers:
            if self._endpoint.live:
                with self._lock:
                    self.dropped += 1
                return
            self._jobs[0][2].result()
            self._drain()
        job = self._pool.submit(self._encoder.encode, frame, keyframe=True)
        with self._lock:
            self._jobs.append((frame, seq, job))
        job.add_done_callback(lambda _: self._drain_quietly())

    def _drain(self, *, wait: bool = False) -> None:
        """Send those that are encoded, in order.

        Raises:
            Exception: that of an encoder.
        """
        with self._lock:
            while self._jobs and (wait or self._jobs[0][2].done()):
                frame, seq, job = self._jobs.popleft()
                try:
                    self._send_frame(frame, seq, job.result())
                except BaseException:
                    self._failed = True
                    raise

    def _drain_quietly(self) -> None:
        """From a worker, for the sake of the delay; what fails is told by the next `write`."""
        if not self._endpoint.live or not self._lock.acquire(blocking=False):
            return
        try:
            if not self._closed.is_set() and self._jobs and self._jobs[0][2].done() and not self._jobs[0][2].exception():
                self._drain()
        finally:
            self._lock.release()

    # Those who listen

    def _keep_alive(self) -> None:
        """A thread of its own: greets those who come while no frame does, and sends signs of life."""
        while not self._closed.wait(_SERVE_SECONDS):
            if not self._lock.acquire(blocking=False):
                continue
            try:
                self._serve()
                if time.monotonic() - self._sent_at > self._settings.heartbeat:
                    self._send_if_room(HeartbeatHeader(**self._envelope(self._seq)))
            finally:
                self._lock.release()

    def _serve(self) -> None:
        """Read what subscribers say, and tell new ones what the stream is like."""
        self._monitor.read()
        if not self._endpoint.live:
            return
        greet = False
        while self._socket.poll(0):
            parts = self._socket.recv_multipart()
            if len(parts) == 1 and parts[0][:1] in {b"\0", b"\1"}:
                greet |= self._note(parts[0][1:], comes=parts[0][:1] == b"\1")
        if greet:
            self._need_keyframe = True
            self._send_if_room(HelloHeader(**self._envelope(self._seq), **self._picture()))

    def _note(self, topic: bytes, *, comes: bool) -> bool:
        if not comes:
            self._topics[topic] -= 1
            self._topics += Counter()  # forget those at zero
        elif topic in self._topics or len(self._topics) < _TOPICS:
            self._topics[topic] += 1
        return comes

    def _send_if_room(self, header: Header) -> None:
        if self._endpoint.live or self._socket.poll(0, zmq.POLLOUT):
            self._send(header)

    def _check_size(self, frame: Frame | FusedFrame) -> None:
        info = self._info
        found = (frame.width, frame.height, frame.bits, frame.subsampling, len(frame.planes) == 3)
        if found != (info.width, info.height, info.bits, info.subsampling, info.has_chroma):
            raise EncoderError(
                f"A frame of {frame.width}x{frame.height}, {frame.bits} bit does not fit {self._endpoint}, which was "
                f"opened for {info.width}x{info.height}, {info.bits} bit."
            )


@lru_cache(maxsize=16)
def _raw_parts(pixel_format: str, width: int, height: int) -> tuple[PartInfo, ...]:
    found = planes_of(pixel_format, width, height)
    return tuple(PartInfo(name=plane.name, dtype=plane.dtype, shape=plane.shape) for plane in found)


@lru_cache(maxsize=16)
def _color(color: ColorInfo) -> Color:
    return Color(**{field.name: getattr(color, field.name) for field in fields(color)})


def _map_part(name: str, array: npt.NDArray[Any]) -> PartInfo:
    found = _NAMES.get(array.dtype)
    if found is None:
        raise EncoderError(f"The map {name!r} is {array.dtype}: only {', '.join(DTYPES)} can be published.")
    return PartInfo.model_validate({"name": name, "dtype": found, "shape": array.shape})


def _exposure(exposure: Exposure | None) -> ExposureInfo | None:
    if exposure is None:
        return None
    return ExposureInfo(time_us=exposure.time_us, gain=exposure.gain, rank=exposure.rank)


def _unix_time(monotonic: float | None) -> float | None:
    return None if monotonic is None else time.time() - (time.monotonic() - monotonic)
