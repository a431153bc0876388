"""Compiled loops for the full-size blend of two exposures, one line of pixels at a time.

Lines are float32, luma over black in code values. A fine line is handled as its even and its odd pixels, two lines of
the coarse width: doubling a picture bilinearly is then 3/4 of one neighbour + 1/4 of the other, with no shuffling.
Lines with a margin of one pixel at both ends are called `framed`.
"""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel

NEAR, FAR = np.float32(0.75), np.float32(0.25)
_ONE = np.float32(1)
_LOG = np.float32(-0.33582878), np.float32(2.0), np.float32(-1.65871022)  # log2 over [1, 2), to 0.006
_EXP = np.float32(0.6565), np.float32(0.3435)  # 2 ** x over [0, 1), to 0.3 %


@kernel
def load(
    plane_line: Plane, black: np.float32, low: np.float32, high: np.float32, even: Map, odd: Map
) -> None:
    """Code values, clipped to [low, high] -> luma over black, apart; the last pixel is repeated."""
    width, pairs = len(plane_line), len(plane_line) // 2
    for i in range(pairs):
        even[i] = min(max(np.float32(plane_line[2 * i]), low), high) - black
        odd[i] = min(max(np.float32(plane_line[2 * i + 1]), low), high) - black
    last = min(max(np.float32(plane_line[width - 1]), low), high) - black
    for i in range(pairs, len(even)):
        even[i], odd[i] = last, last


@kernel
def store(even: Map, odd: Map, offset: np.float32, low: np.float32, high: np.float32, out: Plane) -> None:
    """Luma + offset, clipped to [low, high], as every second value of `out` each."""
    pairs = len(out) // 2
    for i in range(pairs):
        out[2 * i] = min(max(even[i] + offset, low), high)
        out[2 * i + 1] = min(max(odd[i] + offset, low), high)
    if len(out) % 2:
        out[2 * pairs] = min(max(even[pairs] + offset, low), high)


@kernel
def set_clipped(plane_line: Plane, low: np.float32, high: np.float32, out: Map) -> None:
    """out = code values, clipped to [low, high]; where `out` is longer it stays."""
    for i in range(len(plane_line)):
        out[i] = min(max(np.float32(plane_line[i]), low), high)


@kernel
def add_clipped(plane_line: Plane, low: np.float32, high: np.float32, out: Map) -> None:
    """Do as `set_clipped`, but added."""
    for i in range(len(plane_line)):
        out[i] += min(max(np.float32(plane_line[i]), low), high)


@kernel
def add_pairs(line: Map, factor: np.float32, less: np.float32, out: Map) -> None:
    """Sums of two neighbours each, times a factor, less a number."""
    for i in range(len(out)):
        out[i] = (line[2 * i] + line[2 * i + 1]) * factor - less


@kernel
def between(near: Map, far: Map, framed: Map) -> None:
    """A line a quarter of the way from one coarse line to the next."""
    width = len(near)
    inner = framed[1:]
    for i in range(width):
        inner[i] = NEAR * near[i] + FAR * far[i]
    framed[0] = inner[0]
    inner[width] = inner[width - 1]


@kernel
def band(line: Map, near: Map, far: Map, out: Map) -> None:
    """Every second pixel of a fine line, less the coarse picture there."""
    for i in range(len(out)):
        out[i] = line[i] - (NEAR * near[i] + FAR * far[i])


@kernel
def detail(bands: Map, out: Map) -> None:
    """Sum of |band| over 2x2 pixels; `bands` (4, w): even and odd pixels of two lines."""
    a, b, c, d = bands[0], bands[1], bands[2], bands[3]
    for i in range(len(out)):
        out[i] = abs(a[i]) + abs(b[i]) + abs(c[i]) + abs(d[i])


@kernel
def three_lines(above: Map, here: Map, below: Map, framed: Map) -> None:
    """Sum three lines."""
    width = len(here)
    inner = framed[1:]
    for i in range(width):
        inner[i] = above[i] + here[i] + below[i]
    framed[0] = inner[0]
    inner[width] = inner[width - 1]


@kernel
def stretch(line: Map, index: Plane, weight: Map, out: Map) -> None:
    """Linear look-up in a short line."""
    for i in range(len(out)):
        left = index[i]
        out[i] = line[left] + weight[i] * (line[left + np.uint32(1)] - line[left])


@kernel
def mix(first: Map, second: Map, part: np.float32, out: Map) -> None:
    """`part` of the way from one line to the next."""
    for i in range(len(out)):
        out[i] = first[i] + part * (second[i] - first[i])


@kernel
def _log2(x: np.float32) -> np.float32:
    bits = np.float32(x).view(np.int32)
    exponent = np.float32(np.int32(bits >> np.int32(23))) - np.float32(127)
    part = np.int32(np.int32(bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
    return exponent + ((_LOG[0] * part + _LOG[1]) * part + _LOG[2])


@kernel
def _exp2(x: np.float32) -> np.float32:
    whole = np.floor(x)
    part = x - whole
    power = np.int32(np.int32(np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
    return power * (_ONE + part * (_EXP[0] + part * _EXP[1]))


@kernel
def shares(
    dark: Map,
    bright: Map,
    prior: Map,
    gain: Map,
    floor: np.float32,
    exponent: np.float32,
    dark_share: Map,
    bright_share: Map,
) -> None:
    """Weight x gain of both exposures: prior x energy ** exponent, normalised.

    Args:
        dark, bright: framed lines of |band|, summed over three lines.
        prior: of the bright exposure.
        gain: of the band.
        floor: added to the squared sum of |band| over 6x6 pixels, in its units.
        exponent: of the energy.
        dark_share, bright_share: out.
    """
    dark_1, dark_2, bright_1, bright_2 = dark[1:], dark[2:], bright[1:], bright[2:]
    for i in range(len(prior)):
        a = dark[i] + dark_1[i] + dark_2[i]
        b = bright[i] + bright_1[i] + bright_2[i]
        weight = _exp2(exponent * _log2((b * b + floor) / (a * a + floor))) * prior[i]
        rest = _ONE - prior[i]
        scale = gain[i] / (weight + rest)
        dark_share[i] = rest * scale
        bright_share[i] = weight * scale


@kernel
def sum_of_bands(
    near: Map,
    far: Map,
    dark_near: Map,
    dark_far: Map,
    bright_near: Map,
    bright_far: Map,
    bands: Map,
    out: Map,
) -> None:
    """The coarse picture, doubled, and two bands (2, w) with their shares, doubled."""
    dark, bright = bands[0], bands[1]
    for i in range(len(out)):
        total = NEAR * near[i] + FAR * far[i]
        total += (NEAR * dark_near[i] + FAR * dark_far[i]) * dark[i]
        total += (NEAR * bright_near[i] + FAR * bright_far[i]) * bright[i]
        out[i] = total
