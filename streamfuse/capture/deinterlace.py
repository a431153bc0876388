"""Interlaced pictures made whole, by FFmpeg's filters and as the flags of the frames say.

An interlaced frame holds two fields: its even lines of one instant, its odd lines of the next. Where both fields are of
one exposure, as where a camera alternates from frame to frame, each frame becomes one picture: two pictures of one
exposure for each would only break the alternation. Where the fields themselves are different exposures, as where a
camera alternates from field to field, each field becomes a picture, or no picture would be of one exposure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from typing import NamedTuple

import av
import numpy as np

from streamfuse.capture.avframe import picture_of
from streamfuse.core.values import Deinterlace

_AHEAD = 12  # frames that are looked at before the first is given
_FIELDS_APART = (
    0.05  # |top - bottom| / (top + bottom) of their means: 0.2 at 1.5 EV, below 0.01 of one exposure
)
_ALTERNATION = 0.5  # share of the largest change of brightness below which frames are of one exposure
_STEADY = 0.02  # of the mean: smaller changes of brightness are no alternation
_CYCLES = (2, 3, 4, 5)
_UNSTAMPED = Fraction(1, 1000)  # time base for the filter where a frame has none


class Layout(NamedTuple):
    """How the exposures lie in interlaced frames.

    Args:
        fields: the two fields of a frame are different exposures.
        lag: frames from one of an exposure to the next of it.
    """

    fields: bool
    lag: int


class Deinterlacer:
    """Makes whole pictures of the interlaced frames among those of a file; others pass as they are.

    Motion is judged by frames of the same exposure: FFmpeg's `bwdif` gets each exposure as a film of its own. Fields
    that are different exposures are completed from their own lines alone (`estdif`).

    Args:
        mode: "auto" = those that bear the flag, "on" = all (top field first where no flag says so), "off" = none.

    Attributes:
        count: frames that were deinterlaced so far.
        left: frames that bear the flag and were left as they are.
    """

    def __init__(self, mode: Deinterlace) -> None:
        self.count = 0
        self.left = 0
        self._mode: Deinterlace = mode
        self._layout: Layout | None = None
        self._whole_first = False  # the file begins with frames that are whole already

    @property
    def fields(self) -> bool:
        """Tell whether each field becomes a picture: twice as many as frames, at half the time base."""
        return self._layout is not None and self._layout.fields

    def notes(self, name: str) -> list[str]:
        """Give what was done to the frames of the file called `name`, one sentence or none."""
        if self.left:
            return [
                f"{name} is interlaced, and its comb is fused as it is: --deinterlace auto makes whole pictures of it."
            ]
        if self.fields:
            return [
                f"{name} is interlaced, and the two fields of a frame are different exposures: it is deinterlaced "
                "(estdif), and each field becomes a picture."
            ]
        if self.count:
            return [f"{name} is interlaced: it is deinterlaced (bwdif), and each frame becomes one picture."]
        return []

    def look(self, decoded: Iterable[av.VideoFrame]) -> None:
        """Decide by the beginning of a file, before frames from elsewhere are given to `through`."""
        coming = iter(decoded)
        first = next(coming, None)
        if first is None:
            return
        self._whole_first = not self._wanted(first)
        if not self._whole_first:
            self._layout = layout_of([first, *islice(coming, _AHEAD - 1)])

    def through(self, decoded: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Give the frames, whole: as many as come, with their time stamps; with `fields` two for each."""
        coming = iter(decoded)
        for raw in coming:
            if not self._wanted(raw):
                self.left += bool(raw.interlaced_frame)
                self._whole_first = True
                yield raw
                continue
            ahead = [raw, *islice(coming, _AHEAD - 1)]
            if self._layout is None:
                found = layout_of(ahead)
                # What was given already was given once for each frame, so that fields come too late.
                self._layout = found._replace(fields=found.fields and not self._whole_first)
            yield from self._filtered(chain(ahead, coming), self._layout)

    def _wanted(self, raw: av.VideoFrame) -> bool:
        return self._mode == "on" or (self._mode == "auto" and bool(raw.interlaced_frame))

    def _filtered(self, frames: Iterable[av.VideoFrame], layout: Layout) -> Iterator[av.VideoFrame]:
        """Give all frames through the filters, each exposure through one of its own."""
        lanes: list[_Lane] = []
        kind = None
        number = 0
        for raw in frames:
            if kind != (kind := (raw.width, raw.height, raw.format.name)):
                yield from _ends(lanes, number)
                number = 0
                every = self._mode == "on"
                lanes = [_Lane(raw, layout.fields, every) for _ in range(1 if layout.fields else layout.lag)]
            self.count += self._wanted(raw)
            yield from lanes[number % len(lanes)].push(raw)
            number += 1
        yield from _ends(lanes, number)


class _Lane:
    """One filter graph for frames of one kind.

    Args:
        like: a frame of the kind.
        fields: each field becomes a picture, else each frame does.
        every: frames without the flag as well.
    """

    def __init__(self, like: av.VideoFrame, fields: bool, every: bool) -> None:
        self._parts = 2 if fields else 1
        self._base = like.time_base or _UNSTAMPED
        self._last: int | None = None
        self._step = 1
        self._graph = graph = av.filter.Graph()
        source = graph.add_buffer(
            width=like.width, height=like.height, format=like.format, time_base=self._base
        )
        which = "all" if every else "interlaced"
        name, mode = ("estdif", "field") if fields else ("bwdif", "send_frame")
        graph.link_nodes(source, graph.add(name, f"mode={mode}:deint={which}"), graph.add("buffersink"))
        graph.configure()

    def push(self, raw: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Give what is ready with this frame; None: it was the last."""
        self._graph.vpush(raw)
        while True:
            try:
                picture = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            # The filters count in halves of the time base.
            if picture.pts is not None and self._parts == 1:
                picture.pts //= 2
            elif picture.pts is not None and self._last is not None:
                if picture.pts <= self._last:  # of the last field of all, which has no frame behind it
                    picture.pts = self._last + self._step
                self._step = picture.pts - self._last
            self._last = picture.pts
            picture.time_base = self._base / self._parts
            yield picture


def _ends(lanes: Sequence[_Lane], number: int) -> Iterator[av.VideoFrame]:
    """Give what the filters still hold, in order, after so many frames."""
    for place in range(number, number + len(lanes)):
        if place % len(lanes) < number:
            yield from lanes[place % len(lanes)].push(None)


def layout_of(frames: Sequence[av.VideoFrame]) -> Layout:
    """Tell how the exposures lie in the first interlaced frames of a file."""
    lumas = [picture_of(raw, upright=False).planes[0] for raw in frames]
    fields = np.array([(luma[::2].mean(), luma[1::2].mean()) for luma in lumas])
    apart = np.abs(fields[:, 0] - fields[:, 1]) / np.maximum(fields.sum(axis=1), 1.0)
    if float(np.median(apart)) > _FIELDS_APART:
        return Layout(True, 1)
    means = fields.mean(axis=1)
    changes = {
        lag: float(np.median(np.abs(means[lag:] - means[:-lag]))) for lag in (1, *_CYCLES) if lag < len(means)
    }
    limit = max(_ALTERNATION * max(changes.values(), default=0.0), _STEADY * float(means.mean()))
    return Layout(False, next((lag for lag in _CYCLES if changes.get(lag, limit + 1) <= limit), _CYCLES[0]))
