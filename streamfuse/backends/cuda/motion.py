"""Motion towards neighbours of another exposure, as `streamfuse.align.flow` combines it, on the device.

Fields are (2, h, w) or (B, 2, h, w), x then y.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamfuse.align import flow as rule
from streamfuse.backends.cuda.filters import box, gaussian
from streamfuse.backends.cuda.flow import look_along
from streamfuse.backends.cuda.launch import Launcher
from streamfuse.backends.cuda.sampling import area, grid, linear, sample


def halfway(flow: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """Do as `streamfuse.align.flow.halfway`: the fields of an instant between two pictures towards each."""
    x, y = grid(flow.shape[-2], flow.shape[-1], flow)
    seen = flow
    for _ in range(2):
        seen = sample(flow, x - fraction * seen[0], y - fraction * seen[1])
    return -fraction * seen, (1.0 - fraction) * seen


def usable(bright_scale: Tensor, low: float, high: float) -> Tensor:
    """Tell where a picture (h, w) in the brighter scale can be matched; noise floor from `low` to `high`."""
    above = (bright_scale - low) / max(high - low, 1e-3)
    below = (rule.CLIPPING[1] - bright_scale) / (rule.CLIPPING[1] - rule.CLIPPING[0])
    share = box(torch.minimum(above, below).clamp(0, 1), 15)
    return ((share - 0.1) * 2.5).clamp(0, 1)


def combined(
    across: Tensor, along: Tensor, share: Tensor, lumas: Tensor | None, launcher: Launcher | None
) -> Tensor:
    """Fields (S, 2, h, w) that follow `across` where `share` (h, w) says so, and `along` elsewhere.

    Args:
        across: matched across exposures.
        along: from frames of one exposure.
        share: of `across`, see `usable`.
        lumas: (2, h, w) of the two frames, where there are two, in their own scale.
        launcher: as for the kernels.
    """
    if lumas is not None:
        corrected = along + _spread(across - along, share)
        even = _disagreement(lumas, along, launcher)
        worse = (_disagreement(lumas, across, launcher) - even) * float(rule.DISAGREEMENT)
        share = share * (2.0 - worse).clamp(0, 1)
        better = (1.0 - (_disagreement(lumas, corrected, launcher) - even) * float(rule.DISAGREEMENT)).clamp(
            0, 1
        )
        along = along + better * (corrected - along)
    return along + share * (across - along)


def _disagreement(lumas: Tensor, flows: Tensor, launcher: Launcher | None) -> Tensor:
    """Tell how differently two frames of one exposure show what is at each pixel, (h, w)."""
    first, second = look_along(lumas, flows.contiguous(), launcher)
    return box((first - second).abs(), 9)


def _spread(fields: Tensor, share: Tensor) -> Tensor:
    """Smooth fields: the mean nearby, weighted by the share; 0 where there is nothing nearby."""
    height, width = share.shape
    small = (max(1, height // 8), max(1, width // 8))
    sums = gaussian(area(fields * share, small), rule.REACH / 8)
    total = gaussian(area(share, small), rule.REACH / 8)
    return linear(sums / (total + 0.02), (height, width))
