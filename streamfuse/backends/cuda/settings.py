"""The numbers of the CPU path, as the kernels take them: tone curves, and what the ghost mask allows for."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamfuse.align import ghost
from streamfuse.align.flow import NOISE_FLOOR
from streamfuse.backends.cuda.unpack import Tone
from streamfuse.backends.cuda.warp import Comparison
from streamfuse.core.frame import Map
from streamfuse.imaging.photometric import NODES, IntensityMapping, ratio_curve

# Looked up at its own nodes, a curve gives its table.
_NODES = np.linspace(0.0, 1.0, NODES, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A tone curve on the device, as the aligner needs it.

    Args:
        up, down: towards the brighter and towards the darker exposure.
        explained: for the ghost mask.
        noise: (nodes,) by luma of the darker frame, brightened.
        floor: luma in the brighter scale between which the darker frame's detail rises out of the noise.
    """

    up: Tone
    down: Tone
    explained: Comparison
    noise: Tensor
    floor: tuple[float, float]


def tables(curve: IntensityMapping, device: torch.device) -> Tables:
    """Give all of a curve, on the device; kept for plain ratios, which come again and again."""
    return _ratio_tables(curve.gap_ev, device) if curve.exact and curve.neutral else _tables(curve, device)


@functools.lru_cache(maxsize=16)
def _ratio_tables(gap_ev: float, device: torch.device) -> Tables:
    return _tables(ratio_curve(gap_ev), device)


def _tables(curve: IntensityMapping, device: torch.device) -> Tables:
    low, high = (float(v) for v in curve.brighten(np.array(NOISE_FLOOR, np.float32)))
    return Tables(
        tone(curve, True, device), tone(curve, False, device), comparison(curve, device),
        noise_table(curve, device), (low, high),
    )  # fmt: skip


def tone(curve: IntensityMapping, to_brighter: bool, device: torch.device) -> Tone:
    """Give one direction of a tone curve."""
    table = curve.up if to_brighter else curve.down
    factor = 0.0 if not curve.exact else float(curve.factor if to_brighter else 1 / curve.factor)
    red, blue = curve.balance
    before, after = ((red, blue), (1.0, 1.0)) if to_brighter else ((1.0, 1.0), (1 / red, 1 / blue))
    return Tone(_placed(table, device), factor, before, after)


def comparison(curve: IntensityMapping, device: torch.device) -> Comparison:
    """Give what explains a difference between the two exposures of a curve."""
    lower, upper = curve.bounds()
    error = ghost.ROUGH_CURVE_ERROR if curve.rough else ghost.CURVE_ERROR
    return Comparison(
        _placed(lower, device), _placed(upper, device), ghost.MISALIGNMENT, ghost.SHADING, error
    )


def noise_table(curve: IntensityMapping, device: torch.device) -> Tensor:
    """`IntensityMapping.noise` by the luma of the darker frame, brightened."""
    return _placed(curve.noise(_NODES), device)


def _placed(table: Map, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table, np.float32)).to(device, non_blocking=True)
