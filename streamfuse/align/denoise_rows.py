"""Compiled loops of `align.denoise`: a local Wiener filter, a few lines of pixels at a time.

Each line of the result needs five lines of the plane: three for the mean and the variance around a pixel, and three of
those for the weights. All of them are kept in rings of three lines, so that the whole stays in a core's cache.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel
from streamfuse.imaging.enlarging import Kept, Places, bring_up, lines_kept, places

Parts = npt.NDArray[np.int64]
MARGIN = 2  # pixels around a part that decide on it
_RING = 3
_ZERO, _ONE, _TWO, _HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_NINTH = np.float32(1 / 9)
_MIN_VALUE = np.float32(1e-3)  # squared code values


@kernel
def _mirrored(place: int, size: int) -> int:
    """Give a place up to `MARGIN` beyond 0..size - 1, as a place within: the last pixel is not repeated."""
    inner = size - 1 - abs(size - 1 - abs(place))
    return min(max(inner, 0), size - 1)


@kernel
def _load(line: Plane, first: int, framed: Map) -> None:
    """Pixels of a line from `first` - MARGIN on."""
    width, count = len(line), len(framed)
    begin = min(max(MARGIN - first, 0), count)
    end = min(max(width - first + MARGIN, begin), count)
    inner, pixels = framed[begin:end], line[first + begin - MARGIN :]
    for i in range(len(inner)):
        inner[i] = np.float32(pixels[i])
    for i in range(begin):
        framed[i] = np.float32(line[_mirrored(first + i - MARGIN, width)])
    for i in range(end, count):
        framed[i] = np.float32(line[_mirrored(first + i - MARGIN, width)])


@kernel
def _copy(line: Map, out: Map) -> None:
    """As out[:n] = line, which takes Numba five seconds to compile, for the words of its error."""
    for i in range(len(line)):
        out[i] = line[i]


@kernel
def _sums(framed: Map, sums: Map, squares: Map) -> None:
    """Of three pixels in a line and of their squares: framed (n + 2,), the others (n,)."""
    middle, right = framed[1:], framed[2:]
    for i in range(len(sums)):
        a, b, c = framed[i], middle[i], right[i]
        sums[i] = a + b + c
        squares[i] = a * a + b * b + c * c


@kernel
def _weigh(
    sums: Map,
    squares: Map,
    noise: Map,
    scale: np.float32,
    black: np.float32,
    lift: np.float32,
    kept: Map,
    mean: Map,
) -> None:
    """Share of a pixel's own value, and the mean times what is left, plus what noise has taken.

    Args:
        sums, squares: three lines each, (3, n).
        noise: variance, (n,), times `scale`.
        black, lift: see `filter_parts`.
        kept, mean: (n,).
    """
    s0, s1, s2, q0, q1, q2 = sums[0], sums[1], sums[2], squares[0], squares[1], squares[2]
    for i in range(len(kept)):
        average = (s0[i] + s1[i] + s2[i]) * _NINTH
        spread = (q0[i] + q1[i] + q2[i]) * _NINTH - average * average
        less = noise[i] * scale
        share = max(spread - less, _ZERO) / max(spread, _MIN_VALUE)
        share = share if less > _ZERO else _ONE
        kept[i] = share
        value = max(average - black, _ZERO)
        taken = less * value / (value * value + _TWO * less + _MIN_VALUE)
        mean[i] = average * (_ONE - share) + lift * taken


@kernel
def _three(line: Map, out: Map) -> None:
    """Sums of three neighbours: (n + 2,) -> (n,)."""
    middle, right = line[1:], line[2:]
    for i in range(len(out)):
        out[i] = line[i] + middle[i] + right[i]


@kernel
def _store(values: Map, kept: Map, mean: Map, high: np.float32, out: Plane) -> None:
    """Mean of the filters of the 3 x 3 pixels around, rounded: `kept` and `mean` are sums of lines, (3, n)."""
    k0, k1, k2, m0, m1, m2 = kept[0], kept[1], kept[2], mean[0], mean[1], mean[2]
    for i in range(len(out)):
        value = (k0[i] + k1[i] + k2[i]) * values[i] + m0[i] + m1[i] + m2[i]
        out[i] = min(max(value * _NINTH + _HALF, _ZERO), high)


@kernel
def _filter_part(
    plane: Plane,
    variance: Map,
    scale: np.float32,
    black: np.float32,
    lift: np.float32,
    part: Parts,
    where: Places,
    high: np.float32,
    out: Plane,
) -> None:
    top, bottom, left, right = part[0], part[1], part[2], part[3]
    height, width = plane.shape
    count = right - left
    inner = count + 2  # weights are needed one pixel around
    begin, end = max(left - 1, 0), min(right + 1, width)
    columns = Places(where.row, where.row_part, where.column[begin:end], where.column_part[begin:end])
    lines: Kept = lines_kept(1, end - begin)
    noise, framed = np.zeros((1, inner), np.float32), np.empty((_RING, count + 2 * MARGIN), np.float32)
    brought = np.empty((1, end - begin), np.float32)
    sums, squares = np.empty((_RING, inner), np.float32), np.empty((_RING, inner), np.float32)
    own, rest = np.empty(inner, np.float32), np.empty(inner, np.float32)
    kept, mean = np.empty((_RING, count), np.float32), np.empty((_RING, count), np.float32)
    for y in range(top - MARGIN, bottom + MARGIN):
        ring = (y + _RING) % _RING
        _load(plane[_mirrored(y, height)], left, framed[ring])
        _sums(framed[ring], sums[ring], squares[ring])
        if y < top:
            continue
        centre = y - 1
        if centre < height:  # beyond, it is as on the last line
            bring_up(variance, max(centre, 0), columns, lines, brought)
            _copy(brought[0], noise[0, begin - left + 1 :])
            noise[0, 0] = noise[0, 1] if begin == left else noise[0, 0]
            noise[0, inner - 1] = noise[0, inner - 2] if end == right else noise[0, inner - 1]
        _weigh(sums, squares, noise[0], scale, black, lift, own, rest)
        around = (centre + _RING) % _RING
        _three(own, kept[around])
        _three(rest, mean[around])
        if centre > top:
            _store(framed[(centre - 1) % _RING, MARGIN:], kept, mean, high, out[centre - 1, left:right])


@kernel
def filter_parts(
    plane: Plane,
    variance: Map,
    scale: np.float32,
    black: np.float32,
    lift: np.float32,
    parts: Parts,
    high: np.float32,
    out: Plane,
) -> None:
    """Take noise out of parts of a plane.

    Args:
        plane: (H, W).
        variance: of the noise, (1, h, w) of a reduced size with two columns at least; 0 = leave the pixel as it is.
        scale: of the variance, to squared code values.
        black: code value of black.
        lift: times variance x value / (value^2 + 2 x variance), value over black: what noise has taken, and is added
            (see `denoise.LIFT`).
        parts: (N, 4): top, bottom, left and right of each.
        high: largest code value.
        out: (H, W); only the parts are written.
    """
    where = places(plane.shape, variance.shape)
    for number in range(len(parts)):
        _filter_part(plane, variance, scale, black, lift, parts[number], where, high, out)
