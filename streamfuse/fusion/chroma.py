"""Chroma of the fused picture, at native subsampling.

    C = sum_k s_k C_k max(1, min(sqrt(Y_fused / Y_k), 2.5)) / sum_k s_k,    s_k = w_k v_k

with the fusion weights w_k and a visibility v_k that leaves out clipped exposures (whose hue is wrong) and those lost
in noise. Scaling linear light scales gamma-coded luma and chroma alike, so an exposure that is darker than the fused
picture lacks colour; the square root of the ratio came nearest to the labels of the SICE stacks (mean CIEDE2000 7.5 on
eight of them, against 9.4 with the ratio itself, and 7.9 against 9.3 on three that no choice was made on). A brighter
exposure keeps its chroma. An exposure that equals the fused picture is left as it is. At last R'G'B' is brought inside
[0, 1] at constant luma (`within_gamut`).

The rule of DeepFuse, sum_k |C_k| C_k / sum_k |C_k|, leaves the gamut and takes colour from clipped exposures.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.core.frame import ColorInfo, Map, Plane, chroma_range

CLIP_START, CLIP_END = 0.85, 1.0  # of the largest of R'G'B': where an exposure's colour fades out
NOISE_START, NOISE_END = 0.02, 0.25  # of luma: where it fades in
GAIN_LIMIT = 2.5  # on the chroma of an exposure that is darker than the fused picture
BRIGHTENING_LIMIT = 2.0  # on the channels that take over the luma of one that is clipped
FLOOR = 0.1  # visibility of an exposure when nothing better is there


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
    small = [_fit(y, height, width) for y in lumas]
    target = np.clip(_fit(fused, height, width), 0, 1)
    sums = np.zeros((3, height, width), np.float32)
    for planes, luma, weight in zip(chroma, small, weights, strict=True):
        cb, cr = ((p.astype(np.float32) - np.float32(neutral)) * np.float32(0.5 / half) for p in planes)
        share = visibility(luma, cb, cr, kr, kb) * weight
        sums[2] += share
        share *= np.clip(np.sqrt(target / np.maximum(luma, 1e-4)), 1.0, GAIN_LIMIT)
        sums[0] += share * cb
        sums[1] += share * cr
    cb, cr = sums[:2] / np.maximum(sums[2], 1e-6)
    dtype = chroma[0][0].dtype
    top = (1 << bits) - 1
    out = [
        np.clip(np.rint(c * np.float32(2 * half) + neutral), 0, top).astype(dtype)
        for c in within_gamut(target, cb, cr, kr, kb)
    ]
    return out[0], out[1]


def _fit(luma: Map, height: int, width: int) -> Map:
    if luma.shape == (height, width):
        return luma
    return np.asarray(cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _differences(cb: Map, cr: Map, kr: float, kb: float) -> tuple[Map, Map, Map]:
    """R' - Y', G' - Y', B' - Y' from chroma in [-0.5, 0.5]."""
    red, blue = cr * np.float32(2 * (1 - kr)), cb * np.float32(2 * (1 - kb))
    green = (red * np.float32(kr) + blue * np.float32(kb)) * np.float32(-1 / (1 - kr - kb))
    return red, green, blue


def visibility(luma: Map, cb: Map, cr: Map, kr: float, kb: float) -> Map:
    """Near 1 where an exposure's colour can be trusted, near `FLOOR` where it is clipped or in the noise."""
    red, green, blue = _differences(cb, cr, kr, kb)
    brightest = luma + cv2.max(cv2.max(red, green), blue)
    unclipped = np.clip((CLIP_END - brightest) * np.float32(1 / (CLIP_END - CLIP_START)), 0, 1)
    above_noise = np.clip((luma - NOISE_START) * np.float32(1 / (NOISE_END - NOISE_START)), 0, 1)
    return np.asarray(unclipped * above_noise + np.float32(FLOOR), np.float32)


def within_gamut(luma: Map, cb: Map, cr: Map, kr: float, kb: float) -> tuple[Map, Map]:
    """Chroma with R'G'B' inside [0, 1] at this luma.

    Where a channel would be negative, chroma is scaled, which keeps the hue. A channel above 1 is cut off; the others
    take over its luma in proportion, at most twofold, and what is left becomes white: as in a camera, orange light that
    is too bright turns yellow. Scaling would turn it pink.

    Args:
        luma: (H, W) in [0, 1].
        cb, cr: (H, W), nominally in [-0.5, 0.5].
        kr, kb: weights of red and blue in luma.

    Returns:
        Cb and Cr, new arrays.
    """
    differences = _differences(cb, cr, kr, kb)
    scale = np.ones_like(luma)
    for difference in differences:
        np.minimum(scale, luma / np.maximum(-difference, np.float32(1e-6)), out=scale)
    over = luma + scale * cv2.max(cv2.max(*differences[:2]), differences[2]) > 1
    cb, cr = cb * scale, cr * scale
    if not over.any():
        return cb, cr
    wanted, parts = luma[over], np.array([kr, 1 - kr - kb, kb], np.float32)[:, None]
    seen = np.clip(wanted + scale[over] * np.stack([d[over] for d in differences]), 0, 1)
    largest = np.minimum(seen * np.float32(BRIGHTENING_LIMIT), 1)
    for _ in range(2):  # a second channel may reach 1 in the first round
        given = parts * seen
        factor = 1 + (wanted - given.sum(0)) / np.maximum((given * (seen < 1)).sum(0), 1e-6)
        seen = np.minimum(seen * factor, largest)
    total = (parts * seen).sum(0)
    seen += (1 - seen) * ((wanted - total) / np.maximum(1 - total, 1e-6))
    cb[over] = (seen[2] - wanted) * np.float32(0.5 / (1 - kb))
    cr[over] = (seen[0] - wanted) * np.float32(0.5 / (1 - kr))
    return cb, cr
