"""What turns the code values of a film's exposures into radiance: their transfer function and how far they are apart.

Both are found in the aligned exposures of each instant, and kept over time, since what jumps from instant to instant
makes the picture breathe. The transfer function is the one that most instants told so far. The gap between two
exposures is the median over the last `WINDOW` instants of the median ratio of linear light, over pixels that both show
within their range. Metadata that tell the exposures are believed instead.
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
_STRIDE = 4  # of the pixels that are looked at, across and down
_DIM, _CLIPPED = (
    0.1,
    0.85,
)  # luma of the darker exposure from which on, of the brighter one up to which a pixel tells
_MIN_PIXELS = 200
_OTHER_EV = 0.7  # from the median: the exposures were changed, and what was before does not count


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
        self._vote(lumas)
        known = _known(aligned)
        gaps = [0.0]
        for rank, (dark, bright) in enumerate(pairwise(lumas)):
            rough = aligned.gaps_ev[rank + 1] - aligned.gaps_ev[rank]
            told = None if known is None else known[rank + 1] - known[rank]
            step = told if told is not None else measured_step(dark, bright, self.transfer)
            gaps.append(gaps[-1] + (told if told is not None else self._kept(rank, step or rough)))
        return self.transfer, tuple(gaps)

    @property
    def transfer(self) -> Transfer:
        """What most instants told so far; of equals the one that was told first."""
        return max(self._votes, key=lambda one: self._votes[one], default=PLAIN)

    def _vote(self, lumas: Sequence[Map]) -> None:
        for dark, bright in pairwise(lumas):
            curve = photometric.estimate_curve([dark], [bright])
            if curve.transfer is not None:
                self._votes[curve.transfer] += 1

    def _kept(self, rank: int, step: float) -> float:
        steps = self._steps.setdefault(rank, deque(maxlen=WINDOW))
        if steps and abs(float(np.median(steps)) - step) > _OTHER_EV:
            steps.clear()
        steps.append(step)
        return float(np.median(steps))


def sampled(exposures: Sequence[tuple[Plane, ...]], bits: int, color: ColorInfo) -> list[Map]:
    """Luma of every `_STRIDE`-th pixel of each exposure, in [0, 1]."""
    return [
        normalise(np.ascontiguousarray(planes[0][::_STRIDE, ::_STRIDE]), bits, color) for planes in exposures
    ]


def measured_step(dark: Map, bright: Map, transfer: Transfer) -> float | None:
    """EV from a darker exposure to a brighter one of the same instant; None where too few pixels show both."""
    tells = (dark > _DIM) & (bright < _CLIPPED) & (bright > dark)
    if int(tells.sum()) < _MIN_PIXELS:
        return None
    low, high = (photometric.decoded(luma[tells].astype(np.float64), transfer) for luma in (dark, bright))
    return float(np.log2(np.median(high / low)))


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
