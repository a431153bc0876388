"""White balance that differs between the exposures: how much more or less red and blue the brighter one shows.

A camera that sets its white balance frame by frame gives two streams with colours of their own. Their blocks at one
place show nearly the same things, so R' to G' of the one against R' to G' of the other is the gain of red, whatever the
exposures are, and likewise for blue. It is the median over all blocks that are neither clipped in the
brighter exposure nor noise in the darker one, and over the last brackets. A small difference is measurement, and left
out: most footage passes as it is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfuse.align.photometric import GAMMA, NODES, ToneCurve
from streamfuse.align.picture_rows import block_means_and_peaks
from streamfuse.align.planes import Picture
from streamfuse.frame import Map

SIDE = 8  # pixels of a block at working size
DIM = 0.12  # R'G'B' of the darker exposure below which noise shifts the mean
CLIPPED = 0.95  # R'G'B' of the brighter exposure; the lightest pixel of a block counts
FEWEST = 24  # blocks for a measurement
CALM_EV = 0.06  # up to here it is measurement, from twice that on it is believed
MOST_EV = 1.5  # more is another scene
MEMORY = 12  # brackets

Balance = tuple[float, float]
NEUTRAL: Balance = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A picture in blocks of `SIDE` x `SIDE` pixels; what is left over at the right and below is left out.

    Args:
        rgb: means of R'G'B', (h, w, 3).
        peak: the largest of all R', G' and B' in a block, (h, w).
    """

    rgb: Map
    peak: Map


def blocks(picture: Picture) -> Blocks | None:
    """Of a picture at working size; None of a grey or tiny one."""
    rows, columns = (size // SIDE for size in picture.luma.shape)
    if picture.rgb is None or rows == 0 or columns == 0:
        return None
    means, peaks = np.empty((rows, columns, 3), np.float32), np.empty((rows, columns), np.float32)
    block_means_and_peaks(picture.rgb, SIDE, means, peaks)
    return Blocks(means, peaks)


class BalanceTracker:
    """What R' and B' of the darker exposure are multiplied by, smoothed over the last `MEMORY` brackets."""

    def __init__(self) -> None:
        self._past: dict[int, deque[tuple[float | None, float | None]]] = defaultdict(
            lambda: deque(maxlen=MEMORY)
        )

    def __call__(
        self, pair: int, dark: Sequence[Blocks | None], bright: Sequence[Blocks | None], curve: ToneCurve
    ) -> Balance:
        """For `ToneCurve.balance`: one bracket more.

        Args:
            pair: which two exposures; each has a memory of its own.
            dark, bright: the frames of this bracket that have the darker and the brighter one.
            curve: between the two.
        """
        found = [_gains(d, b, curve) for d in dark for b in bright if d is not None and b is not None]
        past = self._past[pair]
        past.append(
            (_median([r for one in found for r in one[0]]), _median([b for one in found for b in one[1]]))
        )
        red, blue = ([ev for one in past if (ev := one[channel]) is not None] for channel in (0, 1))
        return _believed(red), _believed(blue)


def _gains(dark: Blocks, bright: Blocks, curve: ToneCurve) -> tuple[Map, Map]:
    """EV by which red and blue of the brighter exposure are stronger than green: of each block that tells."""
    if dark.peak.shape != bright.peak.shape:
        return np.empty(0, np.float32), np.empty(0, np.float32)
    open_ = bright.peak < CLIPPED
    d, b = dark.rgb[open_], bright.rgb[open_]
    if not curve.exact:
        b = np.interp(b, np.linspace(0.0, 1.0, NODES), curve.down).astype(np.float32)
    b = np.maximum(b, np.float32(1e-3))
    lit = d > DIM
    red, blue = (
        GAMMA * np.log2((b[ok, n] * d[ok, 1]) / (d[ok, n] * b[ok, 1]))
        for n, ok in ((0, lit[:, 0] & lit[:, 1]), (2, lit[:, 2] & lit[:, 1]))
    )
    return red, blue


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) >= FEWEST else None


def _believed(measured: Sequence[float]) -> float:
    if not measured:
        return 1.0
    ev = float(np.median(measured))
    if abs(ev) > MOST_EV:
        return 1.0
    return float(2.0 ** (ev * min(max(abs(ev) / CALM_EV - 1.0, 0.0), 1.0) / GAMMA))
