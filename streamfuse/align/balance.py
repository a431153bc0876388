"""White balance that differs between the exposures: how much more or less red and blue the brighter one shows.

A camera that sets its white balance frame by frame gives two streams with colours of their own. Where both show the
same place within their range, R' to G' of the one against R' to G' of the other is the gain of red, whatever the
exposures are, and likewise for blue.

A gain must be proven before it is used, since a wrong one makes the picture alternate. Only blocks count that lie
within range in *both* exposures, and whose green agrees with the ratio of the exposures (else they are different
places: steel in the one, the sky behind it in the other). They must agree among each other, and from bracket to
bracket. Anything less is no gain at all. So is a small difference, which is measurement: most footage passes as it is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.imaging.photometric import GAMMA, NODES, IntensityMapping
from streamfuse.imaging.picture_rows import block_means_and_peaks
from streamfuse.imaging.planes import WorkingPicture

SIDE = 8  # pixels of a block at working size
DIM = 0.12  # R'G'B' of the darker exposure below which noise shifts the mean
CLIPPED = 0.95  # R'G'B' in the brighter exposure's scale; the lightest pixel of a block counts
SAME_PLACE_EV = 0.2  # by which green may differ from what the ratio of the exposures makes of it
MIN_COUNT = 6  # blocks of one bracket
MIN_TOGETHER = 40  # blocks of all brackets
MIN_BRACKETS = 3
SPREAD_EV, SPREAD_SHARE = 0.05, 0.6  # median deviation of blocks: up to this, or this share of the gain
STABLE_SHARE = 0.8  # of the brackets, whose gains lie half as far from the median at most
CALM_EV = 0.06  # up to here it is measurement, from twice that on it is believed
MAX_EV = 1.5  # more is another scene
MEMORY = 12  # brackets

Balance = tuple[float, float]
NEUTRAL: Balance = (1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A picture in blocks of `SIDE` x `SIDE` pixels; what is left over at the right and below is left out.

    Args:
        rgb: means of R'G'B', (h, w, 3).
        peak: the largest of all R', G' and B' in a block, (h, w).
    """

    rgb: Map
    peak: Map


def blocks(picture: WorkingPicture) -> Blocks | None:
    """Of a picture at working size; None of a grey or tiny one."""
    rows, columns = (size // SIDE for size in picture.luma.shape)
    if picture.rgb is None or rows == 0 or columns == 0:
        return None
    means, peaks = np.empty((rows, columns, 3), np.float32), np.empty((rows, columns), np.float32)
    block_means_and_peaks(picture.rgb, SIDE, means, peaks)
    return Blocks(means, peaks)


class BalanceTracker:
    """What R' and B' of the darker exposure are multiplied by, from the last `MEMORY` brackets."""

    def __init__(self) -> None:
        self._past: dict[int, deque[tuple[Map, Map]]] = defaultdict(lambda: deque(maxlen=MEMORY))
        self._gains: dict[int, Balance] = defaultdict(lambda: NEUTRAL)

    def __call__(
        self,
        pair: int,
        dark: Sequence[Blocks | None],
        bright: Sequence[Blocks | None],
        curve: IntensityMapping,
    ) -> Balance:
        """For `IntensityMapping.balance`: one bracket more.

        Args:
            pair: which two exposures; each has a memory of its own.
            dark, bright: the frames of this bracket that have the darker and the brighter one.
            curve: between the two.
        """
        found = [_gains(d, b, curve) for d in dark for b in bright if d is not None and b is not None]
        past = self._past[pair]
        if found:
            past.append(
                (np.concatenate([red for red, _ in found]), np.concatenate([blue for _, blue in found]))
            )
        was_red, was_blue = self._gains[pair]
        gains = _proven([red for red, _ in past], was_red), _proven([blue for _, blue in past], was_blue)
        self._gains[pair] = gains
        return gains


def _gains(dark: Blocks, bright: Blocks, curve: IntensityMapping) -> tuple[Map, Map]:
    """EV by which red and blue of the brighter exposure are stronger than green: of each block that tells."""
    if dark.peak.shape != bright.peak.shape:
        return np.empty(0, np.float32), np.empty(0, np.float32)
    open_ = (bright.peak < CLIPPED) & (curve.brighten(dark.peak) < CLIPPED)
    d, b = dark.rgb[open_], bright.rgb[open_]
    if not curve.exact:
        b = np.interp(b, np.linspace(0.0, 1.0, NODES), curve.down).astype(np.float32)
    d, b = np.maximum(d, np.float32(1e-3)), np.maximum(b, np.float32(1e-3))
    gap = curve.gap_ev if curve.exact else 0.0
    stronger = GAMMA * np.log2(b / d) - np.float32(gap)  # EV beyond the ratio of the exposures
    tells = (d[:, 1] > DIM) & (np.abs(stronger[:, 1]) < SAME_PLACE_EV)
    red, blue = (stronger[ok, n] - stronger[ok, 1] for n in (0, 2) for ok in (tells & (d[:, n] > DIM),))
    return red, blue


def _proven(brackets: Sequence[Map], before: float) -> float:
    """Give the gain of code values that the blocks of some brackets prove; 1 where they prove none.

    A gain that was proven `before` is given up only where they are twice as far apart, or it would come and go.
    """
    telling = [evs for evs in brackets if len(evs) >= MIN_COUNT]
    if len(telling) < MIN_BRACKETS or sum(map(len, telling)) < MIN_TOGETHER:
        return 1.0
    every = np.concatenate(telling)
    ev = float(np.median(every))
    if abs(ev) <= CALM_EV:  # of most footage: no gain, however well it is proven
        return 1.0
    allowed = max(SPREAD_EV, SPREAD_SHARE * abs(ev)) * (1 if before == 1.0 else 2)
    if abs(ev) > MAX_EV or float(np.median(np.abs(every - ev))) > allowed:
        return 1.0
    apart = [abs(float(np.median(evs)) - ev) for evs in telling]
    if float(np.quantile(apart, STABLE_SHARE)) > allowed / 2:
        return 1.0
    return float(2.0 ** (ev * min(abs(ev) / CALM_EV - 1.0, 1.0) / GAMMA))
