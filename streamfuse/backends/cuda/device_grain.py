"""The noise that made exposures lack, as `streamfuse.fusion.grain` gives it to them, on the device."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.fusion import grain as rule


def grained(made: Tensor, taken: Tensor, index: int) -> Tensor:
    """A made picture with the noise that it lacks; both (h, w) in [0, 1] at the network's scale."""
    steps, noise = _measured(made)
    lacking = (_measured(taken)[1] - noise).nan_to_num().clamp(0, rule.MAX_NOISE**2)
    rows, columns = made.shape
    down, across = rule.place(index)
    pattern = _grain(rows, columns, made.device)[down : down + rows, across : across + columns]
    return (made + lacking.sqrt()[steps] * pattern).clamp(0, 1)


@lru_cache(maxsize=4)
def _grain(rows: int, columns: int, device: torch.device) -> Tensor:
    return torch.from_numpy(rule.grain(rows, columns)).to(device)


def _measured(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Brightness of each pixel in steps, and the variance of noise at each; NaN where it is unknown."""
    framed = F.pad(picture[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    mean = F.avg_pool2d(framed[None], 3, 1)[0]
    steps = (mean * rule.STEPS).long().clamp(0, rule.STEPS - 1)
    down = framed[:-2] - 2 * framed[1:-1] + framed[2:]
    finest = (down[:, :-2] - 2 * down[:, 1:-1] + down[:, 2:]) / rule.FINEST_GAIN
    some, size = slice(2, -2, rule.EVERY), finest.abs()
    slope = (mean[some, 4 :: rule.EVERY] - mean[some, : -4 : rule.EVERY]).abs()
    slope = slope + (mean[4 :: rule.EVERY, some] - mean[: -4 : rule.EVERY, some]).abs()
    if not slope.numel():
        return steps, torch.full((rule.STEPS,), torch.nan, device=picture.device)
    flat = (slope <= slope.median()).flatten()
    here = flat & (steps[some, some].flatten() == torch.arange(rule.STEPS, device=picture.device)[:, None])
    median = torch.where(here, size[some, some].flatten(), torch.nan).nanmedian(1).values
    return steps, torch.where(here.sum(1) >= rule.MIN_COUNT, (median / rule.MEDIAN).square(), torch.nan)
