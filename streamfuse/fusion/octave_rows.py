"""Compiled loop of `octave_maps`: the product with matrices of linear interpolation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map
from streamfuse.core.jit import kernel

Indices = npt.NDArray[np.uint32]


@kernel
def _first(line: Map) -> int:
    """Place of the first value that is not 0, with one after it if there are two."""
    for i in range(len(line) - 1):
        if line[i] != 0:
            return i
    return max(len(line) - 2, 0)


@kernel
def _look_up(line: Map, left: Map, right: Map, index: Indices, next_index: Indices, out: Map) -> None:
    for i in range(len(out)):
        out[i] = left[i] * line[index[i]] + right[i] * line[next_index[i]]


@kernel
def _mix(first: Map, second: Map, one: np.float32, other: np.float32, out: Map) -> None:
    for i in range(len(out)):
        out[i] = one * first[i] + other * second[i]


@kernel
def interpolate(rows: Map, maps: Map, columns: Map, out: Map) -> None:
    """rows @ maps @ columns, in one thread: BLAS takes several, which wait for those of the other stages.

    Args:
        rows: (n, h); of each line two values at most are not 0, and those next to each other.
        maps: (N, h, w).
        columns: (w, m), likewise of each column.
        out: (N, n, m).
    """
    height, width, across = maps.shape[1], maps.shape[2], out.shape[2]
    index, next_index = np.empty(across, np.uint32), np.empty(across, np.uint32)
    left, right = np.empty(across, np.float32), np.zeros(across, np.float32)
    for j in range(across):
        first = _first(columns[:, j])
        index[j], next_index[j] = first, min(first + 1, width - 1)
        left[j] = columns[first, j]
        if width > 1:
            right[j] = columns[first + 1, j]
    stretched = np.empty((height, across), np.float32)
    for number in range(maps.shape[0]):
        for y in range(height):
            _look_up(maps[number, y], left, right, index, next_index, stretched[y])
        for i in range(out.shape[1]):
            first = _first(rows[i])
            second = min(first + 1, height - 1)
            other = rows[i, second] if height > 1 else np.float32(0)
            _mix(stretched[first], stretched[second], rows[i, first], other, out[number, i])
