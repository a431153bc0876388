"""Arrays from Python as a source, such as pictures that a camera's own library gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from streamfuse.core.frame import Frame, Pixels
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.errors import InputError


class ArraySource(Source):
    """Gives pictures out of memory as frames, in the order in which they were captured.

    Each is asked for when it is needed, so a generator that captures them is never ahead of the fusion.

    Args:
        pictures: (H, W, 3) R'G'B' or (H, W) luma, full range, uint8 or uint16, all of one kind.
        rate: pictures per second.

    Raises:
        UsageError: the first is no such array.
        InputError: there is none.
    """

    def __init__(self, pictures: Iterable[Pixels], rate: Fraction | float) -> None:
        self._rest = iter(pictures)
        self._rate = Fraction(rate).limit_denominator(1_001_000)
        self._closed = False
        try:
            self._first = self._frame(next(self._rest), 0)
        except StopIteration:
            raise InputError("There is no picture to fuse: the iterable of arrays is empty.") from None
        first = self._first
        self.info = SourceInfo(
            name="the arrays",
            width=first.width,
            height=first.height,
            bits=first.bits,
            subsampling=first.subsampling,
            color=first.color,
            time_base=first.time_base,
            rate=self._rate,
            has_chroma=len(first.planes) == 3,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames.

        Raises:
            UsageError: something that is no picture.
            InputError: a picture of another size, depth or number of channels than the first.
        """
        yield self._first
        for number, picture in enumerate(self._rest, start=1):
            if self._closed:
                return
            frame = self._frame(picture, number)
            if _kind(frame) != _kind(self._first):
                raise InputError(
                    f"Picture {number} is {_kind(frame)} and the first is {_kind(self._first)}: all have to be alike."
                )
            yield frame

    def close(self) -> None:
        """End the iteration."""
        self._closed = True

    def _frame(self, picture: Pixels, number: int) -> Frame:
        return replace(Frame.from_rgb(picture, number), pts=number, time_base=1 / self._rate)


def _kind(frame: Frame) -> str:
    return f"{frame.width}x{frame.height} of {frame.bits} bit{'' if len(frame.planes) == 3 else ' grey'}"
