"""What a frame's luma says of its exposure: thumbnails, distances between them, and the cycle of a few frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Frame, Map
from streamfuse.imaging.planes import normalised_luma

MAX_CYCLE = 5
MIN_GAP = 0.1  # in levels: about 0.3 EV; less than that from frame to frame is no alternation
_THUMBNAIL = (48, 27)
_FLAT = 0.01  # standard deviation of luma below which a thumbnail has no structure to compare

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is kept of a frame for labelling.

    Args:
        thumbnail: normalised luma, (27, 48) float32.
        ordered: its values in ascending order: a histogram, which motion hardly changes.
        level: logit of its mean: an exposure step shows in dark and in bright scenes alike.
    """

    thumbnail: Map
    ordered: Map
    level: float


@dataclass(frozen=True, slots=True)
class Cycle:
    """How the exposures of some frames repeat.

    Args:
        ranks: exposure of each frame, 0 = darkest.
        count: number of different exposures.
        gap: smallest difference of level between exposures next to each other.
        spread: typical difference of level between frames of one exposure.
    """

    ranks: tuple[int, ...]
    count: int
    gap: float
    spread: float

    @property
    def confidence(self) -> float:
        """0..1: how clearly the exposures are apart."""
        return float(np.clip(1.0 - 2.0 * self.spread / max(self.gap, 1e-9), 0.0, 1.0))


def evidence_of(frame: Frame) -> Evidence:
    """Measure one frame."""
    thumbnail = normalised_luma(frame, _THUMBNAIL)
    mean = float(np.clip(thumbnail.mean(), 1 / 512, 1 - 1 / 512))
    return Evidence(thumbnail, np.sort(thumbnail, axis=None), float(np.log(mean / (1.0 - mean))))


def distance(one: Evidence, other: Evidence) -> float:
    """Mean difference of luma between two histograms, 0..1: the exposure, hardly the motion."""
    return float(np.abs(one.ordered - other.ordered).mean())


def likeness(one: Evidence, other: Evidence) -> float:
    """Rank correlation of two thumbnails, -1..1: the scene, not the exposure; 1 where one of them is flat."""
    if min(float(one.thumbnail.std()), float(other.thumbnail.std())) < _FLAT:
        return 1.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(evidence: Evidence) -> npt.NDArray[np.float64]:
    """Rank of each pixel's luma; equal values share theirs. Blurred, so that small motion does not matter."""
    picture = cv2.blur(evidence.thumbnail, (3, 3)).ravel()
    ordered = np.sort(picture)
    left, right = np.searchsorted(ordered, picture, "left"), np.searchsorted(ordered, picture, "right")
    return (left + right) / 2.0


def find_cycle(levels: Sequence[float], count: int | None = None, min_gap: float = MIN_GAP) -> Cycle | None:
    """Tell how the exposures of consecutive frames of one shot repeat, or None if they do not.

    Args:
        levels: of two frames or more.
        count: number of exposures, where it is known.
        min_gap: smallest difference of level that counts as another exposure.
    """
    values = np.asarray(levels, np.float64)
    if len(values) < 2:
        return None
    period = _period(values)
    if period is None and count is None:
        return None
    period = period or count or 2
    if period == 2 and count in (None, 2) and len(values) > 2:
        return _two(values, min_gap)
    spread = 0.0
    if len(values) > period:
        steps = values[period:] - values[:-period]
        values = values - np.median(steps) / period * np.arange(
            len(values)
        )  # a scene that grows brighter or darker
        spread = float(np.median(np.abs(steps - np.median(steps))))
    return _classes(values, count, max(min_gap, 3.0 * spread), spread)


def _two(values: Levels, min_gap: float) -> Cycle | None:
    """Two exposures: a frame is over where it is brighter than its neighbours, whatever the scene does meanwhile."""
    above = _curvature(values)
    gap = float(np.median(np.abs(above)))
    if gap < min_gap:
        return None
    inner = [int(value > 0) for value in above]
    spread = float(np.median(np.abs(np.abs(above) - gap)))
    return Cycle((1 - inner[0], *inner, 1 - inner[-1]), 2, gap, spread)


def _curvature(values: Levels) -> Levels:
    """Tell how far each level but the first and last is above the mean of its neighbours: a steady change cancels."""
    return np.asarray(values[1:-1] - (values[:-2] + values[2:]) / 2.0, np.float64)


def _period(values: Levels) -> int | None:
    """Give the shortest lag after which levels come back; None if frames that follow each other hardly differ."""
    step = float(np.median(np.abs(np.diff(values))))
    if step < MIN_GAP:
        return None
    if len(values) > MAX_CYCLE + 4:
        values = _curvature(values)
        step = float(np.median(np.abs(np.diff(values))))
    for lag in range(2, MAX_CYCLE + 1):
        if len(values) <= lag:
            return lag
        if float(np.median(np.abs(values[lag:] - values[:-lag]))) < 0.35 * step:
            return lag
    return None


def _classes(values: Levels, count: int | None, min_gap: float, spread: float) -> Cycle | None:
    """Split levels at their largest gaps."""
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    largest = float(gaps.max())
    cuts = (
        np.argsort(gaps)[::-1][: count - 1] if count else np.flatnonzero(gaps > max(min_gap, 0.25 * largest))
    )
    if len(cuts) == 0 or len(cuts) >= MAX_CYCLE or float(gaps[cuts].min()) < min_gap:
        return None
    borders = np.sort((ordered[cuts] + ordered[cuts + 1]) / 2.0)
    ranks = np.searchsorted(borders, values)
    return Cycle(tuple(int(rank) for rank in ranks), len(cuts) + 1, float(gaps[cuts].min()), spread)
