"""Compiled loops of `look.tone` and `look.cube`; codes are a table's value plus a threshold, rounded down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel

_ZERO, _ONE = np.float32(0), np.float32(1)
_NARROW = np.float32(
    10
)  # 1 / difference (luma in 0..1) of which detail takes half, and of the ends where it fades
_TINY = np.float32(1e-6)  # chroma and gains beside which nothing is divided by zero
_DARK = np.float32(1 / 255)  # luma that is added before luma is divided by luma: the chroma of black is noise
_MASK = 63  # of the thresholds, which repeat every 64 lines; they are as wide as the picture, or wider


class LumaCoding(NamedTuple):
    """black, span: codes of luma; top: the largest code; detail: share of the difference that is added."""

    black: np.float32
    span: np.float32
    top: np.float32
    detail: np.float32


class ChromaCoding(NamedTuple):
    """Chroma is (code - neutral) x scale, in -0.5..0.5, and becomes to_neutral + chroma x to_scale, at most `top`.

    red, blue: R' - Y' and B' - Y' of Cr and Cb = 1; green_red, green_blue: Y' - G' of them. saturation: -1..1.
    """

    neutral: np.float32
    scale: np.float32
    to_neutral: np.float32
    to_scale: np.float32
    top: np.float32
    red: np.float32
    blue: np.float32
    green_red: np.float32
    green_blue: np.float32
    saturation: np.float32


@kernel
def toned_luma(luma: Plane, codes: Map, thresholds: Map, out: Plane) -> None:
    """Luma (H, W) by the table of its new codes."""
    for y in range(luma.shape[0]):
        line, threshold, to = luma[y], thresholds[y & _MASK], out[y]
        for x in range(luma.shape[1]):
            to[x] = np.uint32(codes[line[x]] + threshold[x])


@kernel
def detailed_luma(
    luma: Plane, around: Map, codes: Map, coding: LumaCoding, thresholds: Map, out: Plane
) -> None:
    """Do as `toned_luma`, with a share of what each pixel differs from its surroundings (H, W) added before.

    Large differences, which are edges, count for less, so that no halo appears; so do differences near black and white.
    """
    narrow = _NARROW / coding.span
    places = np.empty(luma.shape[1], np.float32)
    for y in range(luma.shape[0]):
        line, blurred, threshold, to = luma[y], around[y], thresholds[y & _MASK], out[y]
        for x in range(luma.shape[1]):
            code = np.float32(line[x])
            difference = code - blurred[x]
            over = code - coding.black
            room = min(max(min(over, coding.span - over) * narrow, _ZERO), _ONE)
            place = code + coding.detail * room * difference / (_ONE + abs(difference) * narrow)
            places[x] = min(max(place, _ZERO), coding.top)
        for x in range(luma.shape[1]):
            below = np.uint32(places[x])
            value = codes[below] + (places[x] - np.float32(below)) * (codes[below + 1] - codes[below])
            to[x] = np.uint32(value + threshold[x])


@kernel
def toned_chroma(
    luma: Plane, cb: Plane, cr: Plane, tone: Map, coding: ChromaCoding, for_cb: Map, for_cr: Map, out_cb: Plane,
    out_cr: Plane,
) -> None:  # fmt: skip
    """Chroma by the luma that it belongs to.

    Args:
        luma: (H, W) codes before.
        cb, cr: (h, w) codes.
        tone: (codes, 2) luma of each code, in 0..1, without and with the look.
        coding: see there.
        for_cb, for_cr: thresholds.
        out_cb, out_cr: like `cb` and `cr`.
    """
    rows, columns = cb.shape
    height, width = luma.shape
    down, across = (height + rows - 1) // rows, (width + columns - 1) // columns
    before, after = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for y in range(rows):
        upper, lower = luma[y * down], luma[min(y * down + down, height) - 1]
        for x in range(columns):
            left, right = np.uint32(x * across), np.uint32(min(x * across + across, width) - 1)
            corners = np.uint32(upper[left]) + np.uint32(upper[right])
            corners += np.uint32(lower[left]) + np.uint32(lower[right])
            code = (corners + np.uint32(2)) >> np.uint32(2)
            before[x], after[x] = tone[code, 0], tone[code, 1]
        blue_line, red_line, to_cb, to_cr = cb[y], cr[y], out_cb[y], out_cr[y]
        cb_threshold, cr_threshold = for_cb[y & _MASK], for_cr[y & _MASK]
        for x in range(columns):
            b = (np.float32(blue_line[x]) - coding.neutral) * coding.scale
            r = (np.float32(red_line[x]) - coding.neutral) * coding.scale
            red, blue = r * coding.red, b * coding.blue
            green = -r * coding.green_red - b * coding.green_blue
            old, new = before[x], after[x]
            # The lowest and the highest of the three are on either side of luma, but in grey.
            highest, lowest = max(red, green, blue, _TINY), min(red, green, blue, -_TINY)
            # As far beyond 0..1 as it was, a picture may stay.
            above = (max(_ONE, old + highest) - new) / highest
            below = (min(_ZERO, old + lowest) - new) / lowest
            limit = max(min(above, below), _ZERO)
            gain = min((max(new, _ZERO) + _DARK) / (max(old, _ZERO) + _DARK), limit)
            # The harmonic mean of saturation and room: all of it where there is much room, and never more than that.
            room = max(limit - gain, _ZERO)
            boost = max(coding.saturation, _ZERO)
            gain *= _ONE + min(coding.saturation, _ZERO) + boost * room / (boost * gain + room + _TINY)
            gain *= coding.to_scale
            at = coding.to_neutral + b * gain + cb_threshold[x]
            to_cb[x] = np.uint32(min(max(at, _ZERO), coding.top))
            at = coding.to_neutral + r * gain + cr_threshold[x]
            to_cr[x] = np.uint32(min(max(at, _ZERO), coding.top))


@kernel
def rounded(values: Map, top: np.float32, thresholds: Map, out: Plane) -> None:
    """Values (H, W) as codes in 0..top."""
    for y in range(values.shape[0]):
        line, threshold, to = values[y], thresholds[y & _MASK], out[y]
        for x in range(values.shape[1]):
            to[x] = np.uint32(min(max(line[x] + threshold[x], _ZERO), top))
