"""Chroma of the fused picture, at native subsampling.

    C = sum_k s_k C_k max(1, min(sqrt((Y_fused - 1 code) / Y_k), 2.5)) / sum_k s_k,    s_k = w_k v_k

with the fusion weights w_k and a visibility v_k that leaves out clipped exposures (whose hue is wrong) and those lost
in noise. Scaling linear light scales gamma-coded luma and chroma alike, so an exposure that is darker than the fused
picture lacks colour; the square root of the ratio came nearest to the labels of the SICE stacks (mean CIEDE2000 7.5 on
eight of them, against 9.4 with the ratio itself, and 7.9 against 9.3 on three that no choice was made on). A brighter
exposure keeps its chroma. Where all others are clipped, the one that shows a highlight gets a little more, `RAISE` of
the way to the ratio itself, so that skies and lamps keep their colour. At last R'G'B' is brought inside [0, 1] at
constant luma (`within_gamut`), and kept below `WHITE` where the exposures that the colour is of are: what none of them
clips is not to be clipped.

An exposure that equals the fused picture is left as it is. So both rules bear what rounding to codes does: in a dark,
saturated colour (blue has a luma of 15 of 255 in BT.2020) one code of luma is a fifteenth of it, and chroma would have
to move by as much. That is why a code is taken off above, and the gamut is wider by `ROUNDING` codes.

The rule of DeepFuse, sum_k |C_k| C_k / sum_k |C_k|, leaves the gamut and takes colour from clipped exposures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from streamfuse.core.frame import ColorInfo, Map, Plane, chroma_range, luma_range

CLIP_START, CLIP_END = 0.85, 1.0  # of the largest of R'G'B': where an exposure's colour fades out
NOISE_START, NOISE_END = 0.02, 0.25  # of luma: where it fades in
GAIN_LIMIT = 2.5  # on the chroma of an exposure that is darker than the fused picture
RAISE = 0.05  # share of the way from the square root of the ratio to the ratio, where all other exposures are clipped
BRIGHTENING_LIMIT = 2.0  # on the channels that take over the luma of one that is clipped
WHITE = 0.98  # of a channel: more only where the exposures have more
FLOOR = 0.1  # visibility of an exposure when nothing better is there
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
    height, width = chroma[0][0].shape
    neutral, half = chroma_range(bits, color.full_range)
    kr, kb = color.luma_coefficients(lumas[0].shape[0])
    code = np.float32(luma_code(bits, color))
    small = [_fit(y, height, width) for y in lumas]
    target = np.clip(_fit(fused, height, width), 0, 1)
    sums = np.zeros((4, height, width), np.float32)
    colours = [
        tuple((p.astype(np.float32) - np.float32(neutral)) * np.float32(0.5 / half) for p in planes)
        for planes in chroma
    ]
    peaks = [luma + _above(cb, cr, kr, kb) for luma, (cb, cr) in zip(small, colours, strict=True)]
    clipped = [1 - _unclipped(peak) for peak in peaks]
    for k, ((cb, cr), luma, weight) in enumerate(zip(colours, small, weights, strict=True)):
        brightest = peaks[k]
        share = visibility(luma, brightest) * weight
        sums[2] += share
        sums[3] += share * brightest
        ratio = np.maximum(target - code, 0) / np.maximum(luma, 1e-4)
        root = np.sqrt(ratio)
        alone = np.float32(RAISE) * reduce(np.multiply, clipped[:k] + clipped[k + 1 :])
        share *= np.clip(root + alone * (ratio - root), 1.0, GAIN_LIMIT)
        sums[0] += share * cb
        sums[1] += share * cr
    sums /= np.maximum(sums[2], 1e-6)
    top = np.clip(sums[3], WHITE, 1)
    dtype, slack = chroma[0][0].dtype, ROUNDING * float(code)
    low, high = nominal_chroma(bits, color)
    pair = within_gamut(target, sums[0], sums[1], kr, kb, slack)
    out = [
        np.clip(np.rint(c * np.float32(2 * half) + neutral), low, high).astype(dtype)
        for c in below_white(target, *pair, top, kr, kb, slack)
    ]
    return out[0], out[1]


def nominal_chroma(bits: int, color: ColorInfo) -> tuple[int, int]:
    """The smallest and the largest code of chroma that the range allows."""
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


def _differences(cb: Map, cr: Map, kr: float, kb: float) -> tuple[Map, Map, Map]:
    """R' - Y', G' - Y', B' - Y' from chroma in [-0.5, 0.5]."""
    red, blue = cr * np.float32(2 * (1 - kr)), cb * np.float32(2 * (1 - kb))
    green = (red * np.float32(kr) + blue * np.float32(kb)) * np.float32(-1 / (1 - kr - kb))
    return red, green, blue


def _above(cb: Map, cr: Map, kr: float, kb: float) -> Map:
    """The largest of R', G' and B', less luma."""
    red, green, blue = _differences(cb, cr, kr, kb)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.float32)


