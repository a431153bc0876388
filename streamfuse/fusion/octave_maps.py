"""One size for the network, whatever that of the picture, and its maps as the blend needs them.

The blend works on octaves of the picture (`LcndrFuser.octaves`); the network sees it at one long side. What it says of
a scale is a mixture of two of its levels there, resampled: so the tone follows the size of a picture smoothly, where
the number of octaves leaps from one pixel to the next. Sides are stretched to multiples of 32, which the network needs,
and never padded: what is not in the picture has no say.

    picture ──halved──► octave ──stretched──► network ──► maps ──mixed, resampled──► maps of the octave
    1280x720            640x360               448x256                                (padded as the blend pads it)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import floor, log2
from operator import add, matmul
from typing import Generic, TypeVar

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.fusion.lcndr_config import LEVELS, REVISED
from streamfuse.fusion.octave_rows import interpolate

SHARE = 0.7  # of the longest side that pictures are halved to: about what they have in the mean of an octave
# Levels by which the network's maps are coarser than the bands that they weigh, finest first: halos shrink by it. The
# finest band has none that are seen, and the coarsest would be weighed by the map of the base.
COARSER = (0.0, 1.0, 1.0, 1.0, 0.0)
COARSER_GAINS = 1.0  # the same of what scales the bands
_MULTIPLE = 1 << LEVELS
# Sides of the network's picture (and of an octave) per side of its maps: three bands, a fourth, a fifth, the base.
_CELLS = (*(4,) * REVISED, 8, 16, 32)

A = TypeVar("A")  # arrays, or tensors on a device
B = TypeVar("B")


@dataclass(frozen=True, slots=True, eq=False)
class Part(Generic[A]):
    """A part of one map: rows @ source @ columns.

    Args:
        source: which of the network's maps.
        rows: (h of the octave's map, h of the source), times the share of the part.
        columns: (w of the source, w of the octave's map).
    """

    source: int
    rows: A
    columns: A


@dataclass(frozen=True, slots=True, eq=False)
class OctaveMaps(Generic[A]):
    """How the maps of a picture's octave come from the network's.

    Args:
        seen: (rows, columns) of what the network sees.
        whole: (rows, columns) of the octave that are the picture's, before the blend pads it.
        coverage: as in `FusionMaps`.
        priors, gains: the parts of each.
    """

    seen: tuple[int, int]
    whole: tuple[int, int]
    coverage: tuple[float, float]
    priors: tuple[tuple[Part[A], ...], ...]
    gains: tuple[tuple[Part[A], ...], ...]

    def express(
        self, priors: Sequence[A], gains: Sequence[A], product: Callable[[A, A, A], A] | None = None
    ) -> tuple[tuple[A, ...], tuple[A, ...]]:
        """Give priors (N, h, w) and gains (h, w) of the octave; gains only where there are any.

        Args:
            priors, gains: of the network.
            product: rows @ maps @ columns; None = that of the arrays themselves.
        """
        multiplied = product or _product
        return _mixed(priors, self.priors, multiplied), _mixed(gains, self.gains[: len(gains)], multiplied)

    def converted(self, convert: Callable[[A], B]) -> OctaveMaps[B]:
        """Give the same with other arrays, such as tensors on a device."""

        def other(maps: tuple[tuple[Part[A], ...], ...]) -> tuple[tuple[Part[B], ...], ...]:
            return tuple(
                tuple(Part(part.source, convert(part.rows), convert(part.columns)) for part in parts)
                for parts in maps
            )

        return OctaveMaps(self.seen, self.whole, self.coverage, other(self.priors), other(self.gains))


def _product(rows: A, maps: A, columns: A) -> A:
    found: A = matmul(matmul(rows, maps), columns)
    return found


def interpolated(rows: Map, maps: Map, columns: Map) -> Map:
    """Give rows @ maps @ columns for `OctaveMaps.express`, of maps (N, h, w) or (h, w) float32, in a compiled loop."""
    stack = maps.reshape(-1, *maps.shape[-2:])
    out = np.empty((len(stack), rows.shape[0], columns.shape[1]), np.float32)
    interpolate(rows, stack, columns, out)
    return out.reshape(*maps.shape[:-2], *out.shape[1:])


def _mixed(
    maps: Sequence[A], wanted: Sequence[Sequence[Part[A]]], product: Callable[[A, A, A], A]
) -> tuple[A, ...]:
    return tuple(
        reduce(add, (product(part.rows, maps[part.source], part.columns) for part in parts))
        for parts in wanted
    )


@lru_cache(maxsize=16)
def octave_maps(shape: tuple[int, int], octaves: int, long_side: int) -> OctaveMaps[Map]:
    """Tell what the network sees of a picture, and how its maps become those of the picture's octave.

    Args:
        shape: (H, W) of the picture.
        octaves: how many times the blend halves it down to the network's levels; below 0: enlarges it.
        long_side: of what the network sees, a multiple of 32.
    """
    scale = 2.0**octaves
    octave = [side / scale for side in shape]
    longest = max(octave)
    rows, columns = (
        long_side
        if side == longest
        else max(_MULTIPLE, _MULTIPLE * round(side / longest * long_side / _MULTIPLE))
        for side in octave
    )
    padded = [int(-(-side // _MULTIPLE) * _MULTIPLE) for side in octave]
    coverage = padded[0] / octave[0], padded[1] / octave[1]
    finer = log2(
        longest / long_side
    )  # levels of the octave's pyramid per level of the network's, at the same place

    def parts(place: float, last: int, cell: int) -> tuple[Part[Map], ...]:
        first = floor(min(max(place, 0.0), last))
        share = min(max(place, 0.0), last) - first
        found = []
        for source, weight in ((first, 1 - share), (first + 1, share)):
            if weight > 0:
                height, width = rows // _CELLS[source], columns // _CELLS[source]
                down = _resampling(padded[0] // cell, height, coverage[0])
                across = _resampling(padded[1] // cell, width, coverage[1])
                found.append(Part(source, (down * weight).astype(np.float32), np.ascontiguousarray(across.T)))
        return tuple(found)

    # The base has all that is coarser than the bands, at any scale.
    priors = (
        *(parts(band + COARSER[band] - finer, LEVELS, _CELLS[band]) for band in range(LEVELS)),
        parts(LEVELS, LEVELS, 32),
    )
    gains = tuple(parts(band + COARSER_GAINS - finer, REVISED - 1, _CELLS[band]) for band in range(REVISED))
    whole = (
        min(-(-shape[0] // max(1, int(scale))), padded[0]),
        min(-(-shape[1] // max(1, int(scale))), padded[1]),
    )
    return OctaveMaps((rows, columns), whole, coverage, priors, gains)


def _resampling(count: int, size: int, coverage: float) -> Map:
    """Give the matrix (count, size) of a linear interpolation; `count` places span `coverage` times the others."""
    out = np.zeros((count, size), np.float32)
    for i in range(count):
        place = min(max((i + 0.5) / count * coverage * size - 0.5, 0.0), size - 1.0)
        left = min(int(place), max(size - 2, 0))
        out[i, left] = 1 - (place - left)
        if size > 1:
            out[i, left + 1] = place - left
    return out
