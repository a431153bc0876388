"""MEF-SSIM: how much of the exposures' structure and contrast a fused picture keeps.

Ma, Zeng, Wang, "Perceptual quality assessment for multi-exposure image fusion", IEEE TIP 24(11), 2015. Every 11x11
patch x_k is its mean plus contrast c_k times unit structure s_k. The wanted patch has the highest contrast and the
structure sum_k w_k s_k / |...|, w_k ~ (c_k / 11) ** p, p = tan(pi R / 2), R = |sum c_k s_k| / sum c_k. It is compared
with the fused patch by SSIM's contrast-structure term. Three scales, exponents 0.0448, 0.2856, 0.3001 normalised.
The mean luminance plays no part: report PSNR or SSIM to a reference beside it.

The wanted patch is a linear combination of the sources' patches, so everything follows from filtered products of
whole images, without a loop over patches; it is differentiable in the fused picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11
SIGMA = 1.5
STABILITY = 0.03**2  # (K L)^2 with L = 1
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001)
_MAX_EXPONENT = 10.0
_CONTRAST_FLOOR = 0.001 / 255  # of the authors' implementation


@lru_cache(maxsize=8)
def _kernel(gaussian: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    if not gaussian:
        return torch.full((WINDOW,), 1 / WINDOW, dtype=dtype, device=device)
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    k = torch.exp(-(x**2) / (2 * SIGMA**2))
    return (k / k.sum()).to(dtype=dtype, device=device)


def _band(size: int, k: Tensor) -> Tensor:
    """(size - 10, size) matrix that slides the window along a line."""
    rows = size - WINDOW + 1
    index = torch.arange(rows, device=k.device)[:, None] + torch.arange(WINDOW, device=k.device)
    return torch.zeros(rows, size, dtype=k.dtype, device=k.device).scatter_(1, index, k.expand(rows, -1))


def _filter(x: Tensor, gaussian: bool) -> Tensor:
    """Separable window, valid part only: (B, C, H, W) -> (B, C, H - 10, W - 10)."""
    k = _kernel(gaussian, x.dtype, x.device)
    if x.device.type == "cpu":
        slid: Tensor = _Slid.apply(x, k)  # type: ignore[no-untyped-call]
        return slid
    if (
        x.requires_grad
    ):  # the gradient of a one-channel convolution is ten times slower than that of a product
        return _band(x.shape[-2], k) @ (x @ _band(x.shape[-1], k).T)
    shape = x.shape
    flat = x.reshape(-1, 1, *shape[-2:])
    flat = F.conv2d(F.conv2d(flat, k.view(1, 1, -1, 1)), k.view(1, 1, 1, -1))
    return flat.view(*shape[:-2], *flat.shape[-2:])


class _Slid(torch.autograd.Function):
    """The same on a CPU, twenty times faster than torch's one-channel convolution."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, k: Tensor) -> Tensor:
        """Give the window at every place where it is whole."""
        ctx.k = k
        margin = WINDOW // 2
        return _slide(x, k)[..., margin:-margin, margin:-margin].contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The window is symmetric: what comes back is spread by the window itself, nothing coming from beyond."""
        return _slide(F.pad(gradients[0], (WINDOW // 2,) * 4), ctx.k), None


def _slide(x: Tensor, k: Tensor) -> Tensor:
    """Give the window around every pixel of (..., H, W), black beyond the border."""
    taps = k.numpy()
    planes = x.detach().reshape(-1, *x.shape[-2:]).numpy()
    slid = [cv2.sepFilter2D(plane, -1, taps, taps, borderType=cv2.BORDER_CONSTANT) for plane in planes]
    return torch.from_numpy(np.stack(slid)).view(x.shape)


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """One scale of the sources: the wanted patch is sum_k coefficient_k (x_k - mean)."""

    stack: Tensor  # (B, N, H, W)
    coefficients: Tensor  # (B, N, H - 10, W - 10)
    means: Tensor  # Gaussian-weighted, the same shape
    variance: Tensor  # (B, 1, ...), Gaussian-weighted, of the wanted patch


def _prepare(stack: Tensor) -> _Wanted:
    exposures = stack.shape[1]
    box = _filter(stack, gaussian=False)
    variance = (_filter(stack * stack, gaussian=False) - box * box).clamp_min(0)
    contrast = variance.sqrt() * WINDOW + _CONTRAST_FLOOR  # |x_k - mean|
    total = stack.sum(1, keepdim=True)
    total_box = _filter(total, gaussian=False)
    total_variance = (_filter(total * total, gaussian=False) - total_box * total_box).clamp_min(0)
    consistency = (total_variance.sqrt() * WINDOW / contrast.sum(1, keepdim=True)).clamp(0, 1 - 1e-7)
    exponent = torch.tan(torch.pi / 2 * consistency).clamp_max(_MAX_EXPONENT)
    # In code values of 255: the tiny constant only matters where all exposures are flat.
    weights = (255 * contrast / WINDOW) ** exponent + 1e-16
    weights = weights / weights.sum(1, keepdim=True)
    raw = weights / contrast

    means = _filter(stack, gaussian=True)
    norm_squared = torch.zeros_like(total_variance)
    variance_squared = torch.zeros_like(total_variance)
    for i in range(exposures):
        for j in range(i, exposures):
            product = stack[:, i : i + 1] * stack[:, j : j + 1]
            both = (1 if i == j else 2) * raw[:, i : i + 1] * raw[:, j : j + 1]
            covariance = _filter(product, gaussian=False) - box[:, i : i + 1] * box[:, j : j + 1]
            norm_squared += both * covariance * WINDOW**2
            covariance = _filter(product, gaussian=True) - means[:, i : i + 1] * means[:, j : j + 1]
            variance_squared += both * covariance
    # A patch without structure (|sum w s| = 0) wants nothing: scale 0.
    norm = norm_squared.clamp_min(0).sqrt()
    scale = torch.where(
        norm > 1e-6, contrast.amax(1, keepdim=True) / norm.clamp_min(1e-6), torch.zeros_like(norm)
    )
    return _Wanted(stack, raw * scale, means, (variance_squared * scale * scale).clamp_min(0))


def _similarity(fused: Tensor, wanted: _Wanted) -> Tensor:
    """(B,) mean over the patches of one scale."""
    mean = _filter(fused, gaussian=True)
    variance = (_filter(fused * fused, gaussian=True) - mean * mean).clamp_min(0)
    covariance = _filter(wanted.stack * fused, gaussian=True) - wanted.means * mean
    covariance = (wanted.coefficients * covariance).sum(1, keepdim=True)
    quality = (2 * covariance + STABILITY) / (wanted.variance + variance + STABILITY)
    return quality.mean(dim=(1, 2, 3))


class MefSsim:
    """MEF-SSIM against one set of exposures; the part that depends on the sources alone is computed once.

    Args:
        stack: (B, N, H, W) luma in [0, 1], N >= 2. At least 44 pixels a side for three scales; smaller pictures get
            as many scales as fit, with the weights normalised. Use float64 to measure and float32 to train.

    Raises:
        ValueError: sides below 11 pixels.
    """

    def __init__(self, stack: Tensor) -> None:
        if min(stack.shape[-2:]) < WINDOW:
            raise ValueError(f"MEF-SSIM needs at least {WINDOW} pixels a side, got {tuple(stack.shape[-2:])}")
        self._scales: list[_Wanted] = []
        for _ in SCALE_WEIGHTS:
            with torch.no_grad():
                self._scales.append(_prepare(stack))
            stack = _halve(stack)
            if min(stack.shape[-2:]) < WINDOW:
                break

    def __call__(self, fused: Tensor) -> Tensor:
        """(B,) score, at most 1, of fused luma (B, 1, H, W) in [0, 1]."""
        used = SCALE_WEIGHTS[: len(self._scales)]
        score = torch.ones(fused.shape[0], dtype=fused.dtype, device=fused.device)
        for weight, wanted in zip(used, self._scales, strict=True):
            score = score * _similarity(fused, wanted).clamp_min(1e-6) ** (weight / sum(used))
            fused = _halve(fused)
        return score


def _halve(x: Tensor) -> Tensor:
    """2x2 mean and decimation; an odd last line or column is kept, as `imfilter(..., 'symmetric')` does."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def mef_ssim(exposures: Sequence[Tensor], fused: Tensor) -> float:
    """MEF-SSIM of one fused luma (H, W) against its exposures (H, W), all in [0, 1]."""
    stack = torch.stack([e.double() for e in exposures])[None]
    return float(MefSsim(stack)(fused.double()[None, None])[0])
