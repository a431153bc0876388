"""The numbers of the CPU path, as the kernels take them: tone curves, and what the ghost mask allows for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamfuse.align import ghost
from streamfuse.align.photometric import NODES, ToneCurve
from streamfuse.cuda.unpack import Tone
from streamfuse.cuda.warp import Comparison
from streamfuse.frame import Map

# Looked up at its own nodes, a curve gives its table.
_NODES = np.linspace(0.0, 1.0, NODES, dtype=np.float32)


def tone(curve: ToneCurve, to_brighter: bool, device: torch.device) -> Tone:
    """One direction of a tone curve."""
    table = curve.up if to_brighter else curve.down
    factor = 0.0 if not curve.exact else float(curve.factor if to_brighter else 1 / curve.factor)
    return Tone(_placed(table, device), factor)


def comparison(curve: ToneCurve, device: torch.device) -> Comparison:
    """What explains a difference between the two exposures of a curve."""
    lower, upper = curve.bounds(_NODES)
    error = ghost.CURVE_ERROR if curve.exact else ghost.ROUGH_CURVE_ERROR
    return Comparison(
        _placed(lower, device), _placed(upper, device), ghost.MISALIGNMENT, ghost.SHADING, error
    )


def noise_table(curve: ToneCurve, device: torch.device) -> Tensor:
    """`ToneCurve.noise` by the luma of the darker frame, brightened."""
    return _placed(curve.noise(_NODES), device)


def _placed(table: Map, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table, np.float32)).to(device, non_blocking=True)
