"""Compiled loops of `temporal.smooth`, over the maps of one level of all exposures, (N, h, w) float32."""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.core.jit import kernel

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@kernel
def _mixed(
    above: Map, below: Map, left: np.uint32, right: np.uint32, fx: np.float32, fy: np.float32
) -> np.float32:
    """Bilinear between two lines and two columns."""
    upper = above[left] + fx * (above[right] - above[left])
    lower = below[left] + fx * (below[right] - below[left])
    return upper + fy * (lower - upper)


@kernel
def look(maps: Map, across: Map, down: Map, sign: np.float32, out: Map) -> None:
    """Maps at the places (across, down), each (h, w) in pixels: bilinear, the border repeated; times `sign`."""
    rows, columns = maps.shape[1], maps.shape[2]
    last_x, last_y = np.float32(columns - 1), np.float32(rows - 1)
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            x = min(max(across[row, column], _ZERO), last_x)
            y = min(max(down[row, column], _ZERO), last_y)
            left, top = np.uint32(x), np.uint32(y)
            right, bottom = np.uint32(min(left + 1, columns - 1)), np.uint32(min(top + 1, rows - 1))
            fx, fy = x - np.float32(left), y - np.float32(top)
            for n in range(len(maps)):
                out[n, row, column] = sign * _mixed(maps[n, top], maps[n, bottom], left, right, fx, fy)


@kernel
def _mirrored(place: int, count: int) -> int:
    """Give a place beyond the border of a line, mirrored into it about its last pixel."""
    place = abs(place)
    return min(max(2 * (count - 1) - place if place >= count else place, 0), count - 1)


@kernel
def _sum_of_lines(maps: Map, middle: int, half: int, out: Map) -> None:
    """Sum of the lines around one, each framed by `half` mirrored pixels."""
    rows, columns = maps.shape
    inner = out[half:]
    for x in range(len(out)):
        out[x] = _ZERO
    for y in range(middle - half, middle + half + 1):
        line = maps[_mirrored(y, rows)]
        for x in range(columns):
            inner[x] += line[x]
    for x in range(half):
        out[x] = inner[_mirrored(x - half, columns)]
        out[half + columns + x] = inner[_mirrored(columns + x, columns)]


@kernel
def means(maps: Map, half: int, line: Map, out: Map) -> None:
    """Means over windows of 2 half + 1 pixels of maps (N, h, w), the border mirrored; `line` is for w + 2 half."""
    share = _ONE / np.float32((2 * half + 1) * (2 * half + 1))
    for n in range(len(out)):
        for y in range(out.shape[1]):
            _sum_of_lines(maps[n], y, half, line)
            here = out[n, y]
            for x in range(len(here)):
                here[x] = _ZERO
            for i in range(2 * half + 1):
                shifted = line[i:]
                for x in range(len(here)):
                    here[x] += shifted[x]
            for x in range(len(here)):
                here[x] *= share


@kernel
def deviate(own: Map, one: Map, other: Map, share: Map, near: Map, whole: Map) -> None:
    """Tell how far `own` lies outside of both neighbours, and off their mean, where motion is sure.

    Args:
        own, one, other: pooled maps of this instant and of its neighbours.
        share: how sure the motion is, (h, w) in 0..1.
        near: takes the first, (N, h, w).
        whole: takes the mean of the second, (N, 1, 1).
    """
    for n in range(len(own)):
        total = np.float64(0)
        for y in range(own.shape[1]):
            line = _ZERO
            for x in range(own.shape[2]):
                here, a, b = own[n, y, x], one[n, y, x], other[n, y, x]
                near[n, y, x] = (here - min(max(here, min(a, b)), max(a, b))) * share[y, x]
                line += (here - (a + b) * _HALF) * share[y, x]
            total += line
        whole[n, 0, 0] = total / (own.shape[1] * own.shape[2])


@kernel
def agree(latest: Map, past: Map, out: Map) -> None:
    """The smallest of deviations that all have one sign, else 0; `past` is (P, N, h, w) and may have no instant."""
    for n in range(len(latest)):
        for y in range(latest.shape[1]):
            for x in range(latest.shape[2]):
                deviation = latest[n, y, x]
                sign = _ONE if deviation > _ZERO else -_ONE
                least = abs(deviation)
                for p in range(len(past)):
                    least = min(least, max(past[p, n, y, x] * sign, _ZERO))
                out[n, y, x] = sign * least


@kernel
def without(
    own: Map, near: Map, whole: Map, share: Map, factor: np.float32, least: np.float32, out: Map
) -> None:
    """Maps less `factor` of what alternates: near each pixel, and `whole` (N, 1, 1) where motion is sure.

    Maps of more than one exposure are weights: they stay at least `least` and sum to 1 again.
    """
    weights = len(own) > 1
    for y in range(own.shape[1]):
        for x in range(own.shape[2]):
            total = _ZERO
            for n in range(len(own)):
                left = own[n, y, x] - factor * (near[n, y, x] + whole[n, 0, 0] * share[y, x])
                if weights:
                    left = max(left, least)
                out[n, y, x] = left
                total += left
            if weights:
                for n in range(len(own)):
                    out[n, y, x] /= total
