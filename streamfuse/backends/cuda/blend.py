"""The pyramid blend of N exposures, a launch per level: `blend.cu` and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from streamfuse.backends.cuda.coding import Coding
from streamfuse.backends.cuda.launch import BLOCK, Launcher, blocks, suffix
from streamfuse.fusion.pyramid import (
    band_weights,
    collapse,
    laplacian_pyramid,
    local_energy,
    pad_to_multiple,
    upsample,
)

_TILE = 32  # as TILE in blend.cu


@dataclass(frozen=True, slots=True, eq=False)
class DeviceMaps:
    """`FusionMaps` as tensors where the blend runs.

    Args:
        priors: (N, h, w) float32 per network band, finest first, and for the base.
        gains: (h, w) float32 for the finest bands.
        coverage: as in `FusionMaps`.
    """

    priors: tuple[Tensor, ...]
    gains: tuple[Tensor, ...]
    coverage: tuple[float, float]


def halve(pictures: Tensor, size: tuple[int, int], coding: Coding | None, launcher: Launcher) -> Tensor:
    """Codes or floats (N, H, W) -> float32 (N, *size): means of 2 x 2, after repeating the last line and column.

    Args:
        pictures: uint8 or uint16 with `coding`, or float32.
        size: half of the padded size.
        coding: of the codes; None for floats.
        launcher: what starts the kernel.
    """
    count, height, width = pictures.shape
    out = torch.empty((count, *size), dtype=torch.float32, device=pictures.device)
    arguments = (pictures, height, width, *_line(coding), out, *size)
    launcher("blend", f"halve_{suffix(pictures)}", blocks(*size, count), BLOCK, arguments)
    return out


def gaussian(lumas: Tensor, coding: Coding, levels: int, launcher: Launcher) -> list[Tensor]:
    """Levels 1..levels of the padded pyramid of codes (N, H, W), float32."""
    multiple = 1 << levels
    height, width = (-(-side // multiple) * multiple for side in lumas.shape[1:])
    found: list[Tensor] = []
    for level in range(1, levels + 1):
        size = (height >> level, width >> level)
        found.append(halve(found[-1] if found else lumas, size, None if found else coding, launcher))
    return found


def blend(
    lumas: Tensor,
    coding: Coding,
    maps: DeviceMaps,
    exponents: Sequence[float],
    extra: int,
    launcher: Launcher | None = None,
    pyramid: Sequence[Tensor] = (),
) -> Tensor:
    """Fused luma (H, W) float32, nominally in [0, 1]; as `streamfuse.fusion.blend.blend_luma`.

    Args:
        lumas: (N, H, W) codes, darkest first.
        coding: of them.
        maps: of the network.
        exponents: of the local energy, per network band.
        extra: how many times the picture was halved before the network saw it, or enlarged if below 0.
        launcher: None = the torch reference.
        pyramid: `gaussian` of the lumas, where it is there already.
    """
    if launcher is None:
        return blend_reference(lumas, coding, maps, exponents, extra)
    levels = extra + len(exponents)
    coarser = list(pyramid) or gaussian(lumas, coding, levels, launcher)
    coarsest = coarser[-1] if coarser else _normalised(lumas, coding)
    picture = _base(coarsest, maps.priors[-1], levels - extra, launcher)
    for level in reversed(range(levels)):
        band = max(0, level - extra)
        gain = maps.gains[band] if band < len(maps.gains) else None
        fine, how = (coarser[level - 1], None) if level else (lumas, coding)
        below = coarser[level]
        arguments = (maps.priors[band], gain, exponents[band], picture)
        picture = _fuse_band(fine, how, below, *arguments, level - extra, launcher)
    return picture


def _normalised(lumas: Tensor, coding: Coding, dtype: torch.dtype = torch.float32) -> Tensor:
    """Codes as floats in [0, 1]."""
    return (lumas.to(dtype) * coding.scale + coding.offset).clamp(0, 1)


def _base(coarsest: Tensor, prior: Tensor, level: int, launcher: Launcher) -> Tensor:
    count, rows, columns = coarsest.shape
    out = torch.empty((rows, columns), dtype=torch.float32, device=coarsest.device)
    arguments = (coarsest, prior, *prior.shape[1:], count, level, out, rows, columns)
    launcher("blend", "blend_base", blocks(rows, columns), BLOCK, arguments)
    return out


def _fuse_band(
    fine: Tensor,
    coding: Coding | None,
    coarse: Tensor,
    prior: Tensor,
    gain: Tensor | None,
    exponent: float,
    coarser_fused: Tensor,
    level: int,
    launcher: Launcher,
) -> Tensor:
    count, height, width = fine.shape
    out = torch.empty((height, width), dtype=torch.float32, device=fine.device)
    arguments = (
        fine, height, width, *_line(coding), coarse, 2 * coarse.shape[1], 2 * coarse.shape[2],
        prior, *prior.shape[1:], gain, *((0, 0) if gain is None else gain.shape), float(exponent), count,
        coarser_fused, level, out,
    )  # fmt: skip
    grid = blocks(height, width, tile=(_TILE, _TILE))
    launcher("blend", f"fuse_band_{suffix(fine)}", grid, (256, 1, 1), arguments)
    return out


def _line(coding: Coding | None) -> tuple[float, float]:
    return (1.0, 0.0) if coding is None else (coding.scale, coding.offset)


def blend_reference(
    lumas: Tensor,
    coding: Coding,
    maps: DeviceMaps,
    exponents: Sequence[float],
    extra: int,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Do what `blend` does, in torch."""
    height, width = lumas.shape[-2:]
    levels = extra + len(exponents)
    stack = _normalised(lumas, coding, dtype)
    pictures, bands = laplacian_pyramid(pad_to_multiple(stack[None], 1 << levels), levels)
    fused = []
    for level, band in enumerate(bands):
        at = max(0, level - extra)
        weights = band_weights(maps.priors[at][None].to(dtype), local_energy(band), exponents[at])
        detail = (weights * band).sum(1, keepdim=True)
        if at < len(maps.gains):
            detail = detail * upsample(maps.gains[at][None, None].to(dtype), detail.shape[-2:])
        fused.append(detail)
    prior = upsample(maps.priors[-1][None].to(dtype), pictures[-1].shape[-2:])
    base = (prior * pictures[-1]).sum(1, keepdim=True)
    return collapse(base, fused, pictures, extra)[0, 0, :height, :width]
