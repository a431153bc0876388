"""Smooths the fusion maps over three instants, along the motion.

With the weights 1/4, 1/2, 1/4 the response at half the frame rate is exactly zero: whatever swaps with the parity of
under and over frames (weights, and through the base level the tone) is removed, and slower changes pass. The support
is finite: output t needs the maps of t - 1, t and t + 1, so any segment of a film can be fused on its own. Pixels are
not averaged: that would cost sharpness and leave trails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from streamfuse.frame import FusionMaps, Map, WeighedBracket
from streamfuse.grid import resample_flow, sampling_positions

SIDE_WEIGHT = 0.25  # of each neighbour; the own map has the rest


class Smoother:
    """WeighedBracket -> WeighedBracket, one instant later; at once where it may not look ahead.

    Args:
        ahead: the maps of the next instant count too. Without them those of the instant before count double, so that
            the zero at half the frame rate stays.
    """

    delay = 1
    """Instants that an output waits for, where it looks ahead."""

    def __init__(self, ahead: bool = True) -> None:
        self._ahead = ahead
        self._window: deque[WeighedBracket] = deque(maxlen=3)

    def push(self, item: WeighedBracket) -> Iterable[WeighedBracket]:
        """Take instant t, give t - 1; without looking ahead, give t."""
        self._window.append(item)
        if not self._ahead:
            yield _smooth(self._window[-2] if len(self._window) > 1 else None, item, None)
        elif len(self._window) == 2:
            yield _smooth(None, self._window[0], self._window[1])
        elif len(self._window) == 3:
            yield _smooth(*self._window)

    def flush(self) -> Iterable[WeighedBracket]:
        """Give the last instant, if it is still held."""
        if self._ahead and len(self._window) == 1:
            yield self._window[0]
        elif self._ahead and self._window:
            yield _smooth(self._window[-2], self._window[-1], None)
        self._window.clear()


def _smooth(
    before: WeighedBracket | None, now: WeighedBracket, after: WeighedBracket | None
) -> WeighedBracket:
    aligned = now.aligned
    neighbours = []
    if before is not None and aligned.flow_before is not None:
        neighbours.append((before.maps, aligned.flow_before))
    if after is not None and aligned.flow_after is not None:
        neighbours.append((after.maps, aligned.flow_after))
    if not neighbours:
        return now
    # Where one side is missing (ends, cuts) the other counts double: the zero at half the frame rate stays.
    side = 2 * SIDE_WEIGHT / len(neighbours)
    steps = {p.shape[-2:] for p in (*now.maps.priors, *now.maps.gains)}
    coverage = now.maps.coverage
    grids = [
        ({s: sampling_positions(resample_flow(flow, s, to_coverage=coverage)) for s in steps}, maps)
        for maps, flow in neighbours
    ]

    def mix(own: Map, others: list[tuple[Map, tuple[Map, Map]]]) -> Map:
        total = own * np.float32(1 - side * len(others))
        for other, grid in others:
            total += np.float32(side) * _warp(other, grid)
        return total

    priors = tuple(
        mix(own, [(m.priors[n], g[own.shape[-2:]]) for g, m in grids])
        for n, own in enumerate(now.maps.priors)
    )
    gains = tuple(
        mix(own, [(m.gains[n], g[own.shape[-2:]]) for g, m in grids]) for n, own in enumerate(now.maps.gains)
    )
    return replace(now, maps=FusionMaps(priors, gains, coverage))


def _warp(maps: Map, grid: tuple[Map, Map]) -> Map:
    """Bilinear look-up of (h, w), or of each of (N, h, w)."""
    if maps.ndim == 2:
        return np.asarray(
            cv2.remap(maps, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )
    return np.stack([_warp(m, grid) for m in maps])
