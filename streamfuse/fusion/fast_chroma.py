"""Chroma of the fused picture by the rule of `chroma`, with its weights at half the resolution of the chroma planes.

The rule is C = sum_k a_k C_k + s, with s = 0 but where a channel is cut off. The a_k follow luma, which is known finer,
and they and s change slowly; per pixel of the planes only the sum is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.core.color_info import ColorInfo, chroma_range
from streamfuse.core.frame import Map, Plane
from streamfuse.fusion.chroma import factors_of, luma_code, nominal_chroma
from streamfuse.fusion.chroma_rows import weighted_chroma
from streamfuse.fusion.luma import normalise


def fuse_chroma_fast(
    chroma: Sequence[tuple[Plane, Plane]],
    lumas: Sequence[Plane],
    fused: Plane,
    weights: Map,
    bits: int,
    color: ColorInfo,
    *,
    halves: Sequence[Sequence[Map]] = ((), ()),
    into: Sequence[Plane] | None = None,
) -> tuple[Plane, Plane]:
    """Fused Cb and Cr; colours may leave the gamut inside a 2x2 block of chroma samples, and not the nominal range.

    Args:
        chroma: two pairs of planes (h, w), darkest exposure first.
        lumas: two planes (H, W).
        fused: (H, W), the fused luma.
        weights: (2, ceil(h / 2), ceil(w / 2)) float32 fusion weights.
        bits, color: as in `Frame`.
        halves: of both lumas, as `blend_pair.halves_of` gives them, if they are known.
        into: two planes (h, w) to write the result to; by default new ones.

    Returns:
        Two planes (h, w) of the input's dtype.
    """
    size = (weights.shape[2], weights.shape[1])
    neutral, half = chroma_range(bits, color.full_range)
    small = np.stack([_quarter(*luma, size, bits, color) for luma in zip(lumas, halves, strict=True)])
    target = normalise(_reduced(fused, size), bits, color)
    coded = np.stack([np.stack([_reduced(plane, size) for plane in planes]) for planes in chroma])
    colours = np.asarray((coded - np.float32(neutral)) * np.float32(0.5 / half), np.float32)
    factors, shifts = factors_of(small, colours, target, weights, lumas[0].shape[0], bits, color)
    low, high = (np.float32(code) for code in nominal_chroma(bits, color))
    cb, cr = into or tuple(np.empty_like(plane) for plane in chroma[0])
    for number, out in enumerate((cb, cr)):
        planes = chroma[0][number], chroma[1][number]
        unit = np.float32(2 * half)
        weighted_chroma(planes, factors, shifts[number], np.float32(neutral), unit, low, high, out)
    return cb, cr


def _quarter(luma: Plane, halves: Sequence[Map], size: tuple[int, int], bits: int, color: ColorInfo) -> Map:
    """Luma (h, w) in [0, 1] at the size of the weights: mostly a quarter of the plane's, which is known."""
    if len(halves) > 1 and luma.shape == (4 * size[1], 4 * size[0]):
        return halves[1][: size[1], : size[0]] * np.float32(luma_code(bits, color))
    return normalise(_reduced(luma, size), bits, color)


def _reduced(plane: Plane, size: tuple[int, int]) -> Plane:
    """By halves first, which OpenCV is fastest at."""
    height, width = plane.shape
    if width == 4 * size[0] and height == 4 * size[1]:
        plane = cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return plane if plane.shape == size[::-1] else cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
