"""Frames over ZeroMQ: the publishing end. docs/zmq.md specifies what is sent."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.protocols import Drain, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.core.spec_options import Parsers, read_options
from streamfuse.errors import EncoderError, OutputError, StreamTimeoutError
from streamfuse.zmq.endpoint import Endpoint, parse_endpoint
from streamfuse.zmq.header import Content, HeaderMaker
from streamfuse.zmq.message import HelloHeader
from streamfuse.zmq.payload import Payload, make_encoder
from streamfuse.zmq.publisher import Publisher, PublishSettings
from streamfuse.zmq.socket import LinkCounts

_POLL_SECONDS = 0.02
_DEFAULT_SETTINGS = PublishSettings()
_PARSERS: Parsers = {
    "topic": ("topic", str),
    "encoding": ("encoding", str),
    "pixels": ("pixels", str),
    "quality": ("quality", int),
    "crf": ("crf", float),
    "workers": ("workers", int),
    "hwm": ("hwm", int),
    "heartbeat": ("heartbeat", float),
    "wait": ("wait", float),
    "late": ("late", str),
    "keys": ("keys", Path),
    "clients": ("clients", Path),
}


def open_publisher(
    target: str, info: SourceInfo, *, rate: Fraction | None = None, content: Content = "fused"
) -> ZmqSink:
    """Open a sink for an endpoint with its options, such as `zmq+pub://127.0.0.1:5556?encoding=jpeg`.

    Raises:
        UsageError, OutputError, EncoderError: as the message says.
    """
    endpoint = parse_endpoint(target, "sink")
    settings = PublishSettings(**read_options(str(endpoint), endpoint.options.items(), _PARSERS))
    return ZmqSink(endpoint, info, settings, rate=rate, content=content)


class ZmqSink(Drain[FusedFrame | Frame]):
    """Publishes frames, fused ones or single exposures.

    `pub` never waits: a subscriber that is slow or gone loses frames, and nothing is encoded while nobody listens.
    `push` gives each frame to one receiver and waits for it, so that none is lost; with `late=drop` it does not wait
    for a receiver that is not there, so that the first one that comes sees the present.

    Raw planes are sent without a copy. That is safe, since the arrays of a frame are never written to again; they
    live until ZeroMQ has sent them. JPEGs are made by threads of their own.

    Args:
        endpoint: `pub` or `push`.
        info: the source of the frames.
        settings: how.
        rate: nominal frames per second; by default the source's.
        content: what is said of the frames before the first one tells by its class.

    Attributes:
        outputs: the address, with the port that was chosen.
        warnings: a sentence for each thing the user should know.

    Raises:
        OutputError: the address is taken, or is not this machine's.
        EncoderError, UsageError, InputNotFoundError, InputError: a setting that does not fit.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        info: SourceInfo,
        settings: PublishSettings = _DEFAULT_SETTINGS,
        *,
        rate: Fraction | None = None,
        content: Content = "fused",
    ) -> None:
        self._endpoint, self._info, self._settings = endpoint, info, settings
        rate = rate or info.rate
        self._encoder = make_encoder(
            settings.encoding,
            info,
            pixels=settings.pixels,
            quality=settings.quality,
            crf=settings.crf,
            rate=rate,
        )
        self._headers = HeaderMaker(info, self._encoder, rate, content)
        self._expected = (
            info.width, info.height, info.bits, info.subsampling, 3 if info.has_chroma else 1,
        )  # fmt: skip
        self._need_keyframe = True
        self._taken = True
        self._closed = False
        self._publisher = Publisher(
            endpoint,
            settings,
            settings.topic or content,
            lambda known: HelloHeader(**known, **self._headers.picture()),
        )
        self._jobs: deque[tuple[Frame | FusedFrame, int, Future[Payload]]] = deque()
        self._pool = ThreadPoolExecutor(settings.workers, "jpeg") if self._encoder.parallel else None
        self.outputs = [self._publisher.address]
        self.warnings = self._publisher.warnings

    @property
    def live(self) -> bool:
        """Tell whether frames are left out for the slow (pub), in place of waiting for them (push)."""
        return self._endpoint.live

    @property
    def subscribers(self) -> int:
        """Tell how many listen now (pub); one that subscribes twice counts twice."""
        return self._publisher.subscribers

    @property
    def ready(self) -> bool:
        """Tell whether the last frame was taken by somebody; always for pub, which never knows."""
        return self._taken

    @property
    def dropped(self) -> int:
        """Frames that were left out because encoding was too slow, or nobody took them."""
        return self._publisher.dropped

    @property
    def links(self) -> LinkCounts:
        """Connections made, lost and refused so far."""
        return self._publisher.links

    def write(self, frame: FusedFrame | Frame) -> None:
        """Publish one frame.

        Raises:
            StreamTimeoutError: push, and nobody took it in time.
            EncoderError: it cannot be encoded, or is not like the others.
            OutputError: this sink is closed.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._endpoint} is closed: no frame can be published.")
        self._check_size(frame)
        publisher = self._publisher
        with publisher.lock:
            if publisher.seq == 0:
                self._headers.content = "exposure" if isinstance(frame, Frame) else "fused"
                publisher.topic = self._settings.topic or self._headers.content
            publisher.serve()
            seq = publisher.seq
            publisher.seq += 1
            if not self._is_wanted():
                self._need_keyframe = True
                return
            if self._pool is None:
                self._need_keyframe |= publisher.newcomers
                publisher.newcomers = False
                payload = self._encoder.encode(frame, keyframe=self._need_keyframe)
                self._need_keyframe = False
                self._send(frame, seq, payload)
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
            time.sleep(_POLL_SECONDS)

    def report(self) -> SinkReport:
        """Tell what could not be kept."""
        return SinkReport(tuple(self.warnings), self.ready)

    def close(self) -> None:
        """Send what is still being encoded, and the end of the stream; more than once does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._publisher.failed:
                self._drain(wait=True)
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._publisher.close()

    def _is_wanted(self) -> bool:
        """Tell whether there may be somebody for a frame; else it is not even encoded."""
        if self.live:
            return self._publisher.subscribers > 0
        self._taken = self._settings.late == "wait" or self._publisher.links.peers > 0
        self._publisher.dropped += not self._taken
        return self._taken

    def _send(self, frame: Frame | FusedFrame, seq: int, payload: Payload) -> None:
        header = self._headers.frame(frame, payload, self._publisher.envelope(seq))
        self._taken = self._publisher.send(
            header, (*payload.arrays, *(frame.maps.values() if isinstance(frame, FusedFrame) else ()))
        )
        if not self._taken:
            self._publisher.dropped += 1
            self._need_keyframe = True

    def _submit(self, frame: Frame | FusedFrame, seq: int) -> None:
        """Have it encoded by a worker; too many at work: leave it out (pub), or wait (push)."""
        assert self._pool is not None
        self._drain()
        while len(self._jobs) >= 2 * self._settings.workers:
            if self.live:
                with self._publisher.lock:
                    self._publisher.dropped += 1
                return
            self._jobs[0][2].result()
            self._drain()
        job = self._pool.submit(self._encoder.encode, frame, keyframe=True)
        with self._publisher.lock:
            self._jobs.append((frame, seq, job))
        job.add_done_callback(lambda _: self._drain_soon())

    def _drain(self, *, wait: bool = False) -> None:
        """Send those that are encoded, in order.

        Raises:
            Exception: that of an encoder.
        """
        with self._publisher.lock:
            while self._jobs and (wait or self._jobs[0][2].done()):
                frame, seq, job = self._jobs.popleft()
                try:
                    self._send(frame, seq, job.result())
                except BaseException:
                    self._publisher.failed = True
                    raise

    def _drain_soon(self) -> None:
        """From a worker, so that a frame need not wait for the next one; what fails is told by `write`."""
        if not self.live or not self._publisher.lock.acquire(blocking=False):
            return
        try:
            if (
                not self._closed
                and self._jobs
                and self._jobs[0][2].done()
                and not self._jobs[0][2].exception()
            ):
                self._drain()
        finally:
            self._publisher.lock.release()

    def _check_size(self, frame: Frame | FusedFrame) -> None:
        height, width = frame.planes[0].shape
        if (width, height, frame.bits, frame.subsampling, len(frame.planes)) != self._expected:
            info = self._info
            raise EncoderError(
                f"A frame of {frame.width}x{frame.height}, {frame.bits} bit does not fit {self._endpoint}, which "
                f"was opened for {info.width}x{info.height}, {info.bits} bit."
            )
