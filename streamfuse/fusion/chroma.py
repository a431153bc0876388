"""Chroma of the fused picture, at native subsampling.

    C = sum_k s_k C_k max(1, min(sqrt((Y_fused - 1 code) / Y_k), 2.5)) / sum_k s_k,    s_k = w_k v_k

with the fusion weights w_k and a visibility v_k that leaves out clipped exposures (whose hue is wrong) and those lost
in noise. Scaling linear light scales gamma-coded luma and chroma alike, so an exposure that is darker than the fused
picture lacks colour; the square root of the ratio came nearest to the labels of the SICE stacks (mean CIEDE2000 7.5 on
eight of them, against 9.4 with the ratio itself, and 7.9 against 9.3 on three that no choice was made on). A brighter
exposure keeps its chroma. Where all others are clipped, the one that shows a highlight gets a little more, `RAISE` of
the way to the ratio itself, so that skies and lamps keep their colour. Where no exposure shows the colour (the sum of
v_k lacks something of 1), a clipped one counts `PARTLY` of what is lacking, as far as its smallest channel is not
clipped: of a wall beside a lamp, yellow in one exposure, the next to nothing in the other would make a coral disc. What
a clipped exposure counts falls with n^4, and its chroma with n, n = NEAR Y_fused / Y_k where that is below 1: water at
64 codes is not as blue as the exposure that shows it at 205.

At last R'G'B' is brought inside [0, 1] at constant luma, and kept below `WHITE` where the exposures that the colour is
of are: what none of them clips is not to be clipped. Where a channel would be negative, chroma is scaled, which keeps
the hue. A channel above 1 is cut off, and white makes up for its luma. The largest channel may be at most what it is in
the exposures, or half of the way from luma to 1 where that is more.

An exposure that equals the fused picture is left as it is. So both rules bear what rounding to codes does: in a dark,
saturated colour (blue has a luma of 15 of 255 in BT.2020) one code of luma is a fifteenth of it, and chroma would have
to move by as much. That is why a code is taken off above, and the gamut is wider by `ROUNDING` codes.

The rule of DeepFuse, sum_k |C_k| C_k / sum_k |C_k|, leaves the gamut and takes colour from clipped exposures.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.core.frame import Map, Plane
from streamfuse.fusion.chroma_rows import chroma_factors, mixed_chroma

CLIP_START, CLIP_END = 0.85, 1.0  # of the largest of R'G'B': where an exposure's colour fades out
NOISE_START, NOISE_END = 0.02, 0.25  # of luma: where it fades in
GAIN_LIMIT = 2.5  # on the chroma of an exposure that is darker than the fused picture
RAISE = 0.08  # share of the way from the square root of the ratio to the ratio, where all other exposures are clipped
WHITE = 0.98  # of a channel: more only where the exposures have more
FLOOR = 0.1  # visibility of an exposure when nothing better is there
PARTLY = 4.0  # visibility of a clipped exposure, times what is lacking
NEAR = 1.2  # times the fused luma: up to so much a clipped exposure counts
LEAST_NEAR = 0.2  # of the share that is left of its distance
TINTED = (0.5, 0.9)  # of its smallest channel: up to which it counts in full, and from which on it is white
ROUNDING = (
    2.0  # codes of luma by which rounding Y, Cb, Cr and the fused luma takes R', G' or B' out of the gamut
)


def fuse_chroma(
    chroma: Sequence[tuple[Plane, Plane]],
    lumas: Sequence[Map],
    fused: Map,
    weights: Map,
    bits: int,
    color: ColorInfo,
) -> tuple[Plane, Plane]:
    """Fused Cb and Cr.

    Args:
        chroma: N pairs of planes (h, w), darkest exposure first.
        lumas: N arrays (H, W) float32 in [0, 1].
        fused: (H, W) float32, the fused luma.
        weights: (N, h, w) float32 fusion weights.
        bits, color: as in `Frame`.

    Returns:
        Two planes (h, w) of the input's dtype.
    """
    size = chroma[0][0].shape
    neutral, half = (np.float32(value) for value in chroma_range(bits, color.full_range))
    small = np.stack([_fit(y, *size) for y in lumas])
    target = np.clip(_fit(fused, *size), 0, 1)
    colours = np.empty((len(chroma), 2, *size), np.float32)
    for planes, pair in zip(chroma, colours, strict=True):
        for plane, values in zip(planes, pair, strict=True):
            np.subtract(plane, neutral, out=values)
    colours *= np.float32(0.5) / half
    factors, shifts = factors_of(small, colours, target, weights, lumas[0].shape[0], bits, color)
    low, high = (np.float32(value) for value in nominal_chroma(bits, color))
    out = np.empty((2, *size), chroma[0][0].dtype)
    mixed_chroma(colours, factors, shifts, neutral, 2 * half, low, high, out)
    return out[0], out[1]


def factors_of(
    lumas: Map, colours: Map, target: Map, weights: Map, lines: int, bits: int, color: ColorInfo
) -> tuple[Map, Map]:
    """Give what each exposure's chroma is multiplied by, (N, h, w), and what is added to the sum, (2, h, w).

    Args:
        lumas: (N, h, w) in [0, 1].
        colours: Cb and Cr of each, (N, 2, h, w) in [-0.5, 0.5].
        target: fused luma (h, w) in [0, 1].
        weights: (N, h, w).
        lines: of the whole picture, which tell its matrix where it has no tag.
        bits, color: as in `Frame`.
    """
    kr, kb = (np.float32(value) for value in color.luma_coefficients(lines))
    code = luma_code(bits, color)
    factors, shifts = np.empty_like(lumas), np.empty((2, *target.shape), np.float32)
    rule = (
        CLIP_START,
        CLIP_END,
        NOISE_START,
        NOISE_END,
        FLOOR,
        GAIN_LIMIT,
        code,
        WHITE,
        ROUNDING * code,
        RAISE,
    )
    chroma_factors(
        lumas, colours, target, np.ascontiguousarray(weights), kr, kb,
        np.array([*rule, PARTLY, *TINTED, NEAR, LEAST_NEAR], np.float32), factors, shifts,
    )  # fmt: skip
    return factors, shifts


def nominal_chroma(bits: int, color: ColorInfo) -> tuple[int, int]:
    """Give the smallest and the largest code of chroma that the range allows."""
    neutral, half = chroma_range(bits, color.full_range)
    return int(neutral - half), min(int(neutral + half), (1 << bits) - 1)


def luma_code(bits: int, color: ColorInfo) -> float:
    """Luma of one code value."""
    black, white = luma_range(bits, color.full_range)
    return 1 / (white - black)


def _fit(luma: Map, height: int, width: int) -> Map:
    if luma.shape == (height, width):
        return luma
    return np.asarray(cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA), np.float32)
