"""Compiled loops of `align.ghost`, over maps (h, w) at working size."""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.core.jit import kernel

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_HALF, _EIGHTH = np.float32(0.5), np.float32(0.125)
_LITTLE = np.float32(1e-9)
_SOFT = np.float32(0.05)  # deviation ** 4 below which both sides are about as good


@kernel
def _entry(table: Map, value: np.float32) -> np.float32:
    """Give what a table over [0, 1] has for a value."""
    last = np.float32(len(table) - 1)
    return table[np.uint32(min(max(value, _ZERO), _ONE) * last + _HALF)]


@kernel
def outside_of(dark: Map, bright: Map, lower: Map, upper: Map, out: Map) -> None:
    """Tell how far `bright` lies outside of the interval that tables give for `dark`, all in [0, 1]; 0 inside."""
    for y in range(dark.shape[0]):
        for x in range(dark.shape[1]):
            low, high = _entry(lower, dark[y, x]), _entry(upper, dark[y, x])
            out[y, x] = max(low - bright[y, x], bright[y, x] - high, _ZERO)


@kernel
def _slopes(above: Map, here: Map, below: Map, out: Map) -> None:
    """|horizontal| + |vertical| slope by Sobel's masks, per pixel, of the inner pixels of framed lines."""
    for i in range(len(out)):
        left = above[i] + _TWO * here[i] + below[i]
        right = above[i + 2] + _TWO * here[i + 2] + below[i + 2]
        up = above[i] + _TWO * above[i + 1] + above[i + 2]
        down = below[i] + _TWO * below[i + 1] + below[i + 2]
        out[i] = (abs(right - left) + abs(down - up)) * _EIGHTH


@kernel
def slopes(picture: Map, out: Map) -> None:
    """|horizontal| + |vertical| slope of a picture framed by one pixel on all sides, (h + 2, w + 2) -> (h, w)."""
    for y in range(out.shape[0]):
        _slopes(picture[y], picture[y + 1], picture[y + 2], out[y])


@kernel
def over_tolerance(
    outside: Map,
    slope: Map,
    bright: Map,
    motion: np.float32,
    shading: np.float32,
    least: np.float32,
    out: Map,
) -> None:
    """outside / (motion x slope + shading x bright + least)."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = outside[y, x] / (motion * slope[y, x] + shading * bright[y, x] + least)


@kernel
def weigh_sides(before: Map, after: Map, apart: Map, out: Map) -> None:
    """Weight of the side before by the deviations of both; towards it alone where they are even but `apart` (0..1)."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            b, a = before[y, x] * before[y, x], after[y, x] * after[y, x]
            b, a = _SOFT + b * b, _SOFT + a * a
            weight = a / (a + b)
            even = _ONE - abs(_TWO * weight - _ONE)
            out[y, x] = weight + even * apart[y, x] * (_ONE - weight)


@kernel
def noise_share(
    raised: Map, error: Map, deviation: Map, level: np.float32, least: np.float32, zoom: np.float32, out: Map
) -> None:
    """Noise / (noise + what is left of the error without it).

    Args:
        raised: luma, for which the table `deviation` over [0, 1] has the standard deviation of its noise.
        error: squared.
        level: factor of the variance.
        least: variance that is always there.
        zoom: factor by which noise is larger than it shows in the error.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            sigma = _entry(deviation, raised[y, x])
            noise = sigma * sigma * level + least
            excess = max(error[y, x] - noise, _ZERO)
            noise *= zoom * zoom
            out[y, x] = noise / (noise + excess + _LITTLE)
