"""Compiled loops of `align.dense_search`: the motion of patches by inverse search, and a field made of it.

Pictures are float32 luma in code values of 8 bit, framed by `FRAME` pixels on all sides that repeat the border. Values
of a patch lie one after another, so that a loop over all of them takes eight at a time.
"""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.core.jit import kernel, kernel_of_apart

PATCH, STRIDE = 8, 4  # pixels
FRAME = 16  # pixels
_AREA = PATCH * PATCH
# Of the way that slopes tell for a patch, taken in each step. Whole steps follow noise and repeated structure: films of
# camera motion then have 1 dB of PSNR to the oracle less.
_PART = np.float32(1 / 8)
_ENOUGH = np.float32(1e-4)  # squared pixels of a step, from which on no further one is taken
_SAME = np.float32(0.01)  # pixels by which what another patch has found is nothing new
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_NEXT = np.uint64(1)  # unsigned, so that the compiler need not think of places counted from the end
_SHARE = np.float32(1 / _AREA)
_FLAT = np.float32(0.05 * _AREA)  # sum of squared slopes up to which a patch shows nothing to follow
_ALIKE = np.float32(1e-3)  # of the squared sum of both: determinant up to which all slopes point one way


@kernel_of_apart
def _cut(picture: Map, top: np.uint64, left: np.uint64, out: Map) -> None:
    """Values of a patch, (64,); `top` and `left` count from the corner of the frame."""
    for r in range(PATCH):
        for c in range(PATCH):
            out[PATCH * r + c] = picture[top + np.uint64(r), left + np.uint64(c)]


@kernel_of_apart
def _look(picture: Map, x: np.float32, y: np.float32, own: Map, out: Map) -> None:
    """Difference (64,) to a patch of what lies at a place, its top left corner, bilinear; held within the frame."""
    x = min(max(x, _ZERO), np.float32(picture.shape[1] - PATCH - 2))
    y = min(max(y, _ZERO), np.float32(picture.shape[0] - PATCH - 2))
    whole_x, whole_y = np.int32(x), np.int32(y)
    fx, fy = x - np.float32(whole_x), y - np.float32(whole_y)
    left, top = np.uint64(whole_x), np.uint64(whole_y)
    a, b = (_ONE - fx) * (_ONE - fy), fx * (_ONE - fy)
    c, d = (_ONE - fx) * fy, fx * fy
    for r in range(PATCH):
        row = top + np.uint64(r)
        for k in range(PATCH):
            column = left + np.uint64(k)
            upper = a * picture[row, column] + b * picture[row, column + _NEXT]
            lower = c * picture[row + _NEXT, column] + d * picture[row + _NEXT, column + _NEXT]
            out[PATCH * r + k] = upper + lower - own[PATCH * r + k]


