"""One step of the full-size blend of two exposures, in one pass over the lines: every line stays in a core's cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map
from streamfuse.core.jit import kernel
from streamfuse.fusion.band_rows import (
    add_clipped,
    add_pairs,
    band,
    between,
    detail,
    load,
    mix,
    set_clipped,
    shares,
    store,
    stretch,
    sum_of_bands,
    three_lines,
)

_KEPT = 4  # lines of the coarse picture whose bands and shares are kept: two ahead, one behind
_CENTRE = np.float32(0.5)

Values = npt.NDArray[np.number]  # code values of a plane, or float32


class Range(NamedTuple):
    """Of the values of a plane.

    Args:
        black: code value of black.
        low, high: what values are clipped to, in and out; finite.
        rounding: 0.5 where values are cut to integers.
    """

    black: np.float32
    low: np.float32
    high: np.float32
    rounding: np.float32


class Sharpening(NamedTuple):
    """How the local energy of a band sharpens its weights.

    Args:
        cell: lines of the coarse picture per line of the maps.
        floor: of the squared sum of |band| over 6x6 pixels.
        exponent: of the energy.
    """

    cell: np.float32
    floor: np.float32
    exponent: np.float32


@kernel
def shrink(plane: Values, limits: Range, cell: int, out: Map) -> None:
    """Means of cell x cell pixels, a power of two, of luma over black, after repeating the border: (H, W) -> (h, w).

    Sums of codes are exact in float32, so it is all the same whether a picture is halved again and again or at once.
    """
    height, width = plane.shape
    sums = np.empty((2, out.shape[1] * cell), np.float32)
    share = np.float32(1.0 / (cell * cell))
    for j in range(out.shape[0]):
        set_clipped(plane[min(cell * j, height - 1)], limits.low, limits.high, sums[0])
        for r in range(1, cell):
            add_clipped(plane[min(cell * j + r, height - 1)], limits.low, limits.high, sums[0])
        for i in range(width, sums.shape[1]):
            sums[0, i] = sums[0, width - 1]
        size, at = sums.shape[1] // 2, 0
        while size > out.shape[1]:
            add_pairs(sums[at], np.float32(1), np.float32(0), sums[1 - at, :size])
            size, at = size // 2, 1 - at
        add_pairs(sums[at], share, limits.black, out[j])


@kernel
def _stretched(maps: Map, cell: np.float32, width: int) -> Map:
    """Give every line of maps (h, w), as long as a line of the coarse picture."""
    index, weight = np.empty(width, np.uint32), np.empty(width, np.float32)
    for i in range(width):
        place = (i + _CENTRE) / cell - _CENTRE
        left = min(max(np.floor(place), 0), max(maps.shape[1] - 2, 0))
        index[i] = left
        weight[i] = min(max(place - left, 0), 1)
    out = np.empty((maps.shape[0], width), np.float32)
    for row in range(maps.shape[0]):
        stretch(maps[row], index, weight, out[row])
    return out


@kernel
def _row(line: int, cell: np.float32, maps: int) -> tuple[int, int, np.float32]:
    """Two lines of the maps around a line, and weight of the second."""
    place = (line + 0.5) / float(cell) - 0.5
    first = min(max(int(np.floor(place)), 0), maps - 1)
    second = min(first + 1, maps - 1)
    return first, second, np.float32(max(place - first, 0.0))


@kernel
def refine(
    fine: tuple[Values, Values],
    coarse: tuple[Values, Values],
    picture: Values,
    prior: Map,
    gain: Map,
    how: Sharpening,
    limits: Range,
    out: Values,
) -> None:
    """Make the next finer level of the fused picture: both bands, weighted, upon the level below.

    Three phases go down the lines of the coarse picture, each a line behind the one before, since shares need the
    details above and below, and the sum the shares of both. Of what passes between them `_KEPT` lines are kept in turn.

        line j      bands of both exposures, and how much detail they have   -> bands, details
        line j - 1  shares of the exposures, by details j-2..j and the maps  -> weights
        line j - 2  two lines of the fused picture, by weights j-3..j-1      -> out

    Args:
        fine: both exposures, (H, W): code values of any dtype.
        coarse: their halves, (h, w) luma over black.
        picture: fused, (h, w).
        prior: weight of the second exposure, at least (2, 2).
        gain: of the bands, of the same shape.
        how: see `Sharpening`.
        limits: of `fine` and `out`.
        out: (H, W) of any dtype.
    """
    height, width = picture.shape
    lines = out.shape[0]
    priors, gains = _stretched(prior, how.cell, width), _stretched(gain, how.cell, width)
    bands = np.empty((_KEPT, 4, 2, width), np.float32)  # phases of 2x2 pixels, exposures
    details = np.empty((_KEPT, 2, width), np.float32)
    weights = np.empty((_KEPT, 2, width), np.float32)
    framed = np.empty((3, width + 2), np.float32)
    pair, maps = np.empty((2, width), np.float32), np.empty((2, width), np.float32)
    for j in range(height + 2):
        if j < height:  # bands
            kept = j % _KEPT
            for k in range(2):
                below = coarse[k]
                for r in range(2):
                    line = fine[k][min(2 * j + r, lines - 1)]
                    load(line, limits.black, limits.low, limits.high, pair[0], pair[1])
                    between(below[j], below[min(max(j + 2 * r - 1, 0), height - 1)], framed[0])
                    for p in range(2):
                        band(pair[p], framed[0, 1:], framed[0, 2 * p :], bands[kept, 2 * r + p, k])
                detail(bands[kept, :, k], details[kept, k])
        j1 = j - 1
        if 0 <= j1 < height:  # shares
            first, second, part = _row(j1, how.cell, prior.shape[0])
            mix(priors[first], priors[second], part, maps[0])
            mix(gains[first], gains[second], part, maps[1])
            around = max(j1 - 1, 0) % _KEPT, j1 % _KEPT, min(j1 + 1, height - 1) % _KEPT
            for k in range(2):
                three_lines(details[around[0], k], details[around[1], k], details[around[2], k], framed[k])
            shares(
                framed[0],
                framed[1],
                maps[0],
                maps[1],
                how.floor,
                how.exponent,
                weights[around[1], 0],
                weights[around[1], 1],
            )
        j2 = j - 2
        if j2 >= 0:  # sum
            kept = j2 % _KEPT
            for r in range(2):
                y = 2 * j2 + r
                if y >= lines:
                    break
                other = min(max(j2 + 2 * r - 1, 0), height - 1)
                between(picture[j2], picture[other], framed[0])
                for k in range(2):
                    between(weights[kept, k], weights[other % _KEPT, k], framed[1 + k])
                for p in range(2):
                    sum_of_bands(
                        framed[0, 1:],
                        framed[0, 2 * p :],
                        framed[1, 1:],
                        framed[1, 2 * p :],
                        framed[2, 1:],
                        framed[2, 2 * p :],
                        bands[kept, 2 * r + p],
                        pair[p],
                    )
                store(pair[0], pair[1], limits.black + limits.rounding, limits.low, limits.high, out[y])
