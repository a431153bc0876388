"""Fusion of a running camera until its stages fail; a live run is one of these, or more where they did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from streamfuse.core.frame import Bracket, FusedFrame, WeighedBracket
from streamfuse.core.protocols import Feed, Sink
from streamfuse.look.stage import LookStage
from streamfuse.runtime.bracket_queue import BracketQueue
from streamfuse.runtime.job import Job
from streamfuse.runtime.line import Line
from streamfuse.runtime.live.figures import RateMeter
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.live.steps import AlignStep, BlendStep, WeighStep

_MAX_IN_FLIGHT = 4  # one in each of three threads, one ready to go on
_MIN_IN_FLIGHT = 2
_FLIGHT_SECONDS = 0.5  # what brackets may wait between the stages, where fusion is slow
_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0


class Session(Job[Bracket, FusedFrame]):
    """Takes brackets from the queue, fuses them, hands the fused frames on. It runs once.

    Brackets wait in the queue, where the oldest can be dropped, and not between the stages: only a few are on their
    way at any time, which is what bounds the age of a fused frame.

    Args:
        lanes: the presets; which of them works may change at any time.
        queue: where brackets come from.
        smooth: whether maps are smoothed; over the instants before, so that no frame waits for it.
        every_frame: each frame is an instant, else each bracket is.
        look: what each fused frame gets before it is shown; None: nothing.
        show: called with each bracket and its fused frame, before it is published.
        publish: called with each fused frame in order, from one thread; must not wait.
    """

    def __init__(
        self,
        lanes: Lanes,
        queue: BracketQueue,
        smooth: bool,
        every_frame: bool,
        look: LookStage | None,
        show: Callable[[WeighedBracket, FusedFrame], None],
        publish: Callable[[FusedFrame], None],
    ) -> None:
        feed = _Feed(queue)
        line = (
            Line("align", AlignStep(lanes, every_frame))
            .then("weigh", WeighStep())
            .then("blend", BlendStep(lanes, smooth, every_frame, look, show))
        )
        super().__init__(
            feed,
            line,
            [_Outlet(publish, feed)],
            queue_size=1,
            stop_timeout=_STOP_SECONDS,
            finish_timeout=_STOP_SECONDS,
        )


class _Feed(Feed[Bracket]):
    """The queue as the source of a pipeline, which lets in only a few brackets at once.

    Where fusion is slow, more of them on their way would not make it quicker, only older.
    """

    def __init__(self, queue: BracketQueue) -> None:
        self._queue = queue
        self._out = RateMeter()
        self._in_flight = 0
        self._changed = threading.Condition()
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Bracket]:
        while not self._closed.is_set() and not self._queue.ended:
            if not self._room():
                continue
            bracket = self._queue.get(_POLL_SECONDS)
            if isinstance(bracket, Bracket):
                with self._changed:
                    self._in_flight += 1
                yield bracket

    def left(self) -> None:
        """A bracket has come out, or was given up."""
        self._out.tick()
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()

    def _room(self) -> bool:
        """Tell whether one more may go in; waits a little for it."""
        rate = self._out.rate
        most = _MAX_IN_FLIGHT if rate == 0 else _MIN_IN_FLIGHT + int(rate * _FLIGHT_SECONDS)
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight < min(most, _MAX_IN_FLIGHT), _POLL_SECONDS)

    def close(self) -> None:
        """Take no more brackets."""
        self._closed.set()


class _Outlet(Sink):
    """The end of the pipeline: hands each frame on."""

    def __init__(self, publish: Callable[[FusedFrame], None], feed: _Feed) -> None:
        self.outputs: list[str] = []
        self._publish = publish
        self._feed = feed

    def write(self, frame: FusedFrame) -> None:
        """Hand it on."""
        self._feed.left()
        self._publish(frame)

    def close(self) -> None:
        """The outputs outlive a session."""
