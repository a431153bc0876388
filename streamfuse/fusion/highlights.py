"""Highlights that one exposure alone shows: what the network says of them is moved towards that exposure's contrast.

A sky at 80 codes in the dark exposure, white in the others, comes out at 190: the same difference in codes is then
less than half of the contrast that the eye sees, that of ln luma. So there the exposure weighs more in the finer
bands, edge revision does not take weak detail for noise, and raises it with the brightness. Strong detail and edges are
not raised: they are seen anyhow, and would get halos. All of it is smooth in the exposures' values and acts on the
network's own maps, so that it is the same on every device, and is smoothed over time with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from streamfuse.fusion.pyramid import ramp
from streamfuse.fusion.pyramid_settings import BLACK, CLIPPED, DARK, EXPONENT, KEPT, MAX_RAISE, WEAK, WHITE


def alone(exposures: Tensor) -> Tensor:
    """Tell how far each exposure alone shows a highlight, all others being white.

    Args:
        exposures: luma (B, N, h, w) in [0, 1].

    Returns:
        (B, N, h, w) in [0, 1], with a sum over N of at most 1.
    """
    white = ramp(exposures, WHITE)
    shown = ramp(exposures, BLACK) * (1 - ramp(exposures, CLIPPED))
    places = []
    for k in range(exposures.shape[1]):
        others = [white[:, n] for n in range(exposures.shape[1]) if n != k]
        place = shown[:, k]
        for other in others:
            place = place * other
        places.append(place)
    return torch.stack(places, 1)


def favour(prior: Tensor, place: Tensor, strength: float) -> Tensor:
    """Weights (B, N, h, w), summing to 1 over N, with more for the exposure that alone shows a place (`alone`).

    Args:
        prior: weights (B, N, h, w), summing to 1 over N.
        place: of the same shape.
        strength: what is added to the log weight where an exposure is alone.
    """
    raised = prior * (strength * place).exp()
    return raised / raised.sum(1, keepdim=True)


def restore(
    gains: Tensor, place: Tensor, exposures: Tensor, coarse: Tensor, detail: Sequence[Tensor]
) -> Tensor:
    """Gains of the fused detail with which highlights keep their contrast of ln luma.

    Args:
        gains: of edge revision, (B, R, h, w), in [0.5, 1.5].
        place: from `alone`, (B, N, h, w).
        exposures: luma (B, N, h, w).
        coarse: fused luma (B, 1, h, w).
        detail: mean squares of the fused bands, R of (B, 1, h, w).

    Returns:
        (B, R, h, w): at least as they were, at most 1.5 x `MAX_RAISE`, and unchanged where no exposure is alone.
    """
    strength = torch.stack(list(detail)).sum(0)
    kept = place.sum(1, keepdim=True) * (KEPT / (KEPT + strength))
    gains = gains + kept * (1 - gains).clamp_min(0)
    ratio = ((coarse.clamp(0, 1) + DARK) / (exposures + DARK)).log().clamp_min(0)
    wanted = (EXPONENT * (place * ratio).sum(1, keepdim=True)).exp().clamp(max=MAX_RAISE)
    return gains * (1 + WEAK / (WEAK + strength) * (wanted - 1))
