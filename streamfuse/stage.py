"""The three protocols that the pipeline wires together: a source, stages, a sink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from streamfuse.frame import ColorInfo, Frame, FusedFrame


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


@runtime_checkable
class Source(Protocol):
    """Delivers frames in order, once. `close` may be called from another thread and more than once."""

    info: SourceInfo

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Release the file or device; a running iteration ends soon after."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Stage(Protocol):
    """Turns items into items. Called from one thread only."""

    def push(self, item: Any) -> Iterable[Any]:
        """Take one item; give those that are ready now (none, one or several)."""

    def flush(self) -> Iterable[Any]:
        """The input has ended: give what is still held."""


@runtime_checkable
class Sink(Protocol):
    """Takes fused frames in order."""

    outputs: list[str]

    def write(self, frame: FusedFrame) -> None:
        """Write one frame."""

    def close(self) -> None:
        """Finish the output so that it can be played; may be called more than once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
