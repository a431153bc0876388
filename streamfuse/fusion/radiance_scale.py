"""What turns the code values of a film's exposures into radiance: their transfer function and how far they are apart.

Both are found in the aligned exposures of each instant, and kept over time, since what jumps from instant to instant
makes the picture breathe. The transfer function is the one that most instants told so far. The gap between two
exposures is the median over the last `WINDOW` instants of the median ratio of linear light, over pixels that both show
within their range; where few do, it is the rough figure of their histograms. Metadata that tell the exposures are
believed instead.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from streamfuse.core.frame import AlignedBracket, ColorInfo, Map, Neighbours, Plane
from streamfuse.fusion.luma import normalise
from streamfuse.imaging import photometric
from streamfuse.imaging.photometric import PLAIN, Transfer

WINDOW = 15  # instants whose gaps count
_STRIDE, _LARGE, _LARGE_STRIDE = 4, 1_000_000, 8  # of the pixels that are looked at, across and down
# A pixel tells from this luma of the darker exposure on, and up to this luma of the brighter one.
_DIM, _CLIPPED = 0.1, 0.85
_MIN_PIXELS, _MIN_SHARE = 200, 0.01  # that have to tell
_MAX_SPREAD_EV = 2.0  # between their quartiles: more, and they are different things


class ExposureScale:
    """Follows the exposures of a film; called once for each instant, in order."""

    def __init__(self) -> None:
        self._votes: Counter[Transfer] = Counter()
        self._steps: dict[int, deque[float]] = {}

    def __call__(self, aligned: AlignedBracket) -> tuple[Transfer, tuple[float, ...]]:
        """The transfer function, and the exposure of each rank relative to the darkest one in EV.

        A bracket without partners tells nothing, and has all exposures at 0 EV.
        """
        bracket = aligned.bracket
        if bracket.alone:
            return self.transfer, (0.0,) * bracket.cycle
        frame = bracket.reference
        lumas = sampled(aligned.exposures, frame.bits, frame.color)
        curves = [photometric.estimate_curve([dark], [bright]) for dark, bright in pairwise(lumas)]
        self._votes.update(curve.transfer for curve in curves if curve.transfer is not None)
        known = _known(aligned)
        if known is not None:
            return self.transfer, tuple(ev - known[0] for ev in known)
        gaps = [0.0]
        for rank, ((dark, bright), curve) in enumerate(zip(pairwise(lumas), curves, strict=True)):
            step = measured_step(dark, bright, self.transfer)
            steps = self._steps.setdefault(rank, deque(maxlen=WINDOW))
            steps.append(curve.gap_ev if step is None else step)
            gaps.append(gaps[-1] + float(np.median(steps)))
        return self.transfer, tuple(gaps)

    @property
    def transfer(self) -> Transfer:
        """What most instants told so far; of equals the one that was told first."""
        return max(self._votes, key=lambda one: self._votes[one], default=PLAIN)


def sampled(exposures: Sequence[tuple[Plane, ...]], bits: int, color: ColorInfo) -> list[Map]:
    """Luma of every fourth pixel of each exposure, across and down, in [0, 1]; of large pictures every eighth."""
    step = _STRIDE if exposures[0][0].size < _LARGE else _LARGE_STRIDE
    return [normalise(np.ascontiguousarray(planes[0][::step, ::step]), bits, color) for planes in exposures]


def measured_step(dark: Map, bright: Map, transfer: Transfer) -> float | None:
    """EV from a darker exposure to a brighter one of the same instant; None where too few pixels show both."""
    tells = (dark > _DIM) & (bright < _CLIPPED) & (bright > dark)
    if int(tells.sum()) < max(_MIN_PIXELS, _MIN_SHARE * dark.size):
        return None
    low, high = (photometric.decoded(luma[tells].astype(np.float64), transfer) for luma in (dark, bright))
    first, middle, last = np.percentile(np.log2(high / low), (25, 50, 75))
    return float(middle) if last - first < _MAX_SPREAD_EV else None


def _known(aligned: AlignedBracket) -> list[float] | None:
    """Exposure of each rank in EV from the frames' metadata, if all tell and rise."""
    bracket = aligned.bracket
    found: list[float] = []
    for rank in range(bracket.cycle):
        pair = bracket.missing.get(rank, Neighbours(None, None))
        frame = bracket.reference if rank == bracket.rank else pair.before or pair.after
        ev = None if frame is None or frame.exposure is None else frame.exposure.ev
        if ev is None or (found and ev <= found[-1]):
            return None
        found.append(ev)
    return found
