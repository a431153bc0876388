"""Fusion of a running camera with one choice of stages; a live run is one or more of these in a row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from streamfuse.chain import Chain
from streamfuse.frame import Bracket, FusedFrame, WeighedBracket
from streamfuse.live.figures import RateMeter
from streamfuse.live.inlet import Inlet
from streamfuse.pipeline import NamedStage, Pipeline
from streamfuse.stage import SourceInfo, Stage
from streamfuse.statistics import Statistics
from streamfuse.temporal.smooth import Smoother

_FRONT = ("label", "pair")  # done in the camera's thread
_ONE_THREAD = ("smooth", "blend")
_MOST_IN_FLIGHT = 5  # one in each of three threads, one held by the smoother, one ready to go on
_FEWEST_IN_FLIGHT = 2  # one held by the smoother, one at work
_FLIGHT_SECONDS = 0.5  # what brackets may wait between the stages, where fusion is slow
_STALE_SECONDS = 1.0
_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0


class Session:
    """Takes brackets from the inlet, fuses them, hands the fused frames on. It runs once.

    Brackets wait in the inlet, where the oldest can be dropped, and not between the stages: only a few are on their
    way at any time, which is what bounds the age of a fused frame.

    Args:
        chain: the stages, fresh.
        inlet: where brackets come from.
        info: of the source.
        publish: called with each fused frame in order, from one thread; must not wait.
    """

    def __init__(
        self, chain: Chain, inlet: Inlet, info: SourceInfo, publish: Callable[[FusedFrame], None]
    ) -> None:
        self.chain = chain
        self._feed = _Feed(inlet, info)
        self._smoothing = _SmoothAndBlend(chain.stages[-1].stage, self._feed.left) if chain.smooth else None
        self._pipeline = Pipeline(
            self._feed, self._stages(), [_Outlet(publish, self._feed)], queue_size=1,
            stop_timeout=_STOP_SECONDS, finish_timeout=_STOP_SECONDS,
        )  # fmt: skip

    def run(self) -> None:
        """Fuse until `end`, or until the inlet has ended.

        Raises:
            Exception: what a stage raised.
        """
        self._pipeline.run()

    def end(self) -> None:
        """Take no more brackets; those on their way are finished."""
        self._feed.close()

    @property
    def statistics(self) -> Statistics:
        """Of this session."""
        return self._pipeline.statistics

    @property
    def running_for(self) -> float:
        """Seconds since its first fused frame; 0.0 before it."""
        return self._feed.running_for

    @property
    def discarded(self) -> int:
        """Brackets that were too old to be worth finishing."""
        return self._smoothing.discarded if self._smoothing else 0

    def _stages(self) -> list[NamedStage]:
        """The chain's stages but labelling and pairing; smoothing costs little and shares a thread."""
        stages = [stage for stage in self.chain.stages if stage.name not in _FRONT]
        if self._smoothing is None:
            return stages
        return [
            *(stage for stage in stages if stage.name not in _ONE_THREAD),
            NamedStage("blend", self._smoothing),
        ]


class _SmoothAndBlend:
    """Smooths over neighbouring instants only, then blends."""

    def __init__(self, blend: Stage, on_discard: Callable[[], None]) -> None:
        self.discarded = 0
        self._blend = blend
        self._on_discard = on_discard
        self._smoother = Smoother()
        self._last: Bracket | None = None

    def push(self, item: WeighedBracket) -> Iterable[FusedFrame]:
        bracket, last = item.aligned.bracket, self._last
        self._last = bracket
        if last is not None:
            yield from self._ended(last, bracket)
        yield from self._blended(self._smoother.push(item))

    def flush(self) -> Iterable[FusedFrame]:
        yield from self._blended(self._smoother.flush())

    def _ended(self, last: Bracket, bracket: Bracket) -> Iterator[FusedFrame]:
        """What is held, if the two are not of neighbouring instants: maps are not mixed across a break."""
        late = _seconds_between(last, bracket) > _STALE_SECONDS
        if late:
            for _ in self._smoother.flush():
                self.discarded += 1
                self._on_discard()
        elif bracket.reference.index > last.reference.index + bracket.cycle:
            yield from self._blended(self._smoother.flush())

    def _blended(self, items: Iterable[WeighedBracket]) -> Iterator[FusedFrame]:
        for item in items:
            yield from self._blend.push(item)


def _seconds_between(earlier: Bracket, later: Bracket) -> float:
    return (later.reference.captured_at or 0.0) - (earlier.reference.captured_at or 0.0)


class _Feed:
    """The inlet as the source of a pipeline, which lets in only a few brackets at once.

    Where fusion is slow, more of them on their way would not make it quicker, only older.
    """

    def __init__(self, inlet: Inlet, info: SourceInfo) -> None:
        self.info = info
        self._inlet = inlet
        self._out = RateMeter()
        self._in_flight = 0
        self._changed = threading.Condition()
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        while not self._closed.is_set() and not self._inlet.ended:
            if not self._room():
                continue
            bracket = self._inlet.get(_POLL_SECONDS)
            if bracket is not None:
                with self._changed:
                    self._in_flight += 1
                yield bracket

    def left(self) -> None:
        """A bracket has come out, or was given up."""
        self._out.tick()
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()

    @property
    def running_for(self) -> float:
        """Seconds since the first bracket came out; 0.0 before it."""
        return self._out.running_for

    def _room(self) -> bool:
        """Whether one more may go in; waits a little for it."""
        rate = self._out.rate
        most = _MOST_IN_FLIGHT if rate == 0 else _FEWEST_IN_FLIGHT + int(rate * _FLIGHT_SECONDS)
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight < min(most, _MOST_IN_FLIGHT), _POLL_SECONDS)

    def close(self) -> None:
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Outlet:
    """The end of the pipeline: hands each frame on."""

    def __init__(self, publish: Callable[[FusedFrame], None], feed: _Feed) -> None:
        self.outputs: list[str] = []
        self._publish = publish
        self._feed = feed

    def write(self, frame: FusedFrame) -> None:
        self._feed.left()
        self._publish(frame)

    def close(self) -> None:
        """The outputs outlive a session."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
