"""Laplacian-pyramid blending in torch: differentiable, on any device; the reference for the OpenCV blend.

Every level halves by a 2x2 mean, so sizes must be multiples of 2 ** levels: pad with `pad_to_multiple` first.
Pyramid after Burt and Adelson, "The Laplacian pyramid as a compact image code" (1983); blending one weight map per
level is what separates this from Mertens et al. (2007), who use one map for all levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.fusion.pyramid_settings import (
    BLACK,
    CLIPPED,
    DIM,
    ENERGY_FLOOR,
    ENERGY_WINDOW,
    HELD,
    LIFT,
    LIFTED,
    LIGHT,
    LOWER,
    LOWERED,
    ROLL_OFF,
    ROLLED,
    SLACK,
)


def pad_to_multiple(stack: Tensor, multiple: int) -> Tensor:
    """Repeat the last line and column of (..., H, W) until both sides divide by `multiple`."""
    height, width = stack.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if bottom == 0 and right == 0:
        return stack
    flat = stack.reshape(-1, 1, height, width)
    padded = F.pad(flat, (0, right, 0, bottom), mode="replicate")
    return padded.reshape(*stack.shape[:-2], height + bottom, width + right)


def ramp(luma: Tensor, ends: tuple[float, float]) -> Tensor:
    """0 up to the first end, 1 from the second on, a line between."""
    return ((luma - ends[0]) * (1 / (ends[1] - ends[0]))).clamp(0, 1)


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


def collapse(
    base: Tensor, bands: Sequence[Tensor], exposures: Sequence[Tensor] = (), extra: int = 0
) -> Tensor:
    """Sum a blended pyramid, coarsest `base` (B, 1, h, w) and `bands` from fine to coarse, to (B, 1, H, W).

    Args:
        base, bands: as said.
        exposures: Gaussian levels (B, N, h, w) of what was blended, one for each band and for the base, within which
            the coarser sums are kept; () for a plain sum.
        extra: level of the pyramid that is the network's finest; below 0: its finest levels are missing.
    """
    picture = base
    for level in reversed(range(len(bands) + 1)):
        if level < len(bands):
            picture = upsample(picture, bands[level].shape[-2:]) + bands[level]
        if exposures and level - extra >= HELD:
            picture = within(picture, exposures[level], level - extra)
    return picture


def within(picture: Tensor, exposures: Tensor, level: int) -> Tensor:
    """Give a level of a fused picture, nowhere darker or brighter than all its exposures but for `SLACK`.

    Bands are weighted apart from each other, so their sum can leave what it was made of: a shadow blacker than in any
    exposure, a light area that is white where the dark exposure has a sky. What leaves is taken back smoothly, which
    keeps the order of brightness; what does not leave is not touched. From the level `ROLLED` on an exposure that is
    clipped counts as darker than it is, the more the darker the darkest one is there, so that white is left for the
    detail of the exposure that shows something.

    Args:
        picture: (B, 1, h, w).
        exposures: (B, N, h, w).
        level: of the network's pyramid.
    """
    low, high = exposures.amin(1, keepdim=True), exposures.amax(1, keepdim=True)
    if level >= ROLLED:
        high = (exposures - ROLL_OFF * ramp(exposures, CLIPPED) * (exposures - low)).amax(1, keepdim=True)
    inside = torch.maximum(torch.minimum(picture, high), low)
    beyond = picture - inside
    held = inside + beyond * (SLACK / (beyond.abs() + SLACK))
    if level == LIFTED:
        return lifted(held, exposures)
    return lowered(held, exposures) if level == LOWERED else held


def lifted(picture: Tensor, exposures: Tensor) -> Tensor:
    """Give dim shadows a share of the way nearer to the brightest exposure where all others are black.

    Args:
        picture: (B, 1, h, w).
        exposures: (B, N, h, w).
    """
    ordered = exposures.sort(1).values
    second, brightest = ordered[:, -2:-1], ordered[:, -1:]
    share = LIFT * (1 - ramp(second, BLACK)) * (1 - ramp(brightest, DIM))
    return picture + share * (brightest - picture).clamp_min(0)


def lowered(picture: Tensor, exposures: Tensor) -> Tensor:
    """Give light highlights a share of the way nearer to the darkest exposure where all others are white.

    They would come out next to white; so there is room for their contrast.

    Args:
        picture: (B, 1, h, w).
        exposures: (B, N, h, w).
    """
    ordered = exposures.sort(1).values
    darkest, second = ordered[:, :1], ordered[:, 1:2]
    share = LOWER * ramp(darkest, LIGHT) * ramp(second, CLIPPED)
    return picture - share * (picture - darkest).clamp_min(0)
