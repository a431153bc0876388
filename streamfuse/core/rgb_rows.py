"""Compiled loops from Y'CbCr planes to R'G'B' and back, one line at a time: the arithmetic of `color`, in float32.

Chroma becomes what it adds to each of the three channels while it is still small: an affine map, which may as well be
taken before the interpolation as behind it. What is left for each pixel are a product, three sums and the rounding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Pixels, Plane
from streamfuse.core.jit import kernel

Floats = npt.NDArray[np.float32]

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@kernel
def picture_lines(
    luma: Plane, cb: Plane, cr: Plane, step: int, lines: int, matrix: Floats, top: np.float32, out: Pixels
) -> None:
    """R'G'B' of a whole picture: chroma columns lie on luma columns, chroma lines between luma lines.

    Args:
        luma: (H, W) code values.
        cb, cr: (h, w) code values, h x lines >= H and w x step >= W.
        step, lines: luma columns and lines for each of chroma.
        matrix: (3, 4), the channels in the order in which they are wanted, from Y', Cb, Cr and 1.
        top: the largest code value.
        out: (H, 3 W), the channels of a pixel side by side.
    """
    height, width = cb.shape
    few = np.empty((3, width + 1), np.float32)
    many = np.empty((3, step * width), np.float32) if step > 1 else few
    for y in range(luma.shape[0]):
        place = (np.float32(y) + _HALF) / np.float32(lines) - _HALF
        above = np.floor(place)
        first, second = max(int(above), 0), min(int(above) + 1, height - 1)
        _tint(cb[first], cb[second], cr[first], cr[second], np.float32(place - above), matrix, few)
        if step > 1:
            for channel in range(3):
                _widen(few[channel], step, many[channel])
        _mix(luma[y], matrix[0, 0], many[0], many[1], many[2], top, out[y])


@kernel
def grey_lines(luma: Plane, scale: np.float32, offset: np.float32, top: np.float32, out: Pixels) -> None:
    """Three equal channels of luma (H, W), luma x scale + offset; `top` and `out` as in `picture_lines`."""
    same = np.full(luma.shape[1], offset, np.float32)
    for y in range(luma.shape[0]):
        _mix(luma[y], scale, same, same, same, top, out[y])


@kernel
def _tint(
    upper_b: Plane,
    lower_b: Plane,
    upper_r: Plane,
    lower_r: Plane,
    share: np.float32,
    matrix: Floats,
    out: Floats,
) -> None:
    """What chroma between two of its lines, `share` of the lower one, adds to the channels: (3, w + 1)."""
    width, first, second, third = len(upper_b), out[0], out[1], out[2]
    for i in range(width):
        b, r = np.float32(upper_b[i]), np.float32(upper_r[i])
        b += share * (np.float32(lower_b[i]) - b)
        r += share * (np.float32(lower_r[i]) - r)
        first[i] = matrix[0, 1] * b + matrix[0, 2] * r + matrix[0, 3]
        second[i] = matrix[1, 1] * b + matrix[1, 2] * r + matrix[1, 3]
        third[i] = matrix[2, 1] * b + matrix[2, 2] * r + matrix[2, 3]
    for line in (first, second, third):
        line[width] = line[width - 1]


@kernel
def _widen(few: Floats, step: int, out: Floats) -> None:
    """(w + 1) values at every `step`-th column, and those between them: (step x w)."""
    following = few[1:]
    if step == 2:  # a step that the compiler knows is several times as fast
        for i in range(len(following)):
            out[2 * i] = few[i]
            out[2 * i + 1] = _HALF * (few[i] + following[i])
    else:
        for i in range(len(following)):
            for n in range(step):
                out[step * i + n] = few[i] + np.float32(n) / np.float32(step) * (following[i] - few[i])


@kernel
def _code(value: np.float32, top: np.float32) -> np.int32:
    """Rounded to nearest, and clipped to 0..top."""
    return np.int32(min(max(value, _ZERO), top) + _HALF)


@kernel
def _mix(
    luma: Plane, scale: np.float32, first: Floats, second: Floats, third: Floats, top: np.float32, out: Pixels
) -> None:
    """The line of pixels luma x scale + each of three: an index of `3 x`, and no second axis, makes vectors of it."""
    for x in range(len(luma)):
        light = np.float32(luma[x]) * scale
        out[3 * x] = _code(light + first[x], top)
        out[3 * x + 1] = _code(light + second[x], top)
        out[3 * x + 2] = _code(light + third[x], top)


@kernel
def plane_lines(pixels: Pixels, matrix: Floats, top: np.float32, luma: Plane, cb: Plane, cr: Plane) -> None:
    """Planes (H, W) of a whole picture, the other way round.

    Args:
        pixels: (H, 3 W) R'G'B', the channels of a pixel side by side.
        matrix: (3, 4), Y', Cb and Cr from R', G', B' and 1.
        top: the largest code value.
        luma, cb, cr: out.
    """
    for y in range(luma.shape[0]):
        _part(pixels[y], matrix, top, luma[y], cb[y], cr[y])


@kernel
def _part(line: Pixels, matrix: Floats, top: np.float32, luma: Plane, cb: Plane, cr: Plane) -> None:
    for x in range(len(luma)):
        r, g, b = np.float32(line[3 * x]), np.float32(line[3 * x + 1]), np.float32(line[3 * x + 2])
        luma[x] = _code(matrix[0, 0] * r + matrix[0, 1] * g + matrix[0, 2] * b + matrix[0, 3], top)
        cb[x] = _code(matrix[1, 0] * r + matrix[1, 1] * g + matrix[1, 2] * b + matrix[1, 3], top)
        cr[x] = _code(matrix[2, 0] * r + matrix[2, 1] * g + matrix[2, 2] * b + matrix[2, 3], top)
