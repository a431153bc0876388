"""Small maps brought to the size of a plane, bilinear, line by line: the whole is never held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel

Indices = npt.NDArray[np.uint32]
_ZERO, _HALF = np.float32(0), np.float32(0.5)


def two_columns(field: Map) -> Map:
    """Give a field (h, w, ...) with two columns at least: there is something to interpolate between."""
    return np.ascontiguousarray(field if field.shape[1] > 1 else np.repeat(field, 2, axis=1))


class Places(NamedTuple):
    """Where lines and columns of a plane lie in maps: the first of two lines (columns), and weight of the second."""

    row: Indices
    row_part: Map
    column: Indices
    column_part: Map


class Kept(NamedTuple):
    """The two lines of each map that were used last, as long as the plane's, and which they are."""

    lines: Map
    row: npt.NDArray[np.int64]


@kernel
def _look_up(count: int, size: int) -> tuple[Indices, Map]:
    index, weight = np.empty(count, np.uint32), np.empty(count, np.float32)
    for i in range(count):
        place = (i + 0.5) * size / count - 0.5
        left = min(max(np.floor(place), 0), max(size - 2, 0))
        index[i] = left
        weight[i] = min(max(place - left, 0), 1)
    return index, weight


@kernel
def places(plane: tuple[int, ...], maps: tuple[int, ...]) -> Places:
    """For shapes that end with height and width; maps have two columns at least."""
    row, row_part = _look_up(plane[-2], maps[-2])
    column, column_part = _look_up(plane[-1], maps[-1])
    return Places(row, row_part, column, column_part)


@kernel
def lines_kept(count: int, width: int) -> Kept:
    """Make room for two lines of `count` maps; none is there yet."""
    return Kept(np.empty((2, count, width), np.float32), np.full(2, -1))


@kernel
def _stretch(line: Map, index: Indices, weight: Map, out: Map) -> None:
    """Linear look-up in a short line."""
    for i in range(len(out)):
        left = index[i]
        value = line[left]
        out[i] = value + weight[i] * (line[left + np.uint32(1)] - value)


@kernel
def _between(first: Map, second: Map, part: np.float32, out: Map) -> None:
    """`part` of the way from one line to the next."""
    for i in range(len(out)):
        out[i] = first[i] + part * (second[i] - first[i])


@kernel
def bring_up(maps: Map | tuple[Map, Map], y: int, where: Places, kept: Kept, out: Map) -> None:
    """Line `y` of the first N maps (h, w) as long as the plane's: (N, W). Lines are asked for from top to bottom."""
    first = np.int64(where.row[y])
    second = min(first + 1, maps[0].shape[0] - 1)
    for row in (first, second):
        if kept.row[row % 2] != row:
            kept.row[row % 2] = row
            for number in range(len(out)):
                lines = kept.lines[row % 2, number]
                _stretch(maps[number][row], where.column, where.column_part, lines)
    for number in range(len(out)):
        one, other = kept.lines[first % 2, number], kept.lines[second % 2, number]
        _between(one, other, where.row_part[y], out[number])


@kernel
def _scaled_line(line: Plane, factors: Map, centre: np.float32, high: np.float32, out: Plane) -> None:
    for i in range(len(out)):
        out[i] = min(max(centre + (np.float32(line[i]) - centre) * factors[i] + _HALF, _ZERO), high)


@kernel
def _lowered_line(line: Plane, less: Map, high: np.float32, out: Plane) -> None:
    for i in range(len(out)):
        out[i] = min(max(np.float32(line[i]) - less[i] + _HALF, _ZERO), high)


@kernel
def _is_zero(line: Map) -> bool:
    most = _ZERO
    for i in range(len(line)):
        most = max(most, abs(line[i]))
    return most == _ZERO


@kernel
def _each_line(
    plane: Plane, field: Map, scaling: bool, centre: np.float32, high: np.float32, out: Plane
) -> None:
    maps = field.reshape((1, *field.shape))
    where, kept = places(plane.shape, maps.shape), lines_kept(1, plane.shape[1])
    line = np.empty((1, plane.shape[1]), np.float32)
    empty = np.empty(field.shape[0], np.bool_)
    for row in range(field.shape[0]):
        empty[row] = _is_zero(field[row])
    for y in range(plane.shape[0]):
        first = np.int64(where.row[y])
        if not scaling and empty[first] and empty[min(first + 1, field.shape[0] - 1)]:
            out[y] = plane[y]
            continue
        bring_up(maps, y, where, kept, line)
        if scaling:
            _scaled_line(plane[y], line[0], centre, high, out[y])
        else:
            _lowered_line(plane[y], line[0], high, out[y])


def scaled(plane: Plane, factors: Map, centre: float, high: int) -> Plane:
    """centre + (plane - centre) x factor, rounded and clipped to 0..high.

    Args:
        plane: (H, W).
        factors: (h, w) float32.
        centre, high: code values.
    """
    out = np.empty_like(plane)
    _each_line(plane, two_columns(factors), True, np.float32(centre), np.float32(high), out)
    return out


def lowered(plane: Plane, less: Map, high: int) -> Plane:
    """plane - less, rounded and clipped to 0..high; `less` (h, w) float32 in code values."""
    out = np.empty_like(plane)
    _each_line(plane, two_columns(less), False, _ZERO, np.float32(high), out)
    return out
