"""Pictures that ride along with a fused frame on request: weights, ghost mask, aligned exposures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from streamfuse.core.frame import Array, FusedFrame, WeighedBracket
from streamfuse.errors import UsageError
from streamfuse.imaging.grid import resample

MAPS = ("weights", "ghost", "aligned")
_PLANES = ("y", "cb", "cr")


class AttachMaps:
    """Puts maps into `FusedFrame.maps`; a `Finish` of `build_chain`.

    - `weights`: (N, h, w) float16 in [0, 1], the finest weight maps, darkest exposure first;
    - `ghost`: (N, H, W) uint8, 255 = the aligned exposure is not trusted here and the reference is used instead;
    - `aligned`: for each exposure, darkest first, its planes as `aligned.0.y`, `aligned.0.cb`, `aligned.0.cr`,
      `aligned.1.y` ..., in the pixel format of the input.

    Args:
        names: which of `MAPS`.

    Raises:
        UsageError: an unknown name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        unknown = [name for name in self._names if name not in MAPS]
        if unknown:
            raise UsageError(f"There is no map {unknown[0]!r}: choose from {', '.join(MAPS)}.")

    def __call__(self, weighed: WeighedBracket, fused: FusedFrame) -> FusedFrame:
        """Give the same frame with its maps."""
        maps: dict[str, Array] = {}
        if "weights" in self._names:
            maps["weights"] = _weights(weighed)
        if "ghost" in self._names:
            maps["ghost"] = _ghost(weighed, (fused.height, fused.width))
        if "aligned" in self._names:
            for rank, planes in enumerate(weighed.aligned.exposures):
                maps |= {
                    f"aligned.{rank}.{name}": plane for name, plane in zip(_PLANES, planes, strict=False)
                }
        return replace(fused, maps=maps)


def _weights(weighed: WeighedBracket) -> Array:
    finest, coverage = weighed.maps.priors[0], weighed.maps.coverage
    size = tuple(max(1, round(side / part)) for side, part in zip(finest.shape[1:], coverage, strict=True))
    return np.stack([resample(prior, (size[0], size[1]), coverage=coverage) for prior in finest]).astype(
        np.float16
    )


def _ghost(weighed: WeighedBracket, size: tuple[int, int]) -> Array:
    masks = np.zeros((len(weighed.aligned.trust), *size), np.uint8)
    for mask, trust in zip(masks, weighed.aligned.trust, strict=True):
        if trust is not None:
            np.rint((1 - np.clip(resample(trust, size), 0, 1)) * 255, out=mask, casting="unsafe")
    return masks
