"""Small filters on maps (..., h, w) in torch, with OpenCV's borders and kernels."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor


def box(maps: Tensor, window: int) -> Tensor:
    """Mean over window x window pixels (odd), as `cv2.blur`."""
    margin = window // 2
    flat = reflected(maps, margin).reshape(-1, 1, maps.shape[-2] + 2 * margin, maps.shape[-1] + 2 * margin)
    return F.avg_pool2d(flat, window, stride=1).reshape(maps.shape)


def gaussian(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, as `cv2.GaussianBlur` with a kernel of its own choice."""
    kernel = _kernel(sigma, maps.device, maps.dtype)
    margin = len(kernel) // 2
    flat = reflected(maps, margin).reshape(-1, 1, maps.shape[-2] + 2 * margin, maps.shape[-1] + 2 * margin)
    return F.conv2d(F.conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None]).reshape(maps.shape)


@functools.lru_cache(maxsize=16)
def _kernel(sigma: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    half = (round(sigma * 8 + 1) | 1) // 2  # OpenCV's size for floats
    at = torch.arange(-half, half + 1, dtype=torch.float64)
    weights = torch.exp(at**2 * (-0.5 / sigma**2))
    return (weights / weights.sum()).to(device, dtype)


def dilated(maps: Tensor, window: int = 3) -> Tensor:
    """Maximum over window x window pixels (odd) of the picture."""
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    return F.max_pool2d(flat, window, stride=1, padding=window // 2).reshape(maps.shape)


def eroded(maps: Tensor) -> Tensor:
    """Minimum over 3 x 3 pixels of the picture."""
    return -dilated(-maps)


def reflected(maps: Tensor, margin: int) -> Tensor:
    """`margin` pixels more on each side, reflected without repeating the border pixel."""
    rows, columns = (_mirror(side, margin, maps.device) for side in maps.shape[-2:])
    return maps[..., rows, :][..., columns]


@functools.lru_cache(maxsize=64)
def _mirror(size: int, margin: int, device: torch.device) -> Tensor:
    at = torch.arange(-margin, size + margin).abs()
    return torch.where(at >= size, 2 * size - 2 - at, at).clamp(0, size - 1).to(device)