@kernel_of_apart
def _sums(difference: Map, across: Map, down: Map) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Sum of a difference, of its squares, and of its products with both slopes."""
    total, squares, x, y = _ZERO, _ZERO, _ZERO, _ZERO
    for k in range(_AREA):
        total += difference[k]
        squares += difference[k] * difference[k]
        x += difference[k] * across[k]
        y += difference[k] * down[k]
    return total, squares, x, y


@kernel_of_apart
def _structure(across: Map, down: Map) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32]:
    """Sums of slopes and of their products: x, y, xx, xy, yy."""
    sx, sy, xx, xy, yy = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    for k in range(_AREA):
        sx += across[k]
        sy += down[k]
        xx += across[k] * across[k]
        xy += across[k] * down[k]
        yy += down[k] * down[k]
    return sx, sy, xx, xy, yy


@kernel
def _place(number: int, size: int) -> int:
    """Where a patch begins along an axis: the last ones end with the picture."""
    return min(number * STRIDE, size - PATCH)


@kernel
def _descend(
    target: Map,
    patch: tuple[Map, Map, Map],
    place: tuple[np.float32, np.float32],
    start: tuple[np.float32, np.float32],
    found: tuple[np.float32, np.float32, np.float32, np.float32],
    steps: int,
    seen: Map,
) -> tuple[np.float32, np.float32]:
    """Follow the slopes of a patch for as long as it fits better and better.

    Args:
        target: framed.
        patch: values and slopes.
        place: of the patch, x and y.
        start: motion to begin with.
        found: its cost, and sums of the difference there: itself, and its products with both slopes.
        steps: at most.
        seen: scratch, (64,).
    """
    own, gx, gy = patch
    u, v = start
    best, total, bx, by = found
    sx, sy, xx, xy, yy = _structure(gx, gy)
    xx, xy, yy = xx - sx * sx * _SHARE, xy - sx * sy * _SHARE, yy - sy * sy * _SHARE
    determinant, size = xx * yy - xy * xy, xx + yy
    if size <= _FLAT or determinant <= _ALIKE * size * size:
        return u, v
    scale = _PART / determinant
    for _ in range(steps):
        bx, by = bx - sx * total * _SHARE, by - sy * total * _SHARE
        step_x, step_y = (yy * bx - xy * by) * scale, (xx * by - xy * bx) * scale
        new_u, new_v = u - step_x, v - step_y
        if max(abs(new_u - start[0]), abs(new_v - start[1])) > PATCH:
            break
        _look(target, place[0] + new_u, place[1] + new_v, own, seen)
        total, squares, bx, by = _sums(seen, gx, gy)
        cost = squares - total * total * _SHARE
        if cost >= best:
            break
        best, u, v = cost, new_u, new_v
        if step_x * step_x + step_y * step_y < _ENOUGH:
            break
    return u, v


@kernel
def search(source: Map, across: Map, down: Map, target: Map, start: Map, descents: int, out: Map) -> None:
    """Find the motion of each patch of the source (Kroeger et al., ECCV 2016).

    Two sweeps, down and up again, in which a patch also tries what the patches before it have found. A change of
    brightness counts for nothing.

    Args:
        source, across, down, target: framed; `across` and `down` are slopes of the source.
        start: field to begin with, (2, h, w).
        descents: steps for each patch at most, of both sweeps together.
        out: (2, patch rows, patch columns), x and y.
    """
    height, width = start.shape[1:]
    rows, columns = out.shape[1:]
    own, gx, gy = np.empty(_AREA, np.float32), np.empty(_AREA, np.float32), np.empty(_AREA, np.float32)
    seen = np.empty(_AREA, np.float32)
    middle = PATCH // 2
    for sweep in range(2):
        back = -1 if sweep == 0 else 1
        for count in range(rows * columns):
            number = count if sweep == 0 else rows * columns - 1 - count
            j, i = number // columns, number % columns
            top, left = _place(j, height), _place(i, width)
            y, x = np.uint64(top + FRAME), np.uint64(left + FRAME)
            _cut(source, y, x, own)
            _cut(across, y, x, gx)
            _cut(down, y, x, gy)
            here_x, here_y = np.float32(x), np.float32(y)
            u, v = out[0, j, i], out[1, j, i]
            if sweep == 0:
                u, v = start[0, top + middle, left + middle], start[1, top + middle, left + middle]
            _look(target, here_x + u, here_y + v, own, seen)
            total, squares, bx, by = _sums(seen, gx, gy)
            best = squares - total * total * _SHARE
            for side in range(2):
                other_j, other_i = j + back * side, i + back * (1 - side)
                if other_j < 0 or other_j >= rows or other_i < 0 or other_i >= columns:
                    continue
                other_u, other_v = out[0, other_j, other_i], out[1, other_j, other_i]
                if max(abs(other_u - u), abs(other_v - v)) < _SAME:
                    continue
                _look(target, here_x + other_u, here_y + other_v, own, seen)
                other_total, squares, other_bx, other_by = _sums(seen, gx, gy)
                cost = squares - other_total * other_total * _SHARE
                if cost < best:
                    best, u, v, total, bx, by = cost, other_u, other_v, other_total, other_bx, other_by
            patch = own, gx, gy
            u, v = _descend(
                target, patch, (here_x, here_y), (u, v), (best, total, bx, by), descents // 2, seen
            )
            out[0, j, i], out[1, j, i] = u, v


@kernel_of_apart
def _add_patch(
    difference: Map, u: np.float32, v: np.float32, top: np.uint64, left: np.uint64, across: Map, down: Map, total: Map
) -> None:  # fmt: skip
    for r in range(PATCH):
        row = top + np.uint64(r)
        for c in range(PATCH):
            column = left + np.uint64(c)
            weight = _ONE / max(abs(difference[PATCH * r + c]), _ONE)
            across[row, column] += weight * u
            down[row, column] += weight * v
            total[row, column] += weight


@kernel
def _divide(line: Map, total: Map) -> None:
    for x in range(len(line)):
        line[x] /= total[x]


@kernel
def densify(source: Map, target: Map, patches: Map, out: Map) -> None:
    """Mean of the patches over each pixel, by 1 / max(1, |target - source|).

    Args:
        source, target: framed.
        patches: as `search` gives them.
        out: (2, h, w).
    """
    height, width = out.shape[1:]
    own, seen = np.empty(_AREA, np.float32), np.empty(_AREA, np.float32)
    total = np.zeros((height, width), np.float32)
    out[:] = _ZERO
    for j in range(patches.shape[1]):
        top = _place(j, height)
        for i in range(patches.shape[2]):
            left, u, v = _place(i, width), patches[0, j, i], patches[1, j, i]
            _cut(source, np.uint64(top + FRAME), np.uint64(left + FRAME), own)
            _look(target, np.float32(left + FRAME) + u, np.float32(top + FRAME) + v, own, seen)
            _add_patch(seen, u, v, np.uint64(top), np.uint64(left), out[0], out[1], total)
    for y in range(height):
        _divide(out[0, y], total[y])
        _divide(out[1, y], total[y])
