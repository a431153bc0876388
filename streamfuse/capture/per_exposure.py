"""Several sources of one scene, one per exposure, shot at the same time (beam splitter, dual gain)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain

from streamfuse.capture.camera_offset import CameraOffset, find_offset
from streamfuse.core.frame import Exposure, Frame
from streamfuse.core.protocols import Source
from streamfuse.core.reports import SourceReport
from streamfuse.errors import InputError

_SAME_RATE = 0.01  # relative: 29.97 and 30000/1001 are one rate
_ONE_CLOCK = 10  # frames by which the first time stamps may differ if they are of one clock


class PerExposureSource(Source):
    """Joins 2..N sources by time: N consecutive frames per instant, darkest first, with `exposure.rank` set.

    Frames are of one instant if their time stamps differ by less than half a frame; one that has no partner, since
    that was lost or could not be decoded, is left out. Where a source has no time stamps they are counted off.

    The exposures are ranked by the mean luma of the first frames. Time stamps and media are those of the
    first source given. It ends with the shortest source.

    Args:
        sources: one per exposure, in any order; they are closed with this one.
        offset: seconds by which the sources after the first began later than it did. None: as their pictures show, see
            `find_offset`; where that is not proven, their clocks are one if the first time stamps are within a few
            frames of each other, else each counts from its first frame.
        again: open each source once more, to look at its pictures for the offset; without it nobody looks.

    Attributes:
        info: as of the first source, with `simultaneous` = N and the rate of all N together.
        offset: seconds by which the second source began later, given or found; None where time stamps alone tell.
        left_over: frames that had no partner so far; at the end with those of the sources that were longer (from their
            headers; at least those that were seen).

    Raises:
        InputError: fewer than two sources, or sources of different size, depth or rate.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        offset: float | None = None,
        again: Sequence[Callable[[], Source]] = (),
    ) -> None:
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
        period = 1 / self._sources[0].info.rate
        began = _beginnings(heads, period, offset)
        self._found: list[CameraOffset | None] = []
        if offset is None and again and began is not None:
            self._found = _offsets(again, period)
            for place, found in enumerate(self._found, 1):
                # Within half a frame the time stamps say the same.
                if found is not None and abs(began[0] - found.seconds - began[place]) > period / 2:
                    began[place] = began[0] - found.seconds
                else:
                    self._found[place - 1] = None
        seconds = next((found.seconds for found in self._found if found is not None), offset)
        self.offset = None if seconds is None else float(seconds)
        self._began = None if began is None else [began[i] for i in order]
        info = self._sources[0].info
        counts = [source.info.frame_count for source in self._sources]
        known = [count for count in counts if count is not None]
        self._counts = [counts[i] for i in order]
        self.info = replace(
            info,
            rate=info.rate * len(lanes),
            frame_count=min(known) * len(lanes) if len(known) == len(lanes) else None,
            count_promised=all(source.info.count_promised for source in self._sources),
            simultaneous=len(lanes),
        )

    def __iter__(self) -> Iterator[Frame]:
        """N frames per instant, all with the time stamp of the first source."""
        taken = [0] * len(self._lanes)

        def following(place: int) -> Frame | None:
            frame = next(self._lanes[place], None)
            taken[place] += frame is not None
            return frame

        instants = 0
        frames = [following(place) for place in range(len(self._lanes))]
        while all(frame is not None for frame in frames):
            late = self._late([frame for frame in frames if frame is not None])
            if late:  # what they waited for is not in the others
                self.left_over += len(late)
                for place in late:
                    frames[place] = following(place)
                continue
            yield from self._instant([frame for frame in frames if frame is not None], instants)
            instants += 1
            frames = [following(place) for place in range(len(self._lanes))]
        for frame, count, seen in zip(frames, self._counts, taken, strict=True):
            if frame is not None:
                self.left_over += max((count or 0) - seen + 1, 1)

    def _late(self, frames: Sequence[Frame]) -> list[int]:
        """Places of the frames whose instant is over in another source."""
        if self._began is None or any(frame.pts is None for frame in frames):
            return []
        times = [_time(frame) - began for frame, began in zip(frames, self._began, strict=True)]
        half = 1 / self._sources[0].info.rate / 2
        return [place for place, time in enumerate(times) if time < max(times) - half]

    def _instant(self, frames: Sequence[Frame], number: int) -> Iterator[Frame]:
        clock = frames[self._clock]
        for rank, frame in enumerate(frames):
            yield replace(
                frame,
                pts=clock.pts,
                time_base=clock.time_base,
                index=number * len(frames) + rank,
                exposure=replace(frame.exposure or Exposure(), rank=rank),
            )

    def report(self) -> SourceReport:
        """Tell what the sources have to tell, together, and by how much they were moved in time."""
        told = [source.report() for source in self._sources]
        first = self._sources[0].info.name
        moved = [
            f"{source.info.name} began {abs(float(found.seconds)):.3f} s {'later' if found.seconds > 0 else 'earlier'} "
            f"than {first}: found by what moves in both (correlation {found.likeness:.2f}); --offset 0 takes the time "
            "stamps as they are."
            for source, found in zip(self._sources[1:], self._found, strict=False)
            if found is not None
        ]
        return SourceReport(
            warnings=tuple(text for one in told for text in one.warnings),
            notes=(*moved, *(text for one in told for text in one.notes)),
            decode_errors=sum(one.decode_errors for one in told),
            left_over=self.left_over,
            deinterlaced=sum(one.deinterlaced for one in told),
            offset=self.offset,
        )

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()

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


def _time(frame: Frame) -> Fraction:
    return (frame.pts or 0) * frame.time_base


def _offsets(again: Sequence[Callable[[], Source]], period: Fraction) -> list[CameraOffset | None]:
    """Offset of each source to the first, from its pictures."""
    found = []
    for other in again[1:]:
        with again[0]() as one, other() as second:
            found.append(find_offset(one, second, period))
    return found


def _beginnings(heads: Sequence[Frame], period: Fraction, offset: float | None) -> list[Fraction] | None:
    """Give what to take from the time stamps of each source; None where they have none."""
    if any(head.pts is None for head in heads):
        return None
    times = [_time(head) for head in heads]
    if offset is not None:
        later = Fraction(offset).limit_denominator(1_000_000)
        return [Fraction(0), *(-later for _ in times[1:])]
    one_clock = max(times) - min(times) <= _ONE_CLOCK * period
    return [Fraction(0)] * len(times) if one_clock else times
