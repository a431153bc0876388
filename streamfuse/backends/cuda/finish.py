"""Fused luma and chroma as codes: `finish.cu` and its references."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from streamfuse.backends.cuda.coding import Coding
from streamfuse.backends.cuda.launch import BLOCK, Launcher, blocks, suffix
from streamfuse.backends.cuda.sampling import area, linear
from streamfuse.fusion import chroma as rule


def pack_luma(
    fused: Tensor, coding: Coding, out: Tensor, dither: bool = False, launcher: Launcher | None = None
) -> Tensor:
    """Fused luma (H, W) float32 as codes, clipped and rounded, into `out` (H, W) uint8 or uint16.

    Args:
        fused: nominally in [0, 1].
        coding: of the result.
        out: where to write.
        dither: add an ordered 8 x 8 pattern before rounding, so that smooth gradients do not show steps.
        launcher: None = the torch reference.
    """
    if launcher is None:
        return out.copy_(pack_luma_reference(fused, coding, dither))
    height, width = fused.shape
    arguments = (fused, height, width, coding.black, coding.luma_range, int(dither), out)
    launcher("finish", f"pack_luma_{suffix(out)}", blocks(height, width), BLOCK, arguments)
    return out


def pack_luma_reference(
    fused: Tensor, coding: Coding, dither: bool, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Do what `pack_luma` does, in torch: floats that hold whole codes."""
    codes = fused.to(dtype).clamp(0, 1) * coding.luma_range + coding.black
    return _packed(codes, coding.black, coding.black + coding.luma_range, dither)


def fuse_chroma(
    lumas: Tensor,
    fused: Tensor,
    chroma: Tensor,
    prior: Tensor,
    coverage: tuple[float, float],
    coding: Coding,
    out: Tensor,
    dither: bool = False,
    launcher: Launcher | None = None,
) -> Tensor:
    """Fused Cb and Cr as codes, by the rule of `streamfuse.fusion.chroma`, into `out` (2, h, w).

    Args:
        lumas: (N, H, W) codes, darkest first.
        fused: (H, W) float32 fused luma.
        chroma: (2, N, h, w) codes, Cb then Cr.
        prior: (N, r, c) float32 weights.
        coverage: what `prior` spans, as in `FusionMaps`.
        coding: of the pictures.
        out: where to write.
        dither: as in `pack_luma`.
        launcher: None = the torch reference.
    """
    if launcher is None:
        return out.copy_(fuse_chroma_reference(lumas, fused, chroma, prior, coverage, coding, dither))
    _, count, rows, columns = chroma.shape
    arguments = (
        lumas, fused, *fused.shape, coding.scale, coding.offset, chroma, rows, columns, count,
        prior, *prior.shape[1:], *_steps(prior, (rows, columns), coverage),
        coding.kr, coding.kb, coding.neutral, coding.chroma_half, coding.top, int(dither), out,
    )  # fmt: skip
    launcher("finish", f"fuse_chroma_{suffix(out)}", blocks(rows, columns), BLOCK, arguments)
    return out


