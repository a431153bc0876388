"""What nobody saw, as `streamfuse.align.fill` fills it, on the device; nothing waits for the host."""

from __future__ import annotations

import torch
from torch import Tensor

from streamfuse.align import fill as rule
from streamfuse.backends.cuda.coding import Coding
from streamfuse.backends.cuda.filters import box, dilated, gaussian
from streamfuse.backends.cuda.sampling import area, grid, linear, sample
from streamfuse.backends.cuda.unpack import Tone


def unknown(own: Tensor, trust: Tensor) -> Tensor:
    """Shares (2, h, w) of each pixel that nobody saw: of `clipped`, R'G'B' (3, h, w), both kinds, and not trusted."""
    white, tinted = clipped(own)
    around, some = dilated(white, rule.EDGE), dilated(white + tinted, rule.EDGE)
    return torch.stack([box(around, 3), box(some - around, 3)]) * (1.0 - trust)


def clipped(rgb: Tensor) -> Tensor:
    """Tell how far R'G'B' (3, h, w), in the brighter scale, are clipped all three, and some only: (2, h, w)."""
    white = _clips(rgb.amin(0))
    return torch.stack([white, _clips(rgb.amax(0)) - white])


def _clips(values: Tensor) -> Tensor:
    low, high = rule.CLIPS
    return ((values - low) * (1 / (high - low))).clamp(0, 1)


def reduced(rgb: Tensor, flow: Tensor | None) -> Tensor:
    """R'G'B' (3, h, w) of a neighbour on the reduced grid, (3, r, c), seen from where its flow (2, h, w) starts."""
    size = max(1, rgb.shape[1] // rule.REDUCED), max(1, rgb.shape[2] // rule.REDUCED)
    small = area(rgb, size)
    if flow is None:
        return small
    x, y = grid(*size, small)
    moved = area(flow, size)
    return sample(small, x + moved[0] * (size[1] / flow.shape[2]), y + moved[1] * (size[0] / flow.shape[1]))


def lacking(own: Tensor, shares: Tensor, sides: list[Tensor], up: Tone, down: Tone) -> Tensor:
    """R'G'B' (3, h, w) that a darkened reference lacks; see `streamfuse.align.fill.lacking`.

    Args:
        own: R'G'B' of the bright reference, (3, h, w).
        shares: see `unknown`.
        sides: as `reduced` gives them, one or two.
        up, down: towards the brighter and the darker exposure.
    """
    size = (sides[0].shape[1], sides[0].shape[2])
    weights = 1.0 - clipped(area(own, size))
    if len(sides) == 2:
        apart = ((sides[0] - sides[1]).abs().amax(0) * (1 / rule.APART)).clamp(max=1.0)
        weights = torch.maximum(weights, apart)
    weights = rule.STOOD + (1 - rule.STOOD) * weights
    sums = torch.zeros((2, 4, *size), dtype=own.dtype, device=own.device)
    for colours in sides:
        weight = (clipped(torch.stack(up.colours(*colours))) * weights)[:, None]
        sums += torch.cat([colours * weight, weight], 1)
    dark, out = torch.stack(down.colours(*own)), torch.zeros_like(own)
    for total, share in zip(sums, shares, strict=True):
        spread = torch.zeros_like(total)
        for number, reach in enumerate(rule.REACHES):
            far = gaussian(area(total, (max(1, size[0] // reach), max(1, size[1] // reach))), 1.0)
            spread += linear(far, size) * rule.FARTHER**number
        found = linear(spread[:3] / (spread[3] + 1e-9), (own.shape[1], own.shape[2]))
        out += (found - dark).clamp_min(0.0) * share
    return out * dilated(_clips(own), rule.EDGE)


def added(luma: Tensor, chroma: Tensor, rgb: Tensor, coding: Coding) -> tuple[Tensor, Tensor]:
    """Luma (H, W) and chroma (2, h, w) codes, and R'G'B' of a smaller size added to them."""
    red, green, blue = rgb
    kr, kb = coding.kr, coding.kb
    more = kr * red + (1 - kr - kb) * green + kb * blue
    pair = torch.stack([(blue - more) * (0.5 / (1 - kb)), (red - more) * (0.5 / (1 - kr))])
    return (
        _more(luma, more * coding.luma_range, coding.top),
        _more(chroma, pair * (2 * coding.chroma_half), coding.top),
    )


def _more(codes: Tensor, change: Tensor, top: float) -> Tensor:
    values = codes.to(change.dtype) + linear(change, (codes.shape[-2], codes.shape[-1]))
    return (values + 0.5).floor().clamp(0, top).to(codes.dtype)
