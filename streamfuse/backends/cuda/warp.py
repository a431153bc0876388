"""A missing exposure's planes, and what the ghost mask is made of: `warp.cu` and its references."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamfuse.backends.cuda.filters import box, reflected
from streamfuse.backends.cuda.launch import BLOCK, Launcher, blocks, suffix
from streamfuse.backends.cuda.sampling import grid, linear, rounded, sample

_TILE = 16  # as TILE of `compare` in warp.cu
_POOL = 5  # pixels over which deviations are pooled


@dataclass(frozen=True, slots=True, eq=False)
class Neighbour:
    """A frame that holds the missing exposure.

    Args:
        planes: (P, H, W) codes: luma, or Cb and Cr.
        flow: (2, h, w) float32, x then y, in pixels of its own grid; None = take the frame as it is.
    """

    planes: Tensor
    flow: Tensor | None


def synthesise(
    sides: tuple[Neighbour, ...],
    own: Tensor,
    weight: Tensor | None,
    share: Tensor | None,
    scale: tuple[float, float],
    top: float,
    cubic: bool,
    launcher: Launcher | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Planes (P, H, W) of a missing exposure, as `streamfuse.align.synthesis.synthesise` makes them.

    Args:
        sides: one or two neighbours.
        own: (P, H, W) codes of the reference in the missing exposure's scale.
        weight: (h, w) of the first of two neighbours; the other one has the rest.
        share: (h, w) of the neighbours against `own`; None = all.
        scale: pixels of the planes per pixel of the flow's grid, vertically and horizontally.
        top: the largest code.
        cubic: bicubic interpolation, else bilinear.
        launcher: None = the torch reference.
        out: where to write; None = a new tensor.
    """
    if launcher is None:
        made = synthesise_reference(sides, own, weight, share, scale, top, cubic).to(own.dtype)
        return made if out is None else out.copy_(made)
    out = torch.empty_like(own) if out is None else out
    planes, height, width = own.shape
    like = next((t for t in (sides[0].flow, weight, share) if t is not None), own)
    rows, columns = like.shape[-2:]
    second = sides[1] if len(sides) == 2 else Neighbour(own, None)
    arguments = (
        sides[0].planes, second.planes if len(sides) == 2 else None, own, sides[0].flow, second.flow, weight, share,
        out, height, width, rows, columns, *scale, int(cubic), top,
    )  # fmt: skip
    launcher("warp", f"synthesise_{suffix(own)}", blocks(height, width, planes), BLOCK, arguments)
    return out


def synthesise_reference(
    sides: tuple[Neighbour, ...],
    own: Tensor,
    weight: Tensor | None,
    share: Tensor | None,
    scale: tuple[float, float],
    top: float,
    cubic: bool,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Do what `synthesise` does, in torch: floats that hold whole codes."""
    size = (own.shape[1], own.shape[2])
    seen = [_warped(side, size, scale, top, cubic, dtype) for side in sides]
    result = seen[0]
    if len(seen) == 2:
        assert weight is not None
        result = rounded(seen[1] + linear(weight.to(dtype), size) * (seen[0] - seen[1]), top)
    if share is not None:
        mine = own.to(dtype)
        result = rounded(mine + linear(share.to(dtype), size) * (result - mine), top)
    return result


def _warped(
    side: Neighbour,
    size: tuple[int, int],
    scale: tuple[float, float],
    top: float,
    cubic: bool,
    dtype: torch.dtype,
) -> Tensor:
    planes = side.planes.to(dtype)
    if side.flow is None:
        return planes
    moved = linear(side.flow.to(dtype), size)
    x, y = grid(*size, moved)
    return rounded(sample(planes, x + moved[0] * scale[1], y + moved[1] * scale[0], cubic), top)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What explains a difference between two exposures; see `streamfuse.align.ghost.deviation`.

    Args:
        lower, upper: (nodes,) float32 tables over the dark luma, brightened: the interval of the bright luma.
        misalignment: pixels by which the flow may be off.
        shading: share of luma by which exposures may differ.
        curve_error: luma by which the curve may be off.
    """

    lower: Tensor
    upper: Tensor
    misalignment: float
    shading: float
    curve_error: float


def compare(
    here: Tensor,
    there: Tensor,
    flows: Tensor | None,
    brighter: bool,
    settings: Comparison,
    launcher: Launcher | None = None,
) -> tuple[Tensor, Tensor]:
    """Tell how far S neighbours disagree with the reference, all in the brighter exposure's scale.

    Args:
        here: (h, w) float32 luma of the reference at working size.
        there: (S, h, w) of the neighbours.
        flows: (S, 2, h, w) of the reference towards them; None = they are aligned.
        brighter: the neighbours are the brighter exposure.
        settings: see there.
        launcher: None = the torch reference.

    Returns:
        Deviation and squared error, (S, h, w) float32 each; see `streamfuse.align.ghost`.
    """
    if launcher is None:
        return compare_reference(here, there, flows, brighter, settings)
    deviation, error = torch.empty_like(there), torch.empty_like(there)
    count, rows, columns = there.shape
    arguments = (
        here, there, flows, rows, columns, int(brighter), settings.lower, settings.upper, len(settings.lower),
        settings.misalignment, settings.shading, settings.curve_error, deviation, error,
    )  # fmt: skip
    launcher("warp", "compare", blocks(rows, columns, count, (_TILE, _TILE)), (256, 1, 1), arguments)
    return deviation, error


def compare_reference(
    here: Tensor,
    there: Tensor,
    flows: Tensor | None,
    brighter: bool,
    settings: Comparison,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Do what `compare` does, in torch."""
    own, seen = here.to(dtype).expand_as(there), there.to(dtype)
    if flows is not None:
        x, y = grid(here.shape[0], here.shape[1], seen)
        seen = sample(seen, x + flows[:, 0].to(dtype), y + flows[:, 1].to(dtype))
    dark, bright = (own, seen) if brighter else (seen, own)
    last = len(settings.lower) - 1
    node = (dark * last + 0.5).long().clamp(0, last)
    lower, upper = settings.lower.to(dtype)[node], settings.upper.to(dtype)[node]
    outside = torch.maximum(lower - bright, bright - upper).clamp_min(0.0)
    tolerance = box(_slope(bright), _POOL) * settings.misalignment
    tolerance = tolerance + bright * settings.shading + settings.curve_error
    return box(outside, _POOL) / tolerance, box((own - seen) ** 2, _POOL)


def _slope(maps: Tensor) -> Tensor:
    """|horizontal| + |vertical| slope per pixel (Sobel)."""
    p = reflected(maps, 1)
    left, right, above, below = p[..., :-2], p[..., 2:], p[..., :-2, :], p[..., 2:, :]
    across, down = right - left, below - above
    horizontal = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    vertical = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return (horizontal.abs() + vertical.abs()) / 8
