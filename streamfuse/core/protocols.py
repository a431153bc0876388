"""The protocols that the pipeline wires together: a source, stages, a sink.

A class of your own becomes one by deriving from it: what it does not have to do is then done already.

    class Sensor(Source):
        def __init__(self) -> None:
            self.info = SourceInfo(...)          # what its frames are like

        def __iter__(self) -> Iterator[Frame]:
            while (frame := self._next()) is not None:
                yield frame

        def close(self) -> None: ...             # let go of the device
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar, runtime_checkable

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.reports import SinkReport, SourceReport

Item = TypeVar("Item", covariant=True)
In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source knows of itself before its first frame.

    Args:
        name: what to call it in messages; never holds a credential.
        width: of the luma, in pixels.
        height: of the luma, in pixels.
        bits: as in `Frame`.
        subsampling: as in `Frame`.
        color: as in `Frame`.
        time_base: of the pts of its frames.
        rate: nominal frames per second *as delivered* (an alternating clip: of both exposures together).
        frame_count: how many frames will come, where that is known (it is a hint: headers lie).
        count_promised: the count is of the frames themselves, so that fewer mean damage; else it is a guess from the
            length of something else, such as a file whose sound may be longer.
        simultaneous: N > 1 if each instant comes as N consecutive frames, darkest first or with `exposure.rank`
            set, taken at the same time with the same pts; 1 for alternating exposures.
        media: a file whose audio, subtitles, metadata and chapters belong to the picture.
        sample_aspect: width : height of a pixel, as it is to be shown.
        live: frames come in real time and are lost where nobody takes them: a camera, a stream that is published. Its
            time stamps tell how long it has run.
    """

    name: str
    width: int
    height: int
    bits: int
    subsampling: tuple[int, int]
    color: ColorInfo
    time_base: Fraction
    rate: Fraction
    frame_count: int | None = None
    simultaneous: int = 1
    media: Path | None = None
    has_chroma: bool = True
    sample_aspect: Fraction = Fraction(1)
    count_promised: bool = True
    live: bool = False


class Closable(Protocol):
    """Is closed at the end of a `with` block."""

    def close(self) -> None:
        """Let go of what is open; may be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@runtime_checkable
class Feed(Closable, Protocol[Item]):
    """Delivers items in order, once. `close` may be called from another thread; a running iteration ends soon after."""

    def __iter__(self) -> Iterator[Item]:
        """Give the items."""
        ...

    def report(self) -> SourceReport:
        """Tell what its user should know so far; from any thread."""
        return SourceReport()


@runtime_checkable
class Source(Feed[Frame], Protocol):
    """Delivers frames in order, once. `close` may be called from another thread and more than once."""

    info: SourceInfo


@runtime_checkable
class DrivenSource(Source, Protocol):
    """A camera whose exposures can be chosen while it runs."""

    def set_exposures(
        self, mode: Literal["auto", "manual"], bias_ev: float = 0.0, gap_ev: float | None = None
    ) -> None:
        """Choose the exposures: `auto` follows the light, `bias_ev` brighter and `gap_ev` apart.

        Raises:
            UsageError: this camera's exposures are not driven.
        """
        ...


class SourceWrapper(Source):
    """Passes another source on, with all that it reports: the base of those that change its frames.

    Args:
        source: closed with this one.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.info = source.info

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._source)

    def report(self) -> SourceReport:
        """Tell what the source has to tell."""
        return self._source.report()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


@runtime_checkable
class Stage(Protocol[In, Out]):
    """Turns items into items. Called from one thread only."""

    def push(self, item: In) -> Iterable[Out]:
        """Take one item; give those that are ready now (none, one or several)."""
        ...

    def flush(self) -> Iterable[Out]:
        """Give what is still held, after the input has ended."""
        return ()

    def close(self) -> None:
        """Let go of what it holds beside items; called once, after the last item or an error."""
        return


@runtime_checkable
class ParallelStage(Stage[In, Out], Protocol):
    """A stage that can work on several items at once, each in a thread of its own.

    What it gives must not depend on how many that are: what one item needs of those before it is taken in `begin`, or
    in a `Turn` that was given out there.
    """

    def begin(self, item: In) -> Callable[[], Iterable[Out]]:
        """Take the next item, in order and at once.

        Returns:
            Does the work, in any thread, beside that of other items. Each has to be called, once.
        """
        ...

    def push(self, item: In) -> Iterable[Out]:
        """Take one item; give those that are ready now (none, one or several)."""
        return self.begin(item)()


class Drain(Closable, Protocol[In]):
    """Takes items in order; `close` finishes the output.

    Attributes:
        outputs: the files and folders that it has written, or is writing; empty where it writes none.
    """

    outputs: list[str]

    def write(self, frame: In, /) -> None:
        """Write one item."""
        ...

    def report(self) -> SinkReport:
        """Tell what its user should know so far; from any thread."""
        return SinkReport()


@runtime_checkable
class Sink(Drain[FusedFrame], Protocol):
    """Takes fused frames in order; `close` finishes the output so that it can be played. One thread calls both.

    What they raise ends a run of files. In a live run a UsageError, an EncoderError or an OutputExistsError gives the
    output up, and the others go on; after any other error it is closed and opened again, later and later.
    """

    def write(self, frame: FusedFrame) -> None:
        """Write one frame.

        Raises:
            OutputError: this did not work, and may work later.
            EncoderError, UsageError: this can never work.
        """
        ...
