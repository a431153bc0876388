"""Takes out of the fusion maps what alternates with the exposures, along the motion.

Maps of frames that were taken dark differ a little from those of frames that were taken bright, and the fused picture
would flicker at half the frame rate. How far the maps of an instant lie off those of both neighbours is the
*deviation*. What alternates deviates to the one side and to the other in turn, and half of it is taken back. But a
scene that changes deviates, too, and so does motion that was followed wrongly. Smoothing lets go there:

- a place counts as far as both neighbours deviate to the same side, and as far as their pictures, followed along the
  motion, show the same as the picture here;
- the deviation must have alternated for a few instants: of all of them the smallest is taken, and none where one has
  the other sign;
- it is pooled over a few pixels, or over the whole picture where it has alternated for longer.

What is no alternation passes as it is. The support is finite, so that any segment of a film can be fused on its own.
Pixels are not averaged: that would cost sharpness and leave trails.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from streamfuse.core.color_info import luma_range
from streamfuse.core.frame import FusionMaps, Map, WeighedBracket
from streamfuse.core.protocols import ParallelStage
from streamfuse.core.turns import Turn, Turns
from streamfuse.imaging.grid import resample, resample_flow, sampling_positions
from streamfuse.imaging.reducing import reduced
from streamfuse.temporal import smooth_rows as rows

ALTERNATION = 0.5  # of a deviation is taken back: then both sides meet in the middle
NEAR, WHOLE = 3, 6  # instants over which a deviation nearby, and that of the whole picture, has to alternate
MIN_NEAR, MIN_WHOLE = 2, 5  # as many must be there: a shot begins as it is
# Difference of luma, followed along the motion: up to here it is sure, from there on not.
SAME, OTHER = 0.01, 0.02
SEEN = 5  # pixels of the finest map over which pictures are compared
MIN_SURE = 0.2  # share of the picture: where less is sure, the whole picture does not tell
MIN_WEIGHT = 1e-6  # weight that is left


def window(level: int) -> int:
    """Pixels of a map over which deviations are pooled, by the level of the pyramid, finest first."""
    return 5 if level == 0 else 3


class _Instant:
    """A weighed bracket, as it is seen from those beside it."""

    def __init__(self, item: WeighedBracket) -> None:
        self.item = item
        self._picture: Map | None = None
        self._reducing = threading.Lock()

    @property
    def picture(self) -> Map:
        """Luma of all its exposures on the grid of the finest map, (N, h, w) in [0, 1]."""
        with self._reducing:
            if self._picture is None:
                self._picture = _picture(self.item)
            return self._picture

    @property
    def maps(self) -> tuple[Map, ...]:
        """Priors, finest first, then gains: (N, h, w), of which gains have one."""
        return (*self.item.maps.priors, *(gain[None] for gain in self.item.maps.gains))


Places = dict[tuple[int, int], tuple[Map, Map]]
"""Where each pixel of maps of some size (rows, columns) lies in those of another instant: across, down."""


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """The instant before or after, and the places where the motion leads there."""

    instant: _Instant
    places: Places

    def look(self, maps: Map, sign: float = 1.0) -> Map:
        """Maps (N, h, w), seen along the motion; times `sign`."""
        out = np.empty_like(maps)
        rows.look(maps, *self.places[maps.shape[-2], maps.shape[-1]], np.float32(sign), out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Deviation:
    """How far a map lies off those of the instants beside it: near each pixel, (N, h, w), and as a whole, (N, 1, 1).

    `share` is where the motion was followed surely, 0..1, (h, w).
    """

    near: Map
    whole: Map
    share: Map


class Smoother(ParallelStage[WeighedBracket, WeighedBracket]):
    """WeighedBracket -> WeighedBracket, one instant later; at once where it may not look ahead.

    Args:
        ahead: the maps of the next instant count too; without them a deviation is that from the instant before.
    """

    delay = 1
    """Instants that an output waits for, where it looks ahead."""

    def __init__(self, ahead: bool = True) -> None:
        self._ahead = ahead
        self._window: deque[_Instant] = deque(maxlen=3)
        # For each map its deviations at the last instants, (P, N, h, w) and (P, N, 1, 1), latest first, as seen from
        # the last one; with the sign that they would have now if they alternated.
        self._near: list[Map] = []
        self._whole: list[Map] = []
        self._turns = Turns()

    def begin(self, item: WeighedBracket) -> Callable[[], Iterable[WeighedBracket]]:
        """Take instant t, give t - 1; without looking ahead, give t. What alternated before is asked for in order."""
        self._window.append(_Instant(item))
        before, now, after = (None, None, *self._window)[-3:]
        if not self._ahead:
            before, now, after = now, after, None
        if now is None:
            return tuple
        return partial(self._smoothed, before, now, after, self._turns.next())

    def flush(self) -> Iterable[WeighedBracket]:
        """Give the last instant, if it is still held."""
        if self._ahead and len(self._window) == 1:
            yield self._window[0].item
        elif self._ahead and self._window:
            yield from self._smoothed(self._window[-2], self._window[-1], None, self._turns.next())
        self._window.clear()
        self._forget()

    def _forget(self) -> None:
        self._near, self._whole = [], []

    def _smoothed(
        self, before: _Instant | None, now: _Instant, after: _Instant | None, turn: Turn
    ) -> Iterable[WeighedBracket]:
        try:
            return (self._smooth(before, now, after, turn),)
        finally:
            turn.skip()

    def _smooth(
        self, before: _Instant | None, now: _Instant, after: _Instant | None, turn: Turn
    ) -> WeighedBracket:
        aligned, maps, count = now.item.aligned, now.maps, len(now.item.maps.priors)
        earlier, later = (
            _neighbour(before, now, aligned.flow_before),
            _neighbour(after, now, aligned.flow_after),
        )
        sides = [side for side in (earlier, later) if side is not None]
        if not sides:
            with turn:
                self._forget()
            return now.item
        sure = _sure(now, sides)
        deviations = [
            _deviation(own, [side.look(side.instant.maps[number]) for side in sides], sure, number % count)
            for number, own in enumerate(maps)
        ]
        with turn:
            self._follow(earlier, maps)
            found = [
                self._alternating(number, one, aligned.bracket.cycle) for number, one in enumerate(deviations)
            ]
        out = [
            _without(own, *what, one.share) for own, what, one in zip(maps, found, deviations, strict=True)
        ]
        gains = tuple(one[0] for one in out[count:])
        smoothed = FusionMaps(tuple(out[:count]), gains, now.item.maps.coverage)
        return replace(now.item, maps=smoothed)

    def _follow(self, earlier: _Neighbour | None, maps: Sequence[Map]) -> None:
        """Turn the deviations of the last instants into what they are as seen from this one."""
        if earlier is None or [one.shape[1:] for one in self._near] != [one.shape for one in maps]:
            self._near = [np.empty((0, *one.shape), np.float32) for one in maps]
            self._whole = [np.empty((0, len(one), 1, 1), np.float32) for one in maps]
            return
        self._near = [
            earlier.look(past.reshape(-1, *past.shape[2:]), -1).reshape(past.shape) for past in self._near
        ]
        self._whole = [-past for past in self._whole]

    def _alternating(self, number: int, deviation: _Deviation, cycle: int) -> tuple[Map, Map]:
        """Give what of the deviation of map `number` alternates: near each pixel, and as a whole where that is more."""
        near, whole, share = deviation.near, deviation.whole, deviation.share
        found, rest = near, np.zeros_like(whole)
        if cycle == 2:  # else nothing turns its sign from instant to instant: what deviates counts at once
            found = np.zeros_like(near)
            if len(self._near[number]) + 1 >= MIN_NEAR:
                rows.agree(near, self._near[number], found)
            if len(self._whole[number]) + 1 >= MIN_WHOLE:
                rows.agree(whole, self._whole[number], rest)
                mean = found.mean((-2, -1), keepdims=True)
                rest = np.where(np.abs(rest) > np.abs(mean), rest - mean, np.float32(0))
                rest /= np.float32(max(float(share.mean()), MIN_SURE))
        self._near[number] = np.concatenate((near[None], self._near[number][: NEAR - 2]))
        self._whole[number] = np.concatenate((whole[None], self._whole[number][: WHOLE - 2]))
        return found, rest


def _deviation(own: Map, beside: Sequence[Map], sure: Map, level: int) -> _Deviation:
    """Of a map from those of the instants beside it, which are seen along the motion."""
    share = resample(sure, (own.shape[-2], own.shape[-1]))
    seen = [_pooled(one, level) for one in beside]
    near, whole = np.empty_like(own), np.empty((len(own), 1, 1), np.float32)
    rows.deviate(_pooled(own, level), seen[0], seen[-1], share, near, whole)
    return _Deviation(near, whole, share)


def _without(own: Map, found: Map, rest: Map, share: Map) -> Map:
    """Give a map less what alternates."""
    out = np.empty_like(own)
    rows.without(own, found, rest, share, np.float32(ALTERNATION), np.float32(MIN_WEIGHT), out)
    return out


def _sure(now: _Instant, sides: Sequence[_Neighbour]) -> Map:
    """Tell how surely the motion was followed, 0..1, (h, w) as the finest map."""
    apart = np.zeros(now.picture.shape[-2:], np.float32)
    for side in sides:
        for one, other in zip(now.picture, side.look(side.instant.picture), strict=True):
            apart = np.maximum(apart, cv2.blur(cv2.absdiff(one, other), (SEEN, SEEN)))
    share = np.clip((np.float32(OTHER) - apart) / np.float32(OTHER - SAME), 0, 1)
    return np.asarray(cv2.blur(cv2.erode(share, np.ones((3, 3), np.uint8)), (3, 3)), np.float32)


def _neighbour(instant: _Instant | None, now: _Instant, flow: Map | None) -> _Neighbour | None:
    if instant is None or flow is None:
        return None
    sizes, coverage = {(one.shape[-2], one.shape[-1]) for one in now.maps}, now.item.maps.coverage
    return _Neighbour(
        instant, {size: sampling_positions(resample_flow(flow, size, to_coverage=coverage)) for size in sizes}
    )


def _picture(item: WeighedBracket) -> Map:
    rows, columns = item.maps.priors[0].shape[-2:]
    down, across = item.maps.coverage
    size = max(1, round(columns / across)), max(1, round(rows / down))
    reference = item.aligned.bracket.reference
    black, white = luma_range(reference.bits, reference.color.full_range)
    out = []
    for planes in item.aligned.exposures:
        small = reduced(planes[0], size).astype(np.float32)
        small = (small - np.float32(black)) / np.float32(white - black)
        margin = max(0, rows - size[1]), max(0, columns - size[0])
        out.append(
            cv2.copyMakeBorder(small, 0, margin[0], 0, margin[1], cv2.BORDER_REPLICATE)[:rows, :columns]
        )
    return np.stack(out)


def _pooled(maps: Map, level: int) -> Map:
    """Means over a window of maps (N, h, w), the border mirrored."""
    half, out = window(level) // 2, np.empty_like(maps)
    rows.means(maps, half, np.empty(maps.shape[-1] + 2 * half, np.float32), out)
    return out
