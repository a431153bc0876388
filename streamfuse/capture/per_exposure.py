"""Several sources of one scene, one per exposure, shot at the same time (beam splitter, dual gain)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from types import TracebackType
from typing import Self

from streamfuse.errors import InputError
from streamfuse.frame import Exposure, Frame
from streamfuse.stage import Source

_SAME_RATE = 0.01  # relative: 29.97 and 30000/1001 are one rate


class PerExposureSource:
    """Zips 2..N sources: N consecutive frames per instant, darkest first, with `exposure.rank` set.

    The exposures are ranked by the mean luma of the first frames. Time stamps and media are those of the
    first source given. It ends with the shortest source.

    Args:
        sources: one per exposure, in any order; they are closed with this one.

    Attributes:
        info: as of the first source, with `simultaneous` = N and the rate of all N together.
        left_over: frames that the longest source had after the shortest one ended (from its header; at least
            those that were seen).

    Raises:
        InputError: fewer than two sources, or sources of different size, depth or rate.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        if len(sources) < 2:
            raise InputError("One video per exposure needs at least two videos.")
        self._sources = list(sources)
        self.left_over = 0
        self._check_alike()
        lanes: list[Iterator[Frame]] = []
        heads = []
        for source in self._sources:
            lane = iter(source)
            head = next(lane, None)
            if head is None:
                raise InputError(f"{source.info.name} has no frames.")
            heads.append(head)
            lanes.append(chain([head], lane))
        means = [float(head.luma.mean()) for head in heads]
        order = sorted(range(len(lanes)), key=means.__getitem__)
        self._clock = order.index(0)
        self._lanes = [lanes[i] for i in order]
        info = self._sources[0].info
        counts = [source.info.frame_count for source in self._sources]
        known = [count for count in counts if count is not None]
        self._longest = max(known) if known else 0
        self.info = replace(
            info,
            rate=info.rate * len(lanes),
            frame_count=min(known) * len(lanes) if len(known) == len(lanes) else None,
            count_promised=all(source.info.count_promised for source in self._sources),
            simultaneous=len(lanes),
        )

    def __iter__(self) -> Iterator[Frame]:
        """N frames per instant, all with the time stamp of the first source."""
        instants = 0
        while True:
            frames = [frame for lane in self._lanes if (frame := next(lane, None)) is not None]
            if len(frames) < len(self._lanes):
                ended_apart = bool(frames)
                self.left_over = max(self._longest - instants, int(ended_apart)) if ended_apart else 0
                return
            clock = frames[self._clock]
            for rank, frame in enumerate(frames):
                yield replace(
                    frame,
                    pts=clock.pts,
                    time_base=clock.time_base,
                    index=instants * len(frames) + rank,
                    exposure=replace(frame.exposure or Exposure(), rank=rank),
                )
            instants += 1

    @property
    def warnings(self) -> list[str]:
        """What the sources have to say so far."""
        return [text for source in self._sources for text in getattr(source, "warnings", ())]

    @property
    def decode_errors(self) -> int:
        """What the sources could not decode so far."""
        return sum(getattr(source, "decode_errors", 0) for source in self._sources)

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_alike(self) -> None:
        first = self._sources[0].info
        for other in (source.info for source in self._sources[1:]):
            both = f"{first.name} and {other.name}"
            if (other.width, other.height) != (first.width, first.height):
                raise InputError(
                    f"{both} have different sizes ({first.width}x{first.height} and "
                    f"{other.width}x{other.height}): the exposures of one scene must have one size."
                )
            same = (other.bits, other.subsampling, other.has_chroma, other.color.full_range)
            if same != (first.bits, first.subsampling, first.has_chroma, first.color.full_range):
                raise InputError(
                    f"{both} store pixels differently (depth, chroma subsampling or range): convert one."
                )
            if abs(other.rate / first.rate - 1) > _SAME_RATE:
                raise InputError(
                    f"{both} have different frame rates ({float(first.rate):.3f} and "
                    f"{float(other.rate):.3f}): they cannot be exposures of the same instants."
                )
