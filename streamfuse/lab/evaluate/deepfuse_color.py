"""The colour rule that most learned fusion networks use, to compare ours with at the same luma."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Rgb
from streamfuse.lab.evaluate.baseline_stills import StillFuse

_COLOR = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=True)
_FULL = (0, 0)  # 4:4:4
_NEUTRAL = 128.0


def deepfuse_color(fuse: StillFuse) -> StillFuse:
    """Give the luma of `fuse` with the chroma of the exposures C_k, weighted by their own strength.

    C = sum_k |C_k - 128| C_k / sum_k |C_k - 128|, each plane for itself (Prabhakar et al., "DeepFuse", ICCV 2017);
    where all are neutral, so is the result. R'G'B' that leaves the gamut is clipped.
    """

    def fused(exposures: Sequence[Rgb]) -> Rgb:
        luma = _planes(fuse(exposures))[0]
        planes = [_planes(rgb) for rgb in exposures]
        chroma = (_weighted(np.stack([p[n] for p in planes]).astype(np.float32)) for n in (1, 2))
        rgb = planes_to_rgb((luma, *chroma), bits=8, subsampling=_FULL, color=_COLOR)
        return np.asarray(rgb, np.uint8)

    return fused


def _planes(rgb: Rgb) -> tuple[np.ndarray, ...]:
    return rgb_to_planes(np.ascontiguousarray(rgb), bits=8, subsampling=_FULL, color=_COLOR)


def _weighted(chroma: np.ndarray) -> np.ndarray:
    strength = np.abs(chroma - _NEUTRAL)
    total = strength.sum(0)
    mean = (strength * chroma).sum(0) / np.maximum(total, 1e-6)
    return np.rint(np.where(total > 0, mean, _NEUTRAL)).astype(np.uint8)
