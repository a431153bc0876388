"""Looking at a stream: rates and delays, a window, a recording."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from types import TracebackType
from typing import Self, Unpack

from streamfuse.core.options import SinkOptions
from streamfuse.core.protocols import Sink
from streamfuse.encode.preview_sink import open_viewer
from streamfuse.runtime.sinks import open_recorder
from streamfuse.zmq.received import ReceivedFrame
from streamfuse.zmq.subscription import Subscription

_REPORT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came in the last second, or in all.

    Args:
        frames: frames taken.
        fps: frames taken per second, from the first frame on.
        megabytes_per_second: payload that came, from then on.
        age_ms: median time from publishing to taking, in milliseconds (by the clocks of both machines).
        age_ms_max: the largest.
        delay_ms: median time from capture to taking, where the capture time is known.
        lost, skipped, refused: frames lost on the way, left out here, messages refused, since the beginning.
    """

    frames: int
    fps: float
    megabytes_per_second: float
    age_ms: float | None
    age_ms_max: float | None
    delay_ms: float | None
    lost: int
    skipped: int
    refused: int

    def as_dict(self) -> dict[str, object]:
        """Give plain values, ready for JSON."""
        return asdict(self)


def watch(
    subscription: Subscription, *, output: str | None = None, view: bool = False,
    frames: int | None = None, seconds: float | None = None, **options: Unpack[SinkOptions],
) -> Iterator[Report]:  # fmt: skip
    """Take frames, and report once a second; the last report is of all.

    Args:
        subscription: closed at the end.
        output: a file to record to, as `open_sink` takes it, with its options.
        view: show them in a window; closing it ends.
        frames: end after so many.
        seconds: end after so long, whether frames come or not.

    Raises:
        StreamfuseError: as the message says.
    """
    with subscription, _Outputs(subscription, output, view, options) as outputs:
        everything, recent = _Tally(subscription), _Tally(subscription)
        began = time.monotonic()
        end, due = began + (math.inf if seconds is None else seconds), began + _REPORT_SECONDS
        wanted = True
        while wanted and everything.count != frames and time.monotonic() < end:
            frame = subscription.get(min(due, end) - time.monotonic())
            if frame is not None:
                wanted = outputs.take(frame)
                for tally in (everything, recent):
                    tally.add(frame)
            elif subscription.closed:
                break
            if time.monotonic() >= due:
                yield recent.report()
                recent, due = recent.next(), time.monotonic() + _REPORT_SECONDS
        yield everything.report()


class _Tally:
    """Counts frames. Rates begin with the stream's first frame, which itself is not part of them."""

    def __init__(self, subscription: Subscription, *, running: bool = False) -> None:
        self.count = 0
        self._subscription = subscription
        self._running = running
        self._began = time.monotonic()
        self._bytes = subscription.statistics.bytes
        self._before = 0  # frames that came before the time that rates are of
        self._ages: list[float] = []
        self._delays: list[float] = []

    def next(self) -> _Tally:
        """Give one that goes on where this one ends."""
        return _Tally(self._subscription, running=self._running)

    def add(self, frame: ReceivedFrame) -> None:
        self.count += 1
        if not self._running:
            self._running, self._before = True, 1
            self._began, self._bytes = time.monotonic(), self._subscription.statistics.bytes
        self._ages.append(frame.age * 1e3)
        if frame.captured_at is not None:
            self._delays.append((time.monotonic() - frame.captured_at) * 1e3)

    def report(self) -> Report:
        counts, elapsed = self._subscription.statistics, max(time.monotonic() - self._began, 1e-9)
        return Report(
            frames=self.count,
            fps=round((self.count - self._before) / elapsed, 2),
            megabytes_per_second=round((counts.bytes - self._bytes) / elapsed / 1e6, 2),
            age_ms=round(median(self._ages), 2) if self._ages else None,
            age_ms_max=round(max(self._ages), 2) if self._ages else None,
            delay_ms=round(median(self._delays), 2) if self._delays else None,
            lost=counts.lost,
            skipped=counts.skipped,
            refused=sum(counts.rejected.values()),
        )


class _Outputs:
    """Where frames go besides being counted; opened at the first one."""

    def __init__(
        self, subscription: Subscription, output: str | None, view: bool, options: SinkOptions
    ) -> None:
        self._subscription, self._output, self._options = subscription, output, options
        self._viewer = open_viewer() if view else None
        self._sink: Sink | None = None

    def take(self, frame: ReceivedFrame) -> bool:
        """Record and show; False if the window was closed."""
        if self._output is not None and self._sink is None:
            self._sink = open_recorder(self._output, self._subscription.info, **self._options)
        if self._sink is not None:
            self._sink.write(frame)
        return self._viewer is None or self._viewer.show(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._viewer is not None:
            self._viewer.close()
        if self._sink is not None and isinstance(error, Exception):
            self._sink.__exit__(kind, error, trace)
        elif self._sink is not None:  # Ctrl-C is how a recording ends
            self._sink.close()
