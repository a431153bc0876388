"""Small maps brought to the size of a plane, bilinear, line by line: the whole is never held."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.frame import Map, Plane
from streamfuse.jit import kernel

Places = npt.NDArray[np.uint32]
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


def two_columns(field: Map) -> Map:
    """A field (h, w, ...) with two columns at least: there is something to interpolate between."""
    return np.ascontiguousarray(field if field.shape[1] > 1 else np.repeat(field, 2, axis=1))


@kernel
def look_up(count: int, size: int) -> tuple[Places, Map]:
    """Where `count` pixels lie on a line of `size`: index of the left one of two, and weight of the right one."""
    index, weight = np.empty(count, np.uint32), np.empty(count, np.float32)
    for i in range(count):
        place = (i + 0.5) * size / count - 0.5
        left = min(max(np.floor(place), 0), max(size - 2, 0))
        index[i] = left
        weight[i] = min(max(place - left, 0), 1)
    return index, weight


@kernel
def stretch(line: Map, step: int, index: Places, weight: Map, scale: np.float32, out: Map) -> None:
    """Linear look-up in a short line of vectors with `step` components each, times `scale`."""
    for i in range(len(out)):
        left = index[i] * np.uint32(step)
        value = line[left]
        out[i] = (value + weight[i] * (line[left + np.uint32(step)] - value)) * scale


@kernel
def blended(first: Map, second: Map, part: np.float32, out: Map) -> None:
    """`part` of the way from one line to the next."""
    for i in range(len(out)):
        out[i] = first[i] + part * (second[i] - first[i])


@kernel
def _scaled_line(
    line: Plane, first: Map, second: Map, part: np.float32, centre: np.float32, high: np.float32, out: Plane
) -> None:
    for i in range(len(out)):
        factor = first[i] + part * (second[i] - first[i])
        out[i] = min(max(centre + (np.float32(line[i]) - centre) * factor + _HALF, _ZERO), high)


@kernel
def _lowered_line(
    line: Plane, first: Map, second: Map, part: np.float32, high: np.float32, out: Plane
) -> None:
    for i in range(len(out)):
        less = first[i] + part * (second[i] - first[i])
        out[i] = min(max(np.float32(line[i]) - less + _HALF, _ZERO), high)


@kernel
def _each_line(
    plane: Plane, field: Map, scaling: bool, centre: np.float32, high: np.float32, out: Plane
) -> None:
    height, width = plane.shape
    rows = field.shape[0]
    index, weight = look_up(width, field.shape[1])
    row_index, row_part = look_up(height, rows)
    kept, held = np.empty((2, width), np.float32), np.full(2, -1)
    for y in range(height):
        first = np.int64(row_index[y])
        second = min(first + 1, rows - 1)
        for row in (first, second):
            if held[row % 2] != row:
                held[row % 2] = row
                stretch(field[row], 1, index, weight, _ONE, kept[row % 2])
        one, other = kept[first % 2], kept[second % 2]
        if scaling:
            _scaled_line(plane[y], one, other, row_part[y], centre, high, out[y])
        else:
            _lowered_line(plane[y], one, other, row_part[y], high, out[y])


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
