"""Exposure fusion of luma after Mertens, Kautz and Van Reeth, "Exposure Fusion" (Pacific Graphics 2007).

The classical baseline: no training, no device, any number of exposures. It works on float32 in [0, 1], so
the bit depth of the source does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]

SIGMA = 0.2  # of the well-exposedness Gaussian around 0.5, as in the paper
# Contrast of a flat area: over the rounding error of float32, which would otherwise decide the weights there,
# and under one code value at 16 bit. Flat areas are thus weighted by well-exposedness alone.
_FLAT = np.float32(1e-6)


def mertens_weights(lumas: Sequence[FloatImage]) -> npt.NDArray[np.float32]:
    """Weight of every exposure at every pixel: C * E, divided by its sum over exposures.

    C = |Laplacian of Y|, E = exp(-(Y - 0.5)^2 / (2 * 0.2^2)) (section 3.1 of the paper). Its
    saturation measure needs colour and is left out: luma alone is fused.

    Args:
        lumas: N arrays (H, W) float32 in [0, 1], all of one size.

    Returns:
        (N, H, W) float32, >= 0, summing to 1 over N.
    """
    _check(lumas)
    weights = np.stack([_measure(luma) for luma in lumas])
    weights /= weights.sum(axis=0)
    return weights


def blend_pyramid(lumas: Sequence[FloatImage], weights: npt.NDArray[np.float32]) -> FloatImage:
    """Blend in a Laplacian pyramid: sum_n G_l(W_n) * L_l(Y_n) on every level l, then collapse (section 3.2).

    Args:
        lumas: N arrays (H, W) float32 in [0, 1]; any size from 1x1.
        weights: (N, H, W) float32 that sum to 1 over N.

    Returns:
        (H, W) float32; what the blend overshoots is clipped to [0, 1].
    """
    _check(lumas)
    if weights.shape != (len(lumas), *lumas[0].shape):
        raise ValueError(f"weights must be (N, H, W) for {len(lumas)} pictures, got {weights.shape = }")
    levels = int(np.log2(min(lumas[0].shape)))
    blended: list[FloatImage] = []
    for luma, weight in zip(lumas, weights, strict=True):
        parts = zip(_laplacian_pyramid(luma, levels), _gaussian_pyramid(weight, levels), strict=True)
        weighted = [band * share for band, share in parts]
        blended = [a + b for a, b in zip(blended, weighted, strict=True)] if blended else weighted
    fused = blended[-1]
    for band in reversed(blended[:-1]):
        fused = band + _up(fused, band)
    return np.clip(fused, 0.0, 1.0)


def _check(lumas: Sequence[FloatImage]) -> None:
    if not lumas:
        raise ValueError("exposure fusion needs at least one picture, got none")
    for luma in lumas:
        if luma.ndim != 2 or luma.size == 0 or luma.shape != lumas[0].shape or luma.dtype != np.float32:
            raise ValueError(
                "exposure fusion takes (H, W) float32 pictures of one size, "
                f"got {[(picture.shape, str(picture.dtype)) for picture in lumas]}"
            )


def _measure(luma: FloatImage) -> FloatImage:
    edges = np.abs(cv2.Laplacian(luma, cv2.CV_32F)).reshape(luma.shape)
    centred = np.exp((luma - 0.5) ** 2 * (-0.5 / SIGMA**2))
    measure: FloatImage = (edges + _FLAT) * centred
    return measure


def _gaussian_pyramid(picture: FloatImage, levels: int) -> list[FloatImage]:
    pyramid = [picture]
    for _ in range(levels):
        pyramid.append(cv2.pyrDown(pyramid[-1]).astype(np.float32, copy=False))
    return pyramid


def _laplacian_pyramid(picture: FloatImage, levels: int) -> list[FloatImage]:
    gaussian = _gaussian_pyramid(picture, levels)
    bands = [fine - _up(coarse, fine) for fine, coarse in pairwise(gaussian)]
    return [*bands, gaussian[-1]]


def _up(coarse: FloatImage, like: FloatImage) -> FloatImage:
    height, width = like.shape
    return cv2.pyrUp(coarse, dstsize=(width, height)).reshape(like.shape).astype(np.float32, copy=False)
