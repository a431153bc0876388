"""Compiled loops for warping, two lines of pixels at a time.

Flow is smooth, so that neighbours in a line mostly move by the same number of whole pixels. Such a run reads
contiguous memory, which a CPU does many pixels at a time: several times faster than looking up each pixel for itself.

Runs are made in whole blocks, so that no pixel is left over to be done alone: what a block makes beyond the end of its
run is made anew by the next run. Lines of parts and results have `BLOCK` values more than there are pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel, kernel_of_apart

Wholes = npt.NDArray[np.int32]
BLOCK = 8  # pixels that are made at a time
LINES = 5  # of a plane that two warped lines look up

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_NEXT = np.uint64(1)  # unsigned, so that the compiler need not think of places counted from the end
_BEYOND = np.float32(2)  # pixels beyond the border from which on all there is the border's value
# Keys' cubic (1981) with a = -0.75, as in OpenCV: weights of the outer, and of the inner neighbours.
_A, _A2, _A3 = np.float32(-0.75), np.float32(1.25), np.float32(-2.25)
_TWICE = np.float32(1.5)


@kernel
def split(shift: Map, here: Map, last: np.float32, whole: Wholes, part: Map) -> None:
    """Places here + shift, not far beyond 0..last, as whole pixels of motion and the part of a pixel upon them."""
    for i in range(len(shift)):
        place = min(max(here[i] + shift[i], -_BEYOND), last + _BEYOND)
        floor = np.floor(place)
        part[i] = place - floor
        whole[i] = np.int32(floor - here[i])


@kernel
def _mixed(plane: Plane, row: np.uint64, column: np.uint64, x: np.float32) -> np.float32:
    """Linear between a pixel and the one right of it."""
    here = np.float32(plane[row, column])
    return here + x * (np.float32(plane[row, column + _NEXT]) - here)


@kernel_of_apart
def _linear(
    plane: Plane, row: np.uint64, left: np.uint64, part: Map, start: np.uint64, upper: Map, lower: Map, blocks: int
) -> None:  # fmt: skip
    """Blocks of a run from `start` on, of places right of and below pixel (left, row), and of those a line below."""
    for k in range(blocks * BLOCK):
        i = np.uint64(k)
        x, y, column = part[0, start + i], part[1, start + i], left + i
        a, b = _mixed(plane, row, column, x), _mixed(plane, row + _NEXT, column, x)
        c = _mixed(plane, row + _NEXT + _NEXT, column, x)
        upper[start + i] = a + y * (b - a)
        lower[start + i] = b + y * (c - b)


@kernel
def _inner(distance: np.float32) -> np.float32:
    """Weight of a neighbour less than a pixel away."""
    return (_A2 * distance + _A3) * distance * distance + _ONE


@kernel
def _outer(part: np.float32) -> np.float32:
    """Weight of the neighbour 1 + part away."""
    return ((_A * part + _TWICE) * part + _A) * part


@kernel
def _along(
    plane: Plane, row: np.uint64, left: np.uint64, a: np.float32, b: np.float32, c: np.float32, d: np.float32
) -> np.float32:
    outer = a * np.float32(plane[row, left - _NEXT]) + d * np.float32(plane[row, left + _NEXT + _NEXT])
    return outer + b * np.float32(plane[row, left]) + c * np.float32(plane[row, left + _NEXT])


@kernel_of_apart
def _cubic(
    plane: Plane, row: np.uint64, left: np.uint64, part: Map, start: np.uint64, upper: Map, lower: Map, blocks: int
) -> None:  # fmt: skip
    """Do as `_linear`."""
    for k in range(blocks * BLOCK):
        i = np.uint64(k)
        x, y, column = part[0, start + i], part[1, start + i], left + i
        a, b, c = _outer(x), _inner(x), _inner(_ONE - x)
        d = _ONE - a - b - c
        e, f, g = _outer(y), _inner(y), _inner(_ONE - y)
        h = _ONE - e - f - g
        first = _along(plane, row - _NEXT, column, a, b, c, d)
        second = _along(plane, row, column, a, b, c, d)
        third = _along(plane, row + _NEXT, column, a, b, c, d)
        fourth = _along(plane, row + _NEXT + _NEXT, column, a, b, c, d)
        fifth = _along(plane, row + _NEXT + _NEXT + _NEXT, column, a, b, c, d)
        upper[start + i] = e * first + f * second + g * third + h * fourth
        lower[start + i] = e * second + f * third + g * fourth + h * fifth


@kernel
def find_runs(across: Wholes, down: Wholes, share: Map, change: Plane, starts: Wholes) -> int:
    """Tell where runs of equal motion begin, in a line: their number; `starts` gets the places, and the end.

    Pixels with and without a share in the result are in different runs. `change` is for scratch, (W,) uint8 and 0
    from there to the next multiple of `BLOCK`: a block in which nothing changes is passed over at once.
    """
    last = len(across) - 1
    across_next, down_next, share_next = across[1:], down[1:], share[1:]
    for i in range(last):
        moved = (across[i] ^ across_next[i]) | (down[i] ^ down_next[i])
        change[i] = np.uint8((moved != 0) | ((share[i] > _ZERO) != (share_next[i] > _ZERO)))
    starts[0] = 0
    count = 1
    blocks = change.view(np.uint64)
    for block in range(len(blocks)):
        if blocks[block] == 0:
            continue
        for i in range(block * BLOCK, block * BLOCK + BLOCK):
            starts[count] = i + 1
            count += change[i]
    starts[count] = last + 1
    return count


@kernel
def read_lines(
    plane: Plane, y: int, whole: Wholes, part: Map, share: Map, runs: Wholes, cubic: bool, patch: Plane, out: Map
) -> None:  # fmt: skip
    """Two warped lines that move alike, run by run; 0 where they have no share. The plane's border is repeated.

    What both look up in a line of the plane is the same, but for the weight that it has: it is looked up once.

    Args:
        plane: (H, W).
        y: the first of the lines; the second may be one below the last.
        whole: pixels of motion, dx and dy, (2, W).
        part: of a pixel upon them, (2, W + BLOCK).
        share: of this plane in the result, (W,): 0 where it is not asked for.
        runs: where runs begin, and the end: see `find_runs`.
        cubic: or bilinear.
        patch: for scratch, (LINES, W + 2 BLOCK).
        out: (2, W + BLOCK).
    """
    height, width = plane.shape
    for run in range(len(runs) - 1):
        start, blocks = np.uint64(runs[run]), (runs[run + 1] - runs[run] + BLOCK - 1) // BLOCK
        if share[start] <= _ZERO:
            out[:, runs[run] : runs[run + 1]] = _ZERO
            continue
        top, first = y + whole[1, start] - 1, runs[run] + whole[0, start] - 1  # of all that is looked up
        if top >= 0 and first >= 0 and top + LINES <= height and first + (blocks * BLOCK + 3) <= width:
            source, row, left = plane, np.uint64(top) + _NEXT, np.uint64(first) + _NEXT
        else:
            _cut_out(plane, top, first, blocks * BLOCK + 3, patch)
            source, row, left = patch, _NEXT, _NEXT
        if cubic:
            _cubic(source, row, left, part, start, out[0], out[1], blocks)
        else:
            _linear(source, row, left, part, start, out[0], out[1], blocks)


@kernel
def _cut_out(plane: Plane, top: int, first: int, count: int, patch: Plane) -> None:
    """Copy `LINES` lines of `count` pixels, from a place on that may lie outside; the border is repeated."""
    height, width = plane.shape
    begin = min(max(-first, 0), count)
    end = min(max(width - first, begin), count)
    for k in range(LINES):
        line = plane[min(max(top + k, 0), height - 1)]
        patch[k, :begin] = line[0]
        patch[k, begin:end] = line[first + begin : first + end]
        patch[k, end:count] = line[width - 1]


@kernel
def store(seen: Map, own: Plane, share: Map, high: np.float32, out: Plane) -> None:
    """own + share x (seen - own), rounded and clipped to [0, high]."""
    for i in range(len(out)):
        here = np.float32(own[i])
        out[i] = min(max(here + share[i] * (seen[i] - here) + _HALF, _ZERO), high)
