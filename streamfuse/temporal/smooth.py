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

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from streamfuse.frame import FusionMaps, Map, WeighedBracket, luma_range
from streamfuse.grid import resample, resample_flow, sampling_positions

ALTERNATION = 0.5  # of a deviation is taken back: then both sides meet in the middle
NEAR, WHOLE = 3, 6  # instants over which a deviation nearby, and that of the whole picture, has to alternate
FEWEST_NEAR, FEWEST_WHOLE = 2, 5  # as many must be there: a shot begins as it is
SAME, OTHER = (
    0.02,
    0.04,
)  # difference of luma, followed along the motion: up to here it is sure, from there on not
SEEN = 5  # pixels of the finest map over which pictures are compared
LEAST_SURE = 0.2  # share of the picture: where less is sure, the whole picture does not tell
LEAST = 1e-6  # weight that is left


def window(level: int) -> int:
    """Pixels of a map over which deviations are pooled, by the level of the pyramid, finest first."""
    return 5 if level == 0 else 3


@dataclass(frozen=True, slots=True)
class _Instant:
    """A weighed bracket, and luma of all its exposures on the grid of the finest map, (N, h, w) in [0, 1]."""

    item: WeighedBracket
    picture: Map

    @property
    def maps(self) -> tuple[Map, ...]:
        """Priors, finest first, then gains."""
        return (*self.item.maps.priors, *self.item.maps.gains)


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """The instant before or after, and where each pixel of a map of some size (rows, columns) lies in its maps."""

    instant: _Instant
    places: dict[tuple[int, int], tuple[Map, Map]]

    def look(self, maps: Map) -> Map:
        """Maps (h, w) or (N, h, w), seen along the motion."""
        return _warp(maps, self.places[maps.shape[-2], maps.shape[-1]])


class Smoother:
    """WeighedBracket -> WeighedBracket, one instant later; at once where it may not look ahead.

    Args:
        ahead: the maps of the next instant count too; without them a deviation is that from the instant before.
    """

    delay = 1
    """Instants that an output waits for, where it looks ahead."""

    def __init__(self, ahead: bool = True) -> None:
        self._ahead = ahead
        self._window: deque[_Instant] = deque(maxlen=3)
        # Deviations of the last instants, latest first, seen from the last one, as they would be if they alternated.
        self._near: list[list[Map]] = []
        self._whole: list[list[Map]] = []

    def push(self, item: WeighedBracket) -> Iterable[WeighedBracket]:
        """Take instant t, give t - 1; without looking ahead, give t."""
        self._window.append(_Instant(item, _picture(item)))
        if not self._ahead:
            yield self._smooth(self._window[-2] if len(self._window) > 1 else None, self._window[-1], None)
        elif len(self._window) == 2:
            yield self._smooth(None, self._window[0], self._window[1])
        elif len(self._window) == 3:
            yield self._smooth(*self._window)

    def flush(self) -> Iterable[WeighedBracket]:
        """Give the last instant, if it is still held."""
        if self._ahead and len(self._window) == 1:
            yield self._window[0].item
        elif self._ahead and self._window:
            yield self._smooth(self._window[-2], self._window[-1], None)
        self._window.clear()
        self._forget()

    def _forget(self) -> None:
        self._near, self._whole = [], []

    def _smooth(self, before: _Instant | None, now: _Instant, after: _Instant | None) -> WeighedBracket:
        aligned, maps, count = now.item.aligned, now.maps, len(now.item.maps.priors)
        earlier, later = (
            _neighbour(before, now, aligned.flow_before),
            _neighbour(after, now, aligned.flow_after),
        )
        sides = [side for side in (earlier, later) if side is not None]
        if not sides:
            self._forget()
            return now.item
        sure = _sure(now, sides)
        self._follow(earlier, [one.shape for one in maps])
        near, whole, out = [], [], []
        for number, own in enumerate(maps):
            share = resample(sure, (own.shape[-2], own.shape[-1]))
            pooled = _pooled(own, number % count)
            seen = [_pooled(side.look(side.instant.maps[number]), number % count) for side in sides]
            low, high = np.minimum(seen[0], seen[-1]), np.maximum(seen[0], seen[-1])
            near.append((pooled - np.clip(pooled, low, high)) * share)
            off = (pooled - (seen[0] + seen[-1]) * np.float32(0.5)) * share
            whole.append(off.mean((-2, -1), keepdims=True))
            taken = self._taken(aligned.bracket.cycle, number, near[-1], whole[-1], share)
            out.append(_without(own, taken))
        self._near, self._whole = [near, *self._near][: NEAR - 1], [whole, *self._whole][: WHOLE - 1]
        smoothed = FusionMaps(tuple(out[:count]), tuple(out[count:]), now.item.maps.coverage)
        return replace(now.item, maps=smoothed)

    def _follow(self, earlier: _Neighbour | None, shapes: Sequence[tuple[int, ...]]) -> None:
        """The deviations of the last instants as seen from this one, their sign turned."""
        if earlier is None or (self._near and [one.shape for one in self._near[0]] != list(shapes)):
            self._forget()
            return
        self._near = [[-earlier.look(one) for one in past] for past in self._near]
        self._whole = [[-one for one in past] for past in self._whole]

    def _taken(self, cycle: int, number: int, near: Map, whole: Map, share: Map) -> Map:
        """What alternates of map `number`: near each pixel, and of the whole picture where that is more."""
        if cycle != 2:  # nothing turns its sign from instant to instant: what deviates counts at once
            return near
        found = np.zeros_like(near)
        if len(self._near) + 1 >= FEWEST_NEAR:
            found = _least([near, *(past[number] for past in self._near)])
        if len(self._whole) + 1 >= FEWEST_WHOLE:
            steady, mean = (
                _least([whole, *(past[number] for past in self._whole)]),
                found.mean((-2, -1), keepdims=True),
            )
            rest = np.where(np.abs(steady) > np.abs(mean), steady - mean, np.float32(0))
            found = found + rest * (share / np.float32(max(float(share.mean()), LEAST_SURE)))
        return found


