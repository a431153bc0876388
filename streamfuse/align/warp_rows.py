"""Compiled loops for warping, one line of pixels at a time.

Flow is smooth, so that neighbours in a line mostly move by the same number of whole pixels. Such a run reads
contiguous memory, which a CPU does many pixels at a time: several times faster than looking up each pixel for itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.frame import Map, Plane
from streamfuse.jit import kernel

Wholes = npt.NDArray[np.int32]
MARGIN = 4  # pixels around a plane that is warped: places beyond are those at its border

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
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
def _linear(upper: Plane, lower: Plane, right: Map, down: Map, out: Map) -> None:
    for i in range(len(out)):
        above, below = np.float32(upper[i]), np.float32(lower[i])
        above += right[i] * (np.float32(upper[i + 1]) - above)
        below += right[i] * (np.float32(lower[i + 1]) - below)
        out[i] = above + down[i] * (below - above)


@kernel
def _inner(distance: np.float32) -> np.float32:
    """Weight of a neighbour less than a pixel away."""
    return (_A2 * distance + _A3) * distance * distance + _ONE


@kernel
def _outer(part: np.float32) -> np.float32:
    """Weight of the neighbour 1 + part away."""
    return ((_A * part + _TWICE) * part + _A) * part


@kernel
def _along(line: Plane, i: int, a: np.float32, b: np.float32, c: np.float32, d: np.float32) -> np.float32:
    near = b * np.float32(line[i + 1]) + c * np.float32(line[i + 2])
    return a * np.float32(line[i]) + near + d * np.float32(line[i + 3])


@kernel
def _cubic(p: Plane, q: Plane, r: Plane, s: Plane, right: Map, down: Map, out: Map) -> None:
    for i in range(len(out)):
        x, y = right[i], down[i]
        a, b, c = _outer(x), _inner(x), _inner(_ONE - x)
        d = _ONE - a - b - c
        e, f, g = _outer(y), _inner(y), _inner(_ONE - y)
        h = _ONE - e - f - g
        upper = e * _along(p, i, a, b, c, d) + f * _along(q, i, a, b, c, d)
        out[i] = upper + g * _along(r, i, a, b, c, d) + h * _along(s, i, a, b, c, d)


@kernel
def find_runs(across: Wholes, down: Wholes, share: Map, change: Plane, starts: Wholes) -> int:
    """Where runs of equal motion begin, in a line: their number; `starts` gets the places, and the end.

    Pixels with and without a share in the result are in different runs. `change` (W,) uint8 is for scratch.
    """
    last = len(across) - 1
    across_next, down_next, share_next = across[1:], down[1:], share[1:]
    for i in range(last):
        moved = (across[i] ^ across_next[i]) | (down[i] ^ down_next[i])
        change[i] = np.uint8((moved != 0) | ((share[i] > _ZERO) != (share_next[i] > _ZERO)))
    starts[0] = 0
    count = 1
    for i in range(last):
        starts[count] = i + 1
        count += change[i]
    starts[count] = last + 1
    return count


@kernel
def read_line(
    plane: Plane,
    y: int,
    across: Wholes,
    down: Wholes,
    parts: Map,
    share: Map,
    runs: Wholes,
    count: int,
    cubic: bool,
    out: Map,
) -> None:
    """A warped line, run by run; 0 where it has no share.

    Args:
        plane: with `MARGIN` on all sides, (H + 2 MARGIN, W + 2 MARGIN).
        y: the line.
        across, down: whole pixels of motion, (W,).
        parts: of a pixel upon them, (2, W).
        share: of this plane in the result, (W,).
        runs, count: from `find_runs`.
        cubic: or bilinear.
        out: (W,).
    """
    for run in range(count):
        start, end = runs[run], runs[run + 1]
        made = out[start:end]
        if share[start] <= _ZERO:
            made[:] = _ZERO
            continue
        row, left = y + down[start] + MARGIN, start + across[start] + MARGIN
        right, lower = parts[0, start:end], parts[1, start:end]
        if cubic:
            span = slice(left - 1, left + end - start + 2)
            above, here = plane[row - 1, span], plane[row, span]
            _cubic(above, here, plane[row + 1, span], plane[row + 2, span], right, lower, made)
        else:
            span = slice(left, left + end - start + 1)
            _linear(plane[row, span], plane[row + 1, span], right, lower, made)


@kernel
def store(seen: Map, own: Plane, share: Map, high: np.float32, out: Plane) -> None:
    """own + share x (seen - own), rounded and clipped to [0, high]."""
    for i in range(len(out)):
        here = np.float32(own[i])
        out[i] = min(max(here + share[i] * (seen[i] - here) + _HALF, _ZERO), high)
