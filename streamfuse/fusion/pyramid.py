"""Laplacian-pyramid blending in torch: differentiable, on any device; the reference for the OpenCV blend.

Every level halves by a 2x2 mean, so sizes must be multiples of 2 ** levels: pad with `pad_to_multiple` first.
Pyramid after Burt and Adelson, "The Laplacian pyramid as a compact image code" (1983); blending one weight map per
level is what separates this from Mertens et al. (2007), who use one map for all levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

ENERGY_WINDOW = 5  # pixels of a level over which the local contrast is measured
ENERGY_FLOOR = 1e-5  # variance of about 0.8 code values of 255: below it is quantisation, not detail


def pad_to_multiple(stack: Tensor, multiple: int) -> Tensor:
    """Repeat the last line and column of (..., H, W) until both sides divide by `multiple`."""
    height, width = stack.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if bottom == 0 and right == 0:
        return stack
    flat = stack.reshape(-1, 1, height, width)
    padded = F.pad(flat, (0, right, 0, bottom), mode="replicate")
    return padded.reshape(*stack.shape[:-2], height + bottom, width + right)


def upsample(stack: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, pixel centres aligned as in `cv2.resize`, of (B, C, h, w) to (B, C, *size)."""
    if tuple(stack.shape[-2:]) == tuple(size):
        return stack
    return F.interpolate(stack, size=tuple(size), mode="bilinear", align_corners=False)


def laplacian_pyramid(stack: Tensor, levels: int) -> tuple[list[Tensor], list[Tensor]]:
    """Gaussian levels 0..levels and Laplacian bands 0..levels-1 of (B, N, H, W).

    The picture is recovered as `up(... up(gaussian[-1]) + band[-1] ...) + band[0]`.
    """
    gaussian, bands = [stack], []
    for _ in range(levels):
        finer = gaussian[-1]
        coarser = F.avg_pool2d(finer, 2)
        bands.append(finer - upsample(coarser, finer.shape[-2:]))
        gaussian.append(coarser)
    return gaussian, bands


def local_energy(band: Tensor) -> Tensor:
    """Mean square of a band (B, N, H, W) over `ENERGY_WINDOW` x `ENERGY_WINDOW` pixels, plus the floor."""
    margin = ENERGY_WINDOW // 2
    padded = F.pad(band * band, (margin,) * 4, mode="replicate")
    # Sums of shifted views: on a CPU ten times faster than avg_pool2d.
    lines = _window_sum(padded, -2)
    return _window_sum(lines, -1) * (1 / ENERGY_WINDOW**2) + ENERGY_FLOOR


def _window_sum(stack: Tensor, dim: int) -> Tensor:
    length = stack.shape[dim] - ENERGY_WINDOW + 1
    total = stack.narrow(dim, 0, length) + stack.narrow(dim, 1, length)
    for start in range(2, ENERGY_WINDOW):
        total += stack.narrow(dim, start, length)
    return total


def band_weights(prior: Tensor, energy: Tensor, exponent: Tensor | float) -> Tensor:
    """Weights (B, N, H, W), summing to 1 over N: prior x energy ** exponent, normalised.

    Args:
        prior: (B, N, h, w) positive, brought up to the band's size here.
        energy: (B, N, H, W) from `local_energy`.
        exponent: >= 0; sharpens the coarse prior along the detail that each exposure really has.
    """
    raw = upsample(prior, energy.shape[-2:]) * energy**exponent
    return raw / raw.sum(dim=1, keepdim=True).clamp_min(1e-12)


def collapse(base: Tensor, bands: Sequence[Tensor]) -> Tensor:
    """Sum a blended pyramid, coarsest `base` (B, 1, h, w) and `bands` from fine to coarse, to (B, 1, H, W)."""
    picture = base
    for band in reversed(bands):
        picture = upsample(picture, band.shape[-2:]) + band
    return picture