def fuse_chroma_reference(
    lumas: Tensor,
    fused: Tensor,
    chroma: Tensor,
    prior: Tensor,
    coverage: tuple[float, float],
    coding: Coding,
    dither: bool,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Do what `fuse_chroma` does, in torch: floats that hold whole codes."""
    size = (chroma.shape[2], chroma.shape[3])
    luma = area((lumas.to(dtype) * coding.scale + coding.offset).clamp(0, 1), size)
    target = area(fused.to(dtype), size).clamp(0, 1)
    cb, cr = (chroma.to(dtype) - coding.neutral) * (0.5 / coding.chroma_half)
    weight = linear(prior.to(dtype), size, _steps(prior, size, coverage))
    channels = luma + _differences(cb, cr, coding)
    brightest = channels.amax(0)
    clipped = ((brightest - rule.CLIP_START) / (rule.CLIP_END - rule.CLIP_START)).clamp(0, 1)
    above_noise = ((luma - rule.NOISE_START) / (rule.NOISE_END - rule.NOISE_START)).clamp(0, 1)
    visible = (1 - clipped) * above_noise
    tinted = ((rule.TINTED[1] - channels.amin(0)) / (rule.TINTED[1] - rule.TINTED[0])).clamp(0, 1)
    partly = rule.PARTLY * (1 - visible.sum(0)).clamp_min(0) * clipped * tinted
    ratio = (target - coding.scale).clamp_min(0.0) / luma.clamp_min(1e-4)
    near = (rule.NEAR * ratio).clamp(rule.LEAST_NEAR, 1)
    share = (visible + (rule.FLOOR + partly) * (1 - clipped * (1 - near**4))) * weight
    others = torch.stack([torch.cat([clipped[:k], clipped[k + 1 :]]).prod(0) for k in range(len(clipped))])
    root = ratio.sqrt()
    raised = (root + rule.RAISE * others * (ratio - root)).clamp(1.0, rule.GAIN_LIMIT)
    scaled = share * raised * (1 - clipped * (1 - near))
    total = share.sum(0).clamp_min(1e-6)
    pair = torch.stack([(scaled * cb).sum(0) / total, (scaled * cr).sum(0) / total])
    top = ((share * brightest).sum(0) / total).clamp(rule.WHITE, 1.0)
    codes = (
        _below_white(target, _within_gamut(target, pair, coding), top, coding) * (2 * coding.chroma_half)
        + coding.neutral
    )
    low, high = (
        math.floor(coding.neutral - coding.chroma_half),
        math.floor(coding.neutral + coding.chroma_half),
    )
    return _packed(codes, low, min(high, coding.top), dither)


def _within_gamut(luma: Tensor, pair: Tensor, coding: Coding) -> Tensor:
    """Bring Cb and Cr (2, h, w) into the gamut, as `streamfuse.fusion.chroma` says."""
    difference = _differences(pair[0], pair[1], coding)
    slack = rule.ROUNDING * coding.scale
    top = 1 + slack
    scale = ((luma + slack) / (-difference).clamp_min(1e-6)).amin(0).clamp(max=1.0)
    parts = luma.new_tensor([coding.kr, 1 - coding.kr - coding.kb, coding.kb])[:, None, None]
    seen = (luma + scale * difference).clamp(max=top)
    total = (parts * seen).sum(0)
    seen = seen + (top - seen) * ((luma - total) / (top - total).clamp_min(1e-6))
    over = luma + scale * difference.amax(0) > top
    moved = torch.stack(
        [(seen[2] - luma) * (0.5 / (1 - coding.kb)), (seen[0] - luma) * (0.5 / (1 - coding.kr))]
    )
    return torch.where(over, moved, pair * scale)


def _below_white(luma: Tensor, pair: Tensor, top: Tensor, coding: Coding) -> Tensor:
    """Scale Cb and Cr (2, h, w) so that no channel is above the top, as `streamfuse.fusion.chroma` says."""
    room = torch.maximum(top - luma, (1 - luma) / 2) + rule.ROUNDING * coding.scale
    above = _differences(pair[0], pair[1], coding).amax(0)
    return pair * (room / above.clamp_min(1e-6)).clamp(max=1.0)


def _steps(prior: Tensor, size: tuple[int, int], coverage: tuple[float, float]) -> tuple[float, float]:
    """Pixels of the prior per pixel of a grid of `size` that spans the picture."""
    return prior.shape[1] / (size[0] * coverage[0]), prior.shape[2] / (size[1] * coverage[1])


def _differences(cb: Tensor, cr: Tensor, coding: Coding) -> Tensor:
    """R' - Y', G' - Y', B' - Y', stacked."""
    red, blue = cr * (2 * (1 - coding.kr)), cb * (2 * (1 - coding.kb))
    return torch.stack([red, -(red * coding.kr + blue * coding.kb) / (1 - coding.kr - coding.kb), blue])


def _packed(codes: Tensor, low: float, high: float, dither: bool) -> Tensor:
    if dither:
        codes = codes + bayer(codes.shape[-2], codes.shape[-1], codes)
    return codes.round().clamp(low, high)


def bayer(rows: int, columns: int, like: Tensor) -> Tensor:
    """Thresholds (rows, columns) in (-0.5, 0.5): Bayer's 8 x 8 matrix, repeated."""
    y = torch.arange(rows, device=like.device)[:, None]
    x = torch.arange(columns, device=like.device)[None]
    value = torch.zeros((rows, columns), dtype=torch.long, device=like.device)
    for bit in range(3):
        value |= (((x ^ y) >> bit) & 1) << (5 - 2 * bit)
        value |= ((y >> bit) & 1) << (4 - 2 * bit)
    return (value.to(like.dtype) + 0.5) / 64 - 0.5
