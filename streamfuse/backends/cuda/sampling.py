"""Looking at pictures between their pixels, in torch: what the kernels' references share.

Grids share the picture's top-left corner, pixel centres lie at half-integers, and beyond its border a picture repeats
its last pixel.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

CUBIC = -0.75  # free parameter of bicubic interpolation (Keys, 1981), as in OpenCV


def area(plane: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., H, W) floats reduced to (..., *size): the mean over the extent of each new pixel."""
    if tuple(plane.shape[-2:]) == size:
        return plane
    rows = _area_matrix(size[0], plane.shape[-2], plane.device, plane.dtype)
    columns = _area_matrix(size[1], plane.shape[-1], plane.device, plane.dtype)
    return rows @ plane @ columns.T


@functools.lru_cache(maxsize=64)
def _area_matrix(count: int, size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    edges = torch.arange(count + 1, dtype=torch.float64) * (size / count)
    pixels = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    shares = overlap.clamp_min(0.0)
    return (shares / shares.sum(1, keepdim=True)).to(device, dtype)


def linear(picture: Tensor, size: tuple[int, int], step: tuple[float, float] | None = None) -> Tensor:
    """(..., h, w) looked up bilinearly on a grid of `size`.

    Args:
        picture: floats.
        size: (rows, columns) of the grid.
        step: pixels of the picture per pixel of the grid, vertically and horizontally; None = both span the same.
    """
    height, width = picture.shape[-2:]
    step_y, step_x = step or (height / size[0], width / size[1])
    upper, lower, down = _taps(size[0], step_y, height, picture.device, picture.dtype)
    left, right, across = _taps(size[1], step_x, width, picture.device, picture.dtype)
    lines = torch.lerp(picture[..., upper, :], picture[..., lower, :], down[:, None])
    return torch.lerp(lines[..., left], lines[..., right], across)


@functools.lru_cache(maxsize=256)  # kept: a captured graph reads them again
def _taps(
    count: int, step: float, size: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    position = (torch.arange(count, dtype=torch.float64) + 0.5) * step - 0.5
    below = position.floor()
    first, second = below.long().clamp(0, size - 1), (below.long() + 1).clamp(0, size - 1)
    return first.to(device), second.to(device), (position - below).to(device, dtype)


def sample(picture: Tensor, x: Tensor, y: Tensor, cubic: bool = False) -> Tensor:
    """(..., h, w) at positions x, y (..., H, W), or (H, W) for all; in pixels from the first pixel's centre."""
    height, width = picture.shape[-2:]
    # Far outside, the nearest pixel is what is read anyway; and a float that is too large does not fit an integer.
    x, y = x.clamp(-3.0, width + 2.0), y.clamp(-3.0, height + 2.0)
    left, top = x.floor(), y.floor()
    across, down = (_cubic(p) if cubic else (1 - p, p) for p in (x - left, y - top))
    first = 1 if cubic else 0
    flat = picture.flatten(-2)
    total: Tensor | None = None
    for j, row_weight in enumerate(down):
        row = (top.long() + (j - first)).clamp(0, height - 1) * width
        for i, column_weight in enumerate(across):
            at = row + (left.long() + (i - first)).clamp(0, width - 1)
            index = at.expand(*picture.shape[:-2], *at.shape[-2:]).flatten(-2)
            value = flat.gather(-1, index).reshape(*picture.shape[:-2], *at.shape[-2:]) * (
                row_weight * column_weight
            )
            total = value if total is None else total + value
    assert total is not None
    return total


def _cubic(part: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    far, other = part + 1, 1 - part
    w0 = ((CUBIC * far - 5 * CUBIC) * far + 8 * CUBIC) * far - 4 * CUBIC
    w1 = ((CUBIC + 2) * part - (CUBIC + 3)) * part * part + 1
    w2 = ((CUBIC + 2) * other - (CUBIC + 3)) * other * other + 1
    return w0, w1, w2, 1 - w0 - w1 - w2


def grid(rows: int, columns: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """(x, y) of each pixel's centre, (rows, columns) each."""
    y = torch.arange(rows, device=like.device, dtype=like.dtype)
    x = torch.arange(columns, device=like.device, dtype=like.dtype)
    return x.expand(rows, columns), y[:, None].expand(rows, columns)


def rounded(values: Tensor, top: float) -> Tensor:
    """To the nearest code value in 0..top, still as floats."""
    return values.round().clamp(0.0, top)
