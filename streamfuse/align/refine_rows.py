"""Compiled loops of `align.dense_search`: variational refinement of a flow field (Brox et al., ECCV 2004).

Brightness and its slope are constant along the motion, each weighed by a robust penalty and divided by the squared
slope (Zimmer et al., IJCV 2011), and the field is smooth, robustly too. Each round takes the weights of now and relaxes
the linear system by successive over-relaxation, the pixels of a chessboard's colours in turn.

A line is kept as its even and its odd pixels, so that all pixels of one colour lie one after another; such halves are
framed by one pixel at both ends. All relaxations of a round follow each other down the picture, a line apart: lines are
in a core's cache when the next one comes, and of the system `_RING` lines are kept in turn.
"""

from __future__ import annotations

import numpy as np

from streamfuse.align.patch_rows import FRAME
from streamfuse.core.frame import Map
from streamfuse.core.jit import kernel, kernel_of_apart

BRIGHTNESS, SLOPE, SMOOTHNESS = np.float32(5), np.float32(10), np.float32(25)
RELAXATIONS = 5  # of each round
_OVER = np.float32(1.6)  # relaxation
_EPSILON = np.float32(1e-4)  # squared, of the robust penalty sqrt(x^2 + epsilon^2)
_ZETA = np.float32(1e-2)  # squared slope below which a constraint says little
_RING = 16  # lines: two for each relaxation, the one above the last and what is just made
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)


@kernel
def look_along(target: Map, u: Map, v: Map, out: Map) -> None:
    """A framed picture seen along a field, bilinear: u, v (h, w) -> out (h, w); held within the frame."""
    last_x, last_y = np.float32(target.shape[1] - 2), np.float32(target.shape[0] - 2)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            x = min(max(np.float32(column + FRAME) + u[row, column], _ZERO), last_x)
            y = min(max(np.float32(row + FRAME) + v[row, column], _ZERO), last_y)
            left, top = np.uint64(x), np.uint64(y)
            fx, fy = x - np.float32(left), y - np.float32(top)
            right, bottom = left + np.uint64(1), top + np.uint64(1)
            above = target[top, left] + fx * (target[top, right] - target[top, left])
            below = target[bottom, left] + fx * (target[bottom, right] - target[bottom, left])
            out[row, column] = above + fy * (below - above)


@kernel
def _framed(line: Map, out: Map) -> None:
    """A line with its first and last pixel repeated."""
    width = len(line)
    inner = out[1:]
    for x in range(width):
        inner[x] = line[x]
    out[0], out[width + 1] = line[0], line[width - 1]


@kernel_of_apart
def _mean(one: Map, other: Map, out: Map) -> None:
    for x in range(len(out)):
        out[x] = _HALF * (one[x] + other[x])


@kernel_of_apart
def _difference(one: Map, other: Map, out: Map) -> None:
    for x in range(len(out)):
        out[x] = one[x] - other[x]


@kernel_of_apart
def _constraints(above: Map, here: Map, below: Map, z_above: Map, z: Map, z_below: Map, out: Map) -> None:
    """Three constraints p du + q dv + r = 0 of each pixel, from framed lines of the mean picture and the difference.

    Args:
        above, here, below: of the mean of both pictures, (w + 2,).
        z_above, z, z_below: of the target less the source, likewise.
        out: (9, w): p, q and r of brightness, and of its slope across and down.
    """
    for x in range(out.shape[1]):
        middle = x + 1
        ix, iy = _HALF * (here[x + 2] - here[x]), _HALF * (below[middle] - above[middle])
        ixx = here[x + 2] - _TWO * here[middle] + here[x]
        iyy = below[middle] - _TWO * here[middle] + above[middle]
        ixy = _QUARTER * (below[x + 2] - below[x] - above[x + 2] + above[x])
        zx, zy = _HALF * (z[x + 2] - z[x]), _HALF * (z_below[middle] - z_above[middle])
        norm = _ONE / np.sqrt(ix * ix + iy * iy + _ZETA)
        norm_x = _ONE / np.sqrt(ixx * ixx + ixy * ixy + _ZETA)
        norm_y = _ONE / np.sqrt(ixy * ixy + iyy * iyy + _ZETA)
        out[0, x], out[1, x], out[2, x] = ix * norm, iy * norm, z[middle] * norm
        out[3, x], out[4, x], out[5, x] = ixx * norm_x, ixy * norm_x, zx * norm_x
        out[6, x], out[7, x], out[8, x] = ixy * norm_y, iyy * norm_y, zy * norm_y


