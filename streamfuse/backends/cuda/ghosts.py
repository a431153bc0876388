"""How much of a missing exposure comes from its neighbours, as `streamfuse.align.ghost` decides it, on the device.

Small maps at working size: torch is quick enough, and nothing waits for the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamfuse.align import ghost
from streamfuse.backends.cuda.filters import box, dilated, eroded, gaussian


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """What is known of a dark reference.

    Args:
        raised: its luma, brightened, (h, w).
        table: (nodes,) noise by that luma, see `streamfuse.imaging.photometric.IntensityMapping.noise`.
        zoom: size of the frame / working size.
    """

    raised: Tensor
    table: Tensor
    zoom: float


def trust_map(deviations: Tensor) -> Tensor:
    """Trust (h, w) in [0, 1] from the deviations (S, h, w) of the sides."""
    return gaussian(((3.5 - dilated(deviations.amin(0))) * 0.5).clamp(0, 1), 1.5)


def side_weights(deviations: Tensor, seen: Tensor, own: Tensor | None) -> Tensor:
    """Weight (h, w) of the first of two sides; see `streamfuse.align.ghost.side_weights`.

    Args:
        deviations: (2, h, w).
        seen: (2, h, w) luma of the sides once they are warped, in the brighter exposure's scale.
        own: the same in their own scale; None = it tells no more.
    """
    before, after = 1.0 / (0.05 + deviations**4)
    weight = before / (before + after)
    even = 1.0 - (2.0 * weight - 1.0).abs()
    weight = weight + even * _ramp(_apart(seen), *ghost.APART) * (1.0 - weight)
    if own is not None:
        one = _ramp(box(_apart(own), ghost.WIDE), *ghost.APART_UNSEEN)
        nearer, further = deviations.clamp(max=ghost.MAX_DEVIATION)
        region = box((further - nearer) * one, ghost.REGION)
        weight = weight + one * (_ramp(region, -ghost.DECISIVE, 0.0) - weight)
    return gaussian(weight, 1.0)


def _apart(sides: Tensor) -> Tensor:
    return box((sides[0] - sides[1]).abs(), ghost.WINDOW)


def _ramp(values: Tensor, start: float, end: float) -> Tensor:
    return ((values - start) / (end - start)).clamp(0, 1)


def brighter_share(noise: Noise, errors: Tensor) -> Tensor:
    """Share (h, w) of brighter neighbours against a dark reference, from their squared errors (S, h, w)."""
    last = len(noise.table) - 1
    shape = noise.table[(noise.raised * last + 0.5).long().clamp(0, last)] ** 2
    error = errors.amin(0)
    level = shape * noise_level(noise, errors) + ghost.ROUNDING**2
    excess = (error - level).clamp_min(0.0)
    level = level * noise.zoom**2
    return level / (level + excess + 1e-9)


def noise_level(noise: Noise, errors: Tensor) -> Tensor:
    """Variance / square of the table, where noise can be seen on a sparse grid; a tensor of one value."""
    sparse = slice(ghost.WINDOW // 2, None, ghost.WINDOW)
    raised, error = noise.raised[sparse, sparse].flatten(), errors[:, sparse, sparse].amin(0).flatten()
    last = len(noise.table) - 1
    shape = noise.table[(raised * last + 0.5).long().clamp(0, last)] ** 2
    telling = (raised > ghost.NOISE_SEEN[0]) & (raised < ghost.NOISE_SEEN[1])
    # Those that do not tell go to the end, so that the count alone says where the median is: no wait for the host.
    ordered = torch.where(telling, error / shape, torch.inf).sort().values
    count = telling.sum()
    middle = (count - 1).clamp_min(0)
    pair = torch.stack([middle // 2, (middle + 1) // 2]).clamp(max=max(len(ordered) - 1, 0))
    if not len(ordered):
        return raised.new_tensor(ghost.USUAL_NOISE)
    level = ordered[pair].mean().clamp(ghost.MIN_NOISE, ghost.MAX_NOISE)
    return torch.where(count < ghost.MIN_COUNT, ghost.USUAL_NOISE, level)


def darker_share(luma: Tensor, peak: Tensor) -> Tensor:
    """Share (h, w) of darker neighbours against a bright reference, of which luma and largest of R'G'B' are given."""
    usable = torch.minimum((ghost.CLIPPED - peak) * 15.0, (luma - ghost.SHADOW) * 5.0).clamp(0, 1)
    return 1.0 - box(eroded(usable), 3)