def _sure(now: _Instant, sides: Sequence[_Neighbour]) -> Map:
    """How surely the motion was followed, 0..1, (h, w) as the finest map."""
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
        small = cv2.resize(planes[0], size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small = (small - np.float32(black)) / np.float32(white - black)
        margin = max(0, rows - size[1]), max(0, columns - size[0])
        out.append(
            cv2.copyMakeBorder(small, 0, margin[0], 0, margin[1], cv2.BORDER_REPLICATE)[:rows, :columns]
        )
    return np.stack(out)


def _warp(maps: Map, places: tuple[Map, Map]) -> Map:
    """Bilinear look-up of (h, w), or of each of (N, h, w)."""
    if maps.ndim == 2:
        return np.asarray(
            cv2.remap(maps, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )
    return np.stack([_warp(one, places) for one in maps])


def _pooled(maps: Map, level: int) -> Map:
    if maps.ndim == 2:
        return np.asarray(cv2.blur(maps, (window(level), window(level))), np.float32)
    return np.stack([_pooled(one, level) for one in maps])


def _least(deviations: Sequence[Map]) -> Map:
    """Of deviations that all have one sign the smallest; 0 where they do not."""
    sign = np.sign(deviations[0])
    least = np.abs(deviations[0])
    for other in deviations[1:]:
        least = np.minimum(least, np.maximum(other * sign, np.float32(0)))
    return np.asarray(sign * least, np.float32)


def _without(own: Map, taken: Map) -> Map:
    """A map less half of what alternates; weights of all exposures (N, h, w) stay weights."""
    left = own - np.float32(ALTERNATION) * taken
    if own.ndim == 2:
        return left
    left = np.maximum(left, np.float32(LEAST))
    return np.asarray(left / left.sum(axis=0, keepdims=True), np.float32)