@kernel_of_apart
def _parted(line: Map, even: Map, odd: Map) -> None:
    for i in range(len(even)):
        even[i], odd[i] = line[2 * i], line[2 * i + 1]


@kernel
def _joined(even: Map, odd: Map, out: Map) -> None:
    for i in range(len(out) // 2):
        out[2 * i], out[2 * i + 1] = even[i], odd[i]
    if len(out) % 2:
        out[len(out) - 1] = even[len(out) // 2]


@kernel
def constrain(source: Map, seen: Map, out: Map) -> None:
    """All constraints of two pictures (h, w), of which the second is seen along the field: out (h, 2, 9, (w + 1) // 2).

    Of an odd number of columns the last one is repeated.
    """
    height, width = source.shape
    even = out.shape[3] * 2
    one, other = np.empty(even + 2, np.float32), np.empty(even + 2, np.float32)
    mean, z = np.empty((3, even + 2), np.float32), np.empty((3, even + 2), np.float32)
    found = np.empty((9, even), np.float32)
    for y in range(-1, height + 1):
        if y < height:
            line = max(y, 0)
            _framed(source[line], one)
            _framed(seen[line], other)
            for x in range(width + 1, even + 2):
                one[x], other[x] = one[width], other[width]
            ring = (y + 3) % 3
            _mean(one, other, mean[ring])
            _difference(other, one, z[ring])
        else:
            ring, last = (y + 3) % 3, (y + 2) % 3
            mean[ring] = mean[last]
            z[ring] = z[last]
        centre = y - 1
        if centre < 0:
            continue
        a, b, c = (centre + 2) % 3, centre % 3, (centre + 1) % 3
        _constraints(mean[a], mean[b], mean[c], z[a], z[b], z[c], found)
        for n in range(9):
            _parted(found[n], out[centre, 0, n], out[centre, 1, n])


@kernel_of_apart
def _penalties(u: Map, v: Map, right_u: Map, right_v: Map, below_u: Map, below_v: Map, out: Map) -> None:
    """Weight of smoothness, by how much the field changes to the right and to the line below."""
    for i in range(len(out)):
        ux, vx, uy, vy = right_u[i] - u[i], right_v[i] - v[i], below_u[i] - u[i], below_v[i] - v[i]
        out[i] = SMOOTHNESS / np.sqrt(ux * ux + vx * vx + uy * uy + vy * vy + _EPSILON)


@kernel_of_apart
def _system(
    terms: Map, u: Map, v: Map, u0: Map, v0: Map, left: Map, right: Map, above: Map, below: Map, out: Map
) -> None:  # fmt: skip
    """Solve each pixel for itself, as far as it goes without its neighbours.

    Args:
        terms: see `_constraints`, (9, n).
        u, v: the field now.
        u0, v0: the field along which the target was seen.
        left, right, above, below: weights of the four neighbours.
        out: (5, n), for `_relax`.
    """
    for i in range(len(u)):
        du, dv = u[i] - u0[i], v[i] - v0[i]
        p, q, r = terms[0, i], terms[1, i], terms[2, i]
        off = r + p * du + q * dv
        weight = BRIGHTNESS / np.sqrt(off * off + _EPSILON)
        px, qx, rx = terms[3, i], terms[4, i], terms[5, i]
        py, qy, ry = terms[6, i], terms[7, i], terms[8, i]
        off_x, off_y = rx + px * du + qx * dv, ry + py * du + qy * dv
        both = SLOPE / np.sqrt(off_x * off_x + off_y * off_y + _EPSILON)
        a11 = weight * p * p + both * (px * px + py * py)
        a12 = weight * p * q + both * (px * qx + py * qy)
        a22 = weight * q * q + both * (qx * qx + qy * qy)
        b1 = weight * p * r + both * (px * rx + py * ry)
        b2 = weight * q * r + both * (qx * rx + qy * ry)
        total = left[i] + right[i] + above[i] + below[i]
        c1, c2 = a11 * u0[i] + a12 * v0[i] - b1, a12 * u0[i] + a22 * v0[i] - b2
        a11 += total
        a22 += total
        per = _OVER / (a11 * a22 - a12 * a12)
        out[0, i], out[1, i], out[2, i] = a22 * per, -a12 * per, a11 * per
        out[3, i], out[4, i] = c1, c2


@kernel_of_apart
def _relax(
    system: Map, left: Map, right: Map, above: Map, below: Map, left_u: Map, right_u: Map, above_u: Map, below_u: Map,
    left_v: Map, right_v: Map, above_v: Map, below_v: Map, u: Map, v: Map,
) -> None:  # fmt: skip
    """Go 1.6 times of the way to what the neighbours and the constraints want, all pixels of a half line."""
    for i in range(len(left)):
        a, b, c, d = left[i], right[i], above[i], below[i]
        to_u = system[3, i] + a * left_u[i] + b * right_u[i] + c * above_u[i] + d * below_u[i]
        to_v = system[4, i] + a * left_v[i] + b * right_v[i] + c * above_v[i] + d * below_v[i]
        u[i] += system[0, i] * to_u + system[1, i] * to_v - _OVER * u[i]
        v[i] += system[1, i] * to_u + system[2, i] * to_v - _OVER * v[i]


@kernel
def _round(terms: Map, start: Map, field: Map, weights: Map, system: Map) -> None:
    """One round: new weights, then `RELAXATIONS`; arguments as in `refine`, and scratch.

    Args:
        weights: of the links to the right and down, (_RING, 2, 2, n + 2), framed.
        system: (_RING, 2, 5, n).
    """
    height, count = terms.shape[0], terms.shape[3]
    last = 2 * RELAXATIONS - 1
    for t in range(height + last + 1):
        if t < height:
            line, above = t % _RING, (t + _RING - 1) % _RING
            below = min(t + 1, height - 1)
            for part in range(2):  # beyond the last pixel there is the last pixel
                field[part, t, 0, count + 1] = field[part, t, 1, count]
            for phase in range(2):
                u, v = field[0, t, phase, 1 : count + 1], field[1, t, phase, 1 : count + 1]
                beside = 1 + phase
                right_u = field[0, t, 1 - phase, beside : beside + count]
                right_v = field[1, t, 1 - phase, beside : beside + count]
                below_u, below_v = field[0, below, phase, 1:], field[1, below, phase, 1:]
                _penalties(u, v, right_u, right_v, below_u, below_v, weights[line, 0, phase, 1 : count + 1])
                for i in range(1, count + 1):
                    weights[line, 1, phase, i] = weights[line, 0, phase, i] if below > t else _ZERO
            weights[line, 0, 1, count] = _ZERO
            for phase in range(2):
                out = system[line, phase]
                links = weights[line, 0, 1 - phase, phase:], weights[line, 0, phase, 1:]
                down = weights[above, 1, phase, 1:], weights[line, 1, phase, 1:]
                _system(
                    terms[t, phase], field[0, t, phase, 1 : count + 1], field[1, t, phase, 1 : count + 1],
                    start[0, t, phase, 1:], start[1, t, phase, 1:], links[0], links[1], down[0], down[1], out,
                )  # fmt: skip
        for step in range(last + 1):
            y = t - step
            if y < 0 or y >= height:
                continue
            phase, line, above = (y + step) % 2, y % _RING, (y + _RING - 1) % _RING
            up, down_line = max(y - 1, 0), min(y + 1, height - 1)
            side = 1 - phase
            _relax(
                system[line, phase],
                weights[line, 0, side, phase : phase + count], weights[line, 0, phase, 1:],
                weights[above, 1, phase, 1:], weights[line, 1, phase, 1:],
                field[0, y, side, phase:], field[0, y, side, phase + 1 :],
                field[0, up, phase, 1:], field[0, down_line, phase, 1:],
                field[1, y, side, phase:], field[1, y, side, phase + 1 :],
                field[1, up, phase, 1:], field[1, down_line, phase, 1:],
                field[0, y, phase, 1:], field[1, y, phase, 1:],
            )  # fmt: skip


@kernel
def refine(terms: Map, field: Map, rounds: int) -> None:
    """Refine a field (2, h, w), in place, by the constraints of `constrain`."""
    height, count = terms.shape[0], terms.shape[3]
    now = np.zeros((2, height, 2, count + 2), np.float32)
    for part in range(2):
        for y in range(height):
            line = field[part, y]
            for i in range(len(line) // 2):
                now[part, y, 0, i + 1], now[part, y, 1, i + 1] = line[2 * i], line[2 * i + 1]
            if len(line) % 2:
                now[part, y, 0, count], now[part, y, 1, count] = line[len(line) - 1], line[len(line) - 1]
    start = now.copy()
    weights, system = (
        np.zeros((_RING, 2, 2, count + 2), np.float32),
        np.empty((_RING, 2, 5, count), np.float32),
    )
    for _ in range(rounds):
        weights[:] = _ZERO
        _round(terms, start, now, weights, system)
    for part in range(2):
        for y in range(height):
            _joined(now[part, y, 0, 1:], now[part, y, 1, 1:], field[part, y])
