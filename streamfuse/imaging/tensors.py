"""Pictures as torch tensors: what fusion takes of them, as arrays, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from streamfuse.core.frame import Pixels
from streamfuse.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

_WHITE = 65535.0  # floating point goes through 16 bits


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Tell whether this is a torch tensor, without importing torch for whoever does not use it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def fused_tensor(stack: Tensor, fuse: Callable[[Sequence[Pixels]], Pixels]) -> Tensor:
    """Fuse the pictures of a tensor (N, C, H, W), or of each of a batch (B, N, C, H, W).

    Args:
        stack: N >= 2 pictures of 3 channels (R'G'B') or 1; uint8, or floating point, of which what is beyond 0..1 is
            cut off.
        fuse: takes N arrays (H, W, 3) or (H, W), uint8 or uint16, and gives one.

    Returns:
        (C, H, W) or (B, C, H, W), of the same dtype and on the same device.

    Raises:
        UsageError: a tensor of another shape or dtype.
    """
    import torch

    if stack.ndim not in (4, 5) or stack.shape[-3] not in (1, 3) or stack.shape[-4] < 2 or not stack.numel():
        raise UsageError(
            f"A tensor of pictures has the shape (N, C, H, W) or (B, N, C, H, W), of two or more pictures with 3 "
            f"channels or 1, and this one is {tuple(stack.shape)}."
        )
    if stack.dtype != torch.uint8 and not stack.is_floating_point():
        raise UsageError(
            f"A tensor of pictures is uint8, or floating point in 0..1, and this one is {stack.dtype}: convert it."
        )
    if stack.ndim == 5:
        return torch.stack([fused_tensor(one, fuse) for one in stack])
    codes = stack.detach()
    if codes.dtype != torch.uint8:
        codes = (codes.to(torch.float32).nan_to_num(0.0).clamp(0, 1) * _WHITE).round().to(torch.int32)
    pictures = (
        codes.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8 if stack.dtype == torch.uint8 else np.uint16)
    )
    fused = np.atleast_3d(
        fuse([picture if picture.shape[2] == 3 else picture[..., 0] for picture in pictures])
    )
    if stack.dtype == torch.uint8:
        return torch.from_numpy(np.ascontiguousarray(fused.transpose(2, 0, 1))).to(stack.device)
    scaled = torch.from_numpy(
        np.ascontiguousarray(fused.transpose(2, 0, 1)).astype(np.float32) / np.float32(_WHITE)
    )
    return scaled.to(stack.device, stack.dtype)
