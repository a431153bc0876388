"""Frames that another streamfuse publishes: single exposures to fuse, or fused frames to record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from streamfuse.core.frame import Frame
from streamfuse.core.protocols import Source
from streamfuse.core.reports import ReceiverStatistics, SourceReport
from streamfuse.errors import InputError
from streamfuse.zmq.endpoint import Endpoint, parse_endpoint
from streamfuse.zmq.receive import Receiver
from streamfuse.zmq.receive_options import receive_settings
from streamfuse.zmq.received import ReceivedFrame
from streamfuse.zmq.socket_receiver import ReceiveSettings

_DEFAULT_SETTINGS = ReceiveSettings()


def open_stream(spec: str) -> ZmqSource:
    """Open a source for an endpoint such as `zmq://192.168.1.5:5556?timeout=60` or `zmq+pull+ipc:///tmp/frames`.

    Options: topic, timeout (seconds, or none), hwm, max_age (seconds, or none), server and keys (files), max_pixels.

    Raises:
        UsageError, InputError, StreamTimeoutError, StreamAccessError: as the message says.
    """
    endpoint = parse_endpoint(spec, "source")
    return ZmqSource(endpoint, receive_settings(endpoint))


class ZmqSource(Source):
    """Frames of a stream, in order; waits for the publisher at construction, so that `info` is what really comes.

    `pull` loses nothing. `sub` loses what is not taken in time. When the publisher is started again it goes on with
    its new stream, if that has the same kind of pictures and later time stamps.

    Args:
        endpoint: `sub` or `pull`.
        settings: how to receive.

    Attributes:
        info: what the frames are like.
        warnings: a sentence for each thing the user should know.

    Raises:
        StreamTimeoutError: nothing came in time; also while iterating.
        StreamAccessError: the publisher refuses this end, or is not the one that was expected.
        InputError: the stream ended before its first frame; while iterating: the pictures change, or the time
            stamps begin again.
    """

    def __init__(self, endpoint: Endpoint, settings: ReceiveSettings = _DEFAULT_SETTINGS) -> None:
        self._stopped = threading.Event()
        self._receiver = Receiver(endpoint, settings)
        self.warnings = self._receiver.warnings
        try:
            self.info = replace(self._receiver.wait_info(), live=endpoint.kind == "sub")
        except BaseException:
            self._receiver.close()
            raise

    @property
    def statistics(self) -> ReceiverStatistics:
        """Give what was received, lost and refused so far."""
        return self._receiver.statistics

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames until the end of the stream; ends soon after `close`."""
        last: Fraction | None = None
        while (received := self._receiver.get(lambda: not self._stopped.is_set())) is not None:
            self._check_alike(received)
            if received.pts is not None:
                moment = received.pts * received.time_base
                if last is not None and moment <= last:
                    raise InputError(
                        f"The time stamps of {self.info.name} begin again at frame {received.index}: the publisher was "
                        "started from its beginning; start the receiver again too."
                    )
                last = moment if self.info.simultaneous == 1 else None
            yield _frame(received)

    def close(self) -> None:
        """Stop receiving; may be called from another thread and more than once."""
        self._stopped.set()
        self._receiver.close()

    def report(self) -> SourceReport:
        """Tell what was received so far, and what its user should know."""
        return SourceReport(tuple(self.warnings), received=self.statistics)

    def _check_alike(self, frame: ReceivedFrame) -> None:
        info = self.info
        found = (
            frame.width,
            frame.height,
            frame.bits,
            frame.subsampling,
            frame.color,
            len(frame.planes) == 3,
        )
        if found != (info.width, info.height, info.bits, info.subsampling, info.color, info.has_chroma):
            raise InputError(
                f"The pictures of {info.name} change at frame {frame.index} ({info.width}x{info.height}, "
                f"{info.bits} bit to {frame.width}x{frame.height}, {frame.bits} bit, or in colour); start again."
            )


def _frame(received: ReceivedFrame) -> Frame:
    return Frame(
        planes=received.planes,
        bits=received.bits,
        subsampling=received.subsampling,
        color=received.color,
        pts=received.pts,
        time_base=received.time_base,
        index=received.index,
        exposure=received.exposure,
        captured_at=received.captured_at,
    )
