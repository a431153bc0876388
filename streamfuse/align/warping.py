"""Planes of one size, warped and mixed strip by strip: what a strip needs stays in the cache of a CPU core."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.frame import Map, Plane

Fixed = npt.NDArray[np.int16]  # a share in units of 1 / _ONE

_STRIP_PIXELS = 1 << 17
_ONE = 1 << 14
_MOST_BITS = 14  # for which a difference of two planes fits into int16


@dataclass(frozen=True, slots=True)
class Moved:
    """Planes of a neighbour, all of one size, and where they have moved.

    Args:
        planes: (H, W) each.
        flow: of the reference towards it, (h, w, 2) at working size; None = take it as it is.
    """

    planes: Sequence[Plane]
    flow: Map | None


def assemble(
    own: Sequence[Plane],
    sides: Sequence[Moved],
    weight: Map | None,
    share: Map | None,
    bits: int,
    interpolation: int,
) -> tuple[Plane, ...]:
    """share x (weight x sides[0] + (1 - weight) x sides[1]) + (1 - share) x own, rounded, plane by plane.

    Args:
        own: what takes over where the neighbours have no share, (H, W) each.
        sides: one or two neighbours; they are seen from where the flow starts.
        weight: of the first of two, (h, w) float32 in [0, 1] at working size.
        share: of the neighbours, likewise; None = all of it.
        bits: depth of the planes.
        interpolation: of `cv2.remap`.
    """
    if len(sides) == 1 and sides[0].flow is None and share is None:
        return tuple(sides[0].planes)
    fields = [*(side.flow for side in sides), weight, share]
    working = next(field.shape[:2] for field in fields if field is not None)
    mixing = [None if field is None else _as_share(field, bits) for field in (weight, share)]
    out = tuple(np.empty_like(plane) for plane in own)
    for strip in _strips((own[0].shape[0], own[0].shape[1]), (working[0], working[1])):
        places = [None if side.flow is None else strip.places(side.flow) for side in sides]
        shares = [None if field is None else strip.enlarge(field) for field in mixing]
        for index, plane in enumerate(out):
            seen = [
                _seen(side.planes[index], where, strip.lines, bits, interpolation)
                for side, where in zip(sides, places, strict=True)
            ]
            mixed = seen[0] if shares[0] is None else _mixed(seen[0], seen[1], shares[0])
            if shares[1] is not None:
                mixed = _mixed(mixed, own[index][strip.lines], shares[1])
            plane[strip.lines] = mixed
    return out


@dataclass(frozen=True, slots=True)
class _Strip:
    """Some lines of a plane, and those of the working grid from which they are interpolated.

    Args:
        lines: of the plane.
        size: (H, W) of the plane.
        source: lines of the working grid, with a margin.
        margin: lines of the plane that the margin before `lines` comes to.
        rows: lines of the plane that `source` comes to.
    """

    lines: slice
    size: tuple[int, int]
    source: slice
    margin: int
    rows: int

    def enlarge(self, field: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """These lines of a field (h, w) or (h, w, 2) at the plane's size, bilinear."""
        whole = cv2.resize(field[self.source], (self.size[1], self.rows), interpolation=cv2.INTER_LINEAR)
        return whole[self.margin : self.margin + self.lines.stop - self.lines.start]

    def places(self, flow: Map) -> Map:
        """Where to read each pixel, (lines, W, 2) float32 for `cv2.remap`."""
        height, width = flow.shape[:2]
        part = flow[self.source] * np.array((self.size[1] / width, self.size[0] / height), np.float32)
        part[..., 1] += self.lines.start
        where = cv2.resize(part, (self.size[1], self.rows), interpolation=cv2.INTER_LINEAR)
        where = where[self.margin : self.margin + self.lines.stop - self.lines.start]
        return np.asarray(cv2.add(where, _grid(self.size[1], where.shape[0]), dst=where), np.float32)


def _strips(size: tuple[int, int], working: tuple[int, int]) -> Iterator[_Strip]:
    """All lines in strips whose borders lie at whole lines of the working grid."""
    common = math.gcd(size[0], working[0])
    step, source_step = size[0] // common, working[0] // common
    many = max(1, _STRIP_PIXELS // size[1] // step)
    for first in range(0, common, many):
        end = min(first + many, common)
        start, after = max(first - 1, 0), min(end + 1, common)
        yield _Strip(
            lines=slice(first * step, end * step),
            size=size,
            source=slice(start * source_step, after * source_step),
            margin=(first - start) * step,
            rows=(after - start) * step,
        )


@lru_cache(maxsize=8)
def _grid(width: int, lines: int) -> Map:
    """(lines, width, 2): x and y of each pixel."""
    x, y = np.arange(width, dtype=np.float32), np.arange(lines, dtype=np.float32)
    return np.dstack(np.meshgrid(x, y))


def _seen(plane: Plane, where: Map | None, lines: slice, bits: int, interpolation: int) -> Plane:
    if where is None:
        return plane[lines]
    moved = cv2.remap(plane, where, None, interpolation, borderMode=cv2.BORDER_REPLICATE)
    limit = (1 << bits) - 1
    if limit < np.iinfo(plane.dtype).max:  # cubic interpolation overshoots
        np.minimum(moved, np.array(limit, plane.dtype), out=moved)
    return np.asarray(moved, plane.dtype)


def _as_share(field: Map, bits: int) -> Map | Fixed:
    """As `_mixed` takes it: integers where the planes allow it."""
    return np.rint(field * np.float32(_ONE)).astype(np.int16) if bits <= _MOST_BITS else field


def _mixed(first: Plane, second: Plane, share: npt.NDArray[np.generic]) -> Plane:
    """Share x first + (1 - share) x second, rounded."""
    # Not cv2.blendLinear: it rounds every half down, which is a quarter of a code value where two sides are averaged.
    if share.dtype == np.int16:
        difference = np.subtract(first, second, dtype=np.int16, casting="unsafe")
        cv2.multiply(difference, share, dst=difference, scale=1 / _ONE)
        return np.add(second, difference, dtype=np.int16, casting="unsafe").astype(first.dtype)
    difference = cv2.subtract(first, second, dtype=cv2.CV_32F)
    cv2.multiply(difference, share, dst=difference)
    return np.asarray(cv2.add(second, difference, dtype=cv2.CV_16U))
