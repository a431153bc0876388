"""Chroma of the fused picture by the rule of `chroma`, with its weights at half the resolution of the chroma planes.

The rule is linear in the chroma of the exposures: C = sum_k a_k C_k. The a_k follow luma, which is known finer, and
change slowly; per pixel of the planes only the sum is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.frame import ColorInfo, Map, Plane, chroma_range
from streamfuse.fusion.chroma import GAIN_LIMIT, into_gamut, visibility
from streamfuse.fusion.luma import normalise


def fuse_chroma_quickly(
    chroma: Sequence[tuple[Plane, Plane]],
    lumas: Sequence[Plane],
    fused: Plane,
    weights: Map,
    bits: int,
    color: ColorInfo,
) -> tuple[Plane, Plane]:
    """Fused Cb and Cr; colours may leave the gamut inside a 2x2 block of chroma samples, and are not clipped there.

    Args:
        chroma: N pairs of planes (h, w), darkest exposure first.
        lumas: N planes (H, W).
        fused: (H, W), the fused luma.
        weights: (N, ceil(h / 2), ceil(w / 2)) float32 fusion weights.
        bits, color: as in `Frame`.

    Returns:
        Two planes (h, w) of the input's dtype.
    """
    size = (weights.shape[2], weights.shape[1])
    neutral, half = chroma_range(bits, color.full_range)
    coefficients = color.luma_coefficients(lumas[0].shape[0])
    target = normalise(_reduced(fused, size), bits, color)
    factors, small = [], []
    total = np.full(target.shape, 1e-6, np.float32)
    for planes, luma, weight in zip(chroma, lumas, weights, strict=True):
        y = normalise(_reduced(luma, size), bits, color)
        cb, cr = ((_reduced(p, size) - np.float32(neutral)) * np.float32(0.5 / half) for p in planes)
        share = visibility(y, cb, cr, *coefficients) * weight
        total += share
        share *= np.clip(np.sqrt(target / np.maximum(y, 1e-4)), 1.0, GAIN_LIMIT)
        factors.append(share)
        small.append((cb, cr))
    cb, cr = (sum(f * s[n] for f, s in zip(factors, small, strict=True)) / total for n in (0, 1))
    scale = into_gamut(target, cb, cr, *coefficients) / total
    height, width = chroma[0][0].shape
    whole = [cv2.resize(factor * scale, (width, height)) for factor in factors]
    first, second = (_mixed([planes[n] for planes in chroma], whole, neutral, bits) for n in (0, 1))
    return first, second


def _reduced(plane: Plane, size: tuple[int, int]) -> Plane:
    """By halves first, which OpenCV is fastest at."""
    height, width = plane.shape
    if width == 4 * size[0] and height == 4 * size[1]:
        plane = cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return plane if plane.shape == size[::-1] else cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def _mixed(planes: Sequence[Plane], factors: Sequence[Map], neutral: int, bits: int) -> Plane:
    """neutral + sum of factor x (plane - neutral), rounded and clipped to the code values."""
    total = np.full(planes[0].shape, np.float32(neutral + 0.5))
    for plane, factor in zip(planes, factors, strict=True):
        offset = np.subtract(plane, np.float32(neutral), dtype=np.float32)
        offset *= factor
        total += offset
    np.clip(total, 0, (1 << bits) - 1, out=total)
    return total.astype(planes[0].dtype)
