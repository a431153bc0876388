"""The full-size pyramid blend in torch: what runs on a GPU, and the reference of the OpenCV blend."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from streamfuse.core.frame import FusionMaps
from streamfuse.fusion.pyramid import (
    band_weights,
    collapse,
    laplacian_pyramid,
    local_energy,
    pad_to_multiple,
    upsample,
)


def blend_luma_torch(lumas: Tensor, maps: FusionMaps, exponents: Sequence[float], extra: int) -> Tensor:
    """Do as `streamfuse.fusion.blend.blend_luma`, for (N, H, W) float32 on any device; returns (H, W) there."""
    height, width = lumas.shape[-2:]
    levels = extra + len(exponents)
    gaussian, bands = laplacian_pyramid(pad_to_multiple(lumas[None], 1 << levels), levels)
    priors = [torch.from_numpy(p)[None].to(lumas.device, non_blocking=True) for p in maps.priors]
    gains = [torch.from_numpy(g)[None, None].to(lumas.device, non_blocking=True) for g in maps.gains]
    fused = []
    for level, band in enumerate(bands):
        network_level = max(0, level - extra)
        weights = band_weights(priors[network_level], local_energy(band), exponents[network_level])
        detail = (weights * band).sum(1, keepdim=True)
        if network_level < len(gains):
            detail = detail * upsample(gains[network_level], detail.shape[-2:])
        fused.append(detail)
    base = (upsample(priors[-1], gaussian[-1].shape[-2:]) * gaussian[-1]).sum(1, keepdim=True)
    return collapse(base, fused, gaussian, extra)[0, 0, :height, :width]