def _unclipped(brightest: Map) -> Map:
    """1 where the largest of R', G' and B' is below `CLIP_START`, 0 where it is clipped."""
    return np.clip((CLIP_END - brightest) * np.float32(1 / (CLIP_END - CLIP_START)), 0, 1)


def visibility(luma: Map, brightest: Map) -> Map:
    """Near 1 where an exposure's colour can be trusted, near `FLOOR` where it is clipped or in the noise.

    `brightest`: the largest of R', G' and B'.
    """
    unclipped = _unclipped(brightest)
    above_noise = np.clip((luma - NOISE_START) * np.float32(1 / (NOISE_END - NOISE_START)), 0, 1)
    return np.asarray(unclipped * above_noise + np.float32(FLOOR), np.float32)


def within_gamut(luma: Map, cb: Map, cr: Map, kr: float, kb: float, slack: float = 0.0) -> tuple[Map, Map]:
    """Chroma with R'G'B' inside [0, 1] at this luma.

    Where a channel would be negative, chroma is scaled, which keeps the hue. A channel above 1 is cut off; the others
    take over its luma in proportion, at most twofold, and what is left becomes white: as in a camera, orange light that
    is too bright turns yellow. Scaling would turn it pink.

    Args:
        luma: (H, W) in [0, 1].
        cb, cr: (H, W), nominally in [-0.5, 0.5].
        kr, kb: weights of red and blue in luma.
        slack: how far beyond [0, 1] a channel may be.

    Returns:
        Cb and Cr, new arrays.
    """
    differences = _differences(cb, cr, kr, kb)
    beyond, top = np.float32(slack), np.float32(1 + slack)
    scale = np.ones_like(luma)
    for difference in differences:
        np.minimum(scale, (luma + beyond) / np.maximum(-difference, np.float32(1e-6)), out=scale)
    over = luma + scale * cv2.max(cv2.max(*differences[:2]), differences[2]) > top
    cb, cr = cb * scale, cr * scale
    if not over.any():
        return cb, cr
    wanted, parts = luma[over], np.array([kr, 1 - kr - kb, kb], np.float32)[:, None]
    seen = np.minimum(wanted + scale[over] * np.stack([d[over] for d in differences]), top)
    largest = np.minimum(seen * np.float32(BRIGHTENING_LIMIT), top)
    for _ in range(2):  # a second channel may reach the top in the first round
        given = parts * seen
        ready = (given * ((seen > 0) & (seen < top))).sum(0)
        factor = 1 + (wanted - given.sum(0)) / np.maximum(ready, 1e-6)
        seen = np.maximum(np.minimum(seen * factor, largest), seen)
    total = (parts * seen).sum(0)
    seen += (top - seen) * ((wanted - total) / np.maximum(top - total, 1e-6))
    cb[over] = (seen[2] - wanted) * np.float32(0.5 / (1 - kb))
    cr[over] = (seen[0] - wanted) * np.float32(0.5 / (1 - kr))
    return cb, cr


def below_white(
    luma: Map, cb: Map, cr: Map, top: Map, kr: float, kb: float, slack: float = 0.0
) -> tuple[Map, Map]:
    """Chroma, scaled so that no channel is above the top, or half of the way from luma to 1 where that is more.

    Args:
        luma, top: (H, W) in [0, 1].
        cb, cr, kr, kb, slack: as in `within_gamut`.
    """
    room = np.maximum(top - luma, (1 - luma) / 2) + np.float32(slack)
    scale = np.minimum(room / np.maximum(_above(cb, cr, kr, kb), np.float32(1e-6)), 1)
    return cb * scale, cr * scale
