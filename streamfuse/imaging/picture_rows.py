"""Compiled loops over pictures at working size."""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel

_ZERO, _ONE = np.float32(0), np.float32(1)
_LITTLE = np.float32(1e-4)  # chroma


@kernel
def to_rgb(
    luma: Map, cb: Plane, cr: Plane, neutral: np.float32, scale: np.float32, matrix: Map, out: Map
) -> None:
    """R'G'B' (h, w, 3), clipped to [0, 1], from luma in [0, 1] and code values of chroma.

    Args:
        neutral, scale: chroma is (code value - neutral) x scale.
        matrix: (3, 3), R', G' and B' from Y', Cb and Cr.
    """
    for y in range(luma.shape[0]):
        for x in range(luma.shape[1]):
            light = luma[y, x]
            b, r = (np.float32(cb[y, x]) - neutral) * scale, (np.float32(cr[y, x]) - neutral) * scale
            for channel in range(3):
                value = matrix[channel, 0] * light + matrix[channel, 1] * b + matrix[channel, 2] * r
                out[y, x, channel] = min(max(value, _ZERO), _ONE)


@kernel
def raised_luma(rgb: Map, factors: Map, weights: Map, out: Map) -> None:
    """Luma (h, w) of R'G'B' (h, w, 3) times a factor for each, each clipped to 1; `weights` (1, 3)."""
    for y in range(rgb.shape[0]):
        for x in range(rgb.shape[1]):
            red = min(rgb[y, x, 0] * factors[0], _ONE) * weights[0, 0]
            green = min(rgb[y, x, 1] * factors[1], _ONE) * weights[0, 1]
            out[y, x] = red + green + min(rgb[y, x, 2] * factors[2], _ONE) * weights[0, 2]


@kernel
def clip_colours(luma: Map, rgb: Map, factor: np.float32, matrix: Map, lost: Map, kept: Map) -> None:
    """What it takes from luma and chroma that R', G' and B' times a factor are clipped to 1.

    Args:
        luma, rgb: (h, w) and (h, w, 3), before; in [0, 1].
        factor: of all of them.
        matrix: (3, 3), Y', Cb and Cr from R', G' and B'.
        lost: luma times the factor, clipped by itself, less the luma of the clipped colour, (h, w).
        kept: share of chroma that is left, (h, w).
    """
    for y in range(luma.shape[0]):
        for x in range(luma.shape[1]):
            red, green, blue = rgb[y, x, 0] * factor, rgb[y, x, 1] * factor, rgb[y, x, 2] * factor
            r, g, b = min(red, _ONE), min(green, _ONE), min(blue, _ONE)
            light = matrix[0, 0] * r + matrix[0, 1] * g + matrix[0, 2] * b
            lost[y, x] = min(luma[y, x] * factor, _ONE) - light
            before, after = _LITTLE, _LITTLE
            for n in range(1, 3):
                before += abs(matrix[n, 0] * red + matrix[n, 1] * green + matrix[n, 2] * blue)
                after += abs(matrix[n, 0] * r + matrix[n, 1] * g + matrix[n, 2] * b)
            kept[y, x] = min(after / before, _ONE)


@kernel
def block_means_and_peaks(rgb: Map, side: int, means: Map, peaks: Map) -> None:
    """Of blocks of `side` x `side` pixels of R'G'B': means (h, w, 3), and the largest of all values (h, w)."""
    area = np.float32(1.0 / (side * side))
    for j in range(peaks.shape[0]):
        for i in range(peaks.shape[1]):
            red, green, blue, peak = _ZERO, _ZERO, _ZERO, _ZERO
            for y in range(j * side, (j + 1) * side):
                for x in range(i * side, (i + 1) * side):
                    red += rgb[y, x, 0]
                    green += rgb[y, x, 1]
                    blue += rgb[y, x, 2]
                    peak = max(peak, rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2])
            means[j, i, 0], means[j, i, 1], means[j, i, 2] = red * area, green * area, blue * area
            peaks[j, i] = peak


@kernel
def mixed_vectors(first: Map, second: Map, share: Map, out: Map) -> None:
    """second + share x (first - second): fields (h, w, 2), share (h, w)."""
    for y in range(share.shape[0]):
        for x in range(share.shape[1]):
            for c in range(2):
                out[y, x, c] = second[y, x, c] + share[y, x] * (first[y, x, c] - second[y, x, c])


@kernel
def scale_vectors(field: Map, across: np.float32, down: np.float32) -> None:
    """A field (h, w, 2) times a factor for each component, in place."""
    for y in range(field.shape[0]):
        for x in range(field.shape[1]):
            field[y, x, 0] *= across
            field[y, x, 1] *= down


@kernel
def _ramp(values: Map, start: np.float32, end: np.float32, out: Map) -> None:
    scale = _ONE / (end - start)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = min(max((values[y, x] - start) * scale, _ZERO), _ONE)


def ramp(values: Map, start: float, end: float) -> Map:
    """0 up to `start` and 1 from `end` on, linear between (or the other way round, if `end` is less): (h, w)."""
    out = np.empty_like(values)
    _ramp(values, np.float32(start), np.float32(end), out)
    return out
