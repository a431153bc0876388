"""Noise of a dark reference that was brought up, as `streamfuse.align.denoise` takes it out, on the device.

All of the picture is filtered: a device is quick, and asking where it is needed would be a wait for the host.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamfuse.align.denoise import CHROMA, LEFT, LIFT
from streamfuse.backends.cuda.coding import Coding
from streamfuse.backends.cuda.filters import box
from streamfuse.backends.cuda.ghosts import Noise
from streamfuse.backends.cuda.sampling import linear


def variance(noise: Noise, level: Tensor | float) -> Tensor:
    """(h, w): of luma at full size, less what may stay; see `streamfuse.align.denoise.RaisedNoise`."""
    last = len(noise.table) - 1
    deviation = noise.table[(box(noise.raised, 3) * last + 0.5).long().clamp(0, last)]
    return (deviation**2 * level * noise.zoom**2 - LEFT**2).clamp_min(0.0)


def denoised(
    luma: Tensor, chroma: Tensor | None, excess: Tensor, coding: Coding, subsampling: tuple[int, int]
) -> tuple[Tensor, Tensor | None]:
    """Luma (H, W) and chroma (2, h, w) codes of the reference in the brighter exposure's scale, less their noise.

    Args:
        luma, chroma: uint8 or uint16.
        excess: see `variance`.
        coding: of the codes.
        subsampling: of the chroma, as in `Frame`.
    """
    made = _filtered(luma[None], excess * coding.luma_range**2, coding.top, coding.black, LIFT)[0]
    if chroma is None:
        return made, None
    share = CHROMA / (1 << sum(subsampling)) * (2 * coding.chroma_half) ** 2
    return made, _filtered(chroma, excess * share, coding.top)


def _filtered(planes: Tensor, excess: Tensor, top: float, black: float = 0.0, lift: float = 0.0) -> Tensor:
    values = planes.to(torch.float32)
    noise = linear(excess, (planes.shape[1], planes.shape[2]))
    mean = box(values, 3)
    spread = box(values * values, 3) - mean * mean
    kept = torch.where(noise > 0, (spread - noise).clamp_min(0.0) / spread.clamp_min(1e-3), 1.0)
    rest = mean * (1.0 - kept)
    if lift:
        value = (mean - black).clamp_min(0.0)
        rest = rest + lift * noise * value / (value * value + 2.0 * noise + 1e-3)
    smooth = box(kept, 3) * values + box(rest, 3)
    return (smooth + 0.5).floor().clamp(0, top).to(planes.dtype)
