"""Thresholds by which code values are rounded, so that a smooth gradient shows no bands at 8 bit."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from streamfuse.core.frame import Map

SIDE = 64


def thresholds(across: int = 0, down: int = 0) -> Map:
    """(64, 64) between 0 and 1, even over small areas: interleaved gradient noise (J. Jimenez, SIGGRAPH 2014).

    The same in every frame: nothing flickers, and a film is the same however often it is made, in however many parts.
    The ends are left out by so much that a code of 16 bits plus a threshold in float32 stays that code, rounded down.
    """
    x, y = np.arange(SIDE, dtype=np.float64) + across, np.arange(SIDE, dtype=np.float64)[:, None] + down
    noise = 52.9829189 * ((0.06711056 * x + 0.00583715 * y) % 1.0) % 1.0
    return np.asarray((np.floor(noise * 255.0) + 0.5) / 256.0, np.float32)


_THRESHOLDS = (
    thresholds(),
    thresholds(23, 41),
    thresholds(47, 11),
)  # so that the planes do not round up together


@lru_cache(maxsize=8)
def for_planes(width: int) -> tuple[Map, Map, Map]:
    """(64, at least `width`) thresholds of Y, Cb and Cr, for pictures of this width; they repeat after 64 lines."""
    tiles = -(-width // SIDE)
    y, cb, cr = (np.tile(one, (1, tiles)) for one in _THRESHOLDS)
    return y, cb, cr
