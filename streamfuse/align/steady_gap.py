"""How far the exposures of a film are apart, as the brackets before this one told it, too.

The histograms of frames that were taken one after the other differ by what moved as well: a bird that fills the
picture changes the gap that they tell by a tenth of an EV from bracket to bracket, and the picture ripples with it. A
camera keeps its gap. So the usual one of the last brackets is taken, with the transfer function that most of them
told, unless this one lies too far from it: then the camera has changed its exposures. Nor is it taken where the gap
goes one way, as in a cross-fade between films of different gaps. A bracket that tells none is given the usual one.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque

import numpy as np

from streamfuse.imaging.photometric import PLAIN, IntensityMapping, Transfer, ratio_curve, transfer_curve

MEMORY = 12  # brackets
SAME_EV = 0.3  # from the usual gap: more is another one
DRIFT_EV = 0.15  # between the first and the last third of what is remembered: more is no noise


class GapTracker:
    """What the last `MEMORY` brackets told of each pair of exposures; called once for each bracket, in order."""

    def __init__(self) -> None:
        self._past: dict[int, deque[tuple[Transfer | None, float]]] = defaultdict(
            lambda: deque(maxlen=MEMORY)
        )

    def __call__(self, pair: int, curve: IntensityMapping, counts: bool = True) -> IntensityMapping:
        """Give the curve to use, from the one that was measured.

        Args:
            pair: which two exposures; each has a memory of its own.
            curve: between the two, as one bracket tells it.
            counts: it is remembered. Where a film begins and ends, frames on one side are missing, and light that
                changes is taken for exposure.
        """
        past = self._past[pair]
        if counts:
            past.append((None if curve.rough else curve.transfer, curve.gap_ev))
        transfer = Counter(told for told, _ in past).most_common(1)[0][0] if past else None
        if transfer is None:
            return curve
        gaps = [gap for told, gap in past if told == transfer]
        usual, third = float(np.median(gaps)), len(gaps) // 3
        drift = abs(float(np.median(gaps[-third:]) - np.median(gaps[:third]))) if third else 0.0
        if curve.transfer == transfer and (abs(curve.gap_ev - usual) > SAME_EV or drift > DRIFT_EV):
            return curve
        return ratio_curve(usual) if transfer == PLAIN else transfer_curve(usual, transfer)
