"""The part of the first frames where exposures alternate: titles, held pictures and slow cameras come before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfuse.exposure.evidence import MIN_GAP, Cycle, find_cycle

MIN_COUNT = 6  # frames that follow a hold and are believed to alternate
_HELD = 4  # frames of one level in a row, from which on they are held
_SAME = 0.25  # share of the steps that are usual in the shot, up to which a level stays
_USUAL = 0.9  # quantile of the steps that is usual: as long as a few frames alternate, theirs


@dataclass(frozen=True, slots=True)
class Opening:
    """What the first frames tell.

    Args:
        cycle: how exposures repeat.
        levels: of the frames that tell it, one for each of `cycle.ranks`.
    """

    cycle: Cycle
    levels: tuple[float, ...]


def find_opening(shots: Sequence[Sequence[float]], count: int | None = None) -> Opening | None:
    """Give the longest part that alternates, or None.

    Args:
        shots: levels of the frames of each shot.
        count: number of exposures, where it is known.
    """
    least = MIN_GAP if count is None else MIN_GAP / 3
    parts = [(len(part) == len(shot), part) for shot in shots for part in _moving(shot)]
    for whole, part in sorted(parts, key=lambda one: len(one[1]), reverse=True):
        if not whole and len(part) < MIN_COUNT:
            continue
        cycle = find_cycle(part, count, least)
        if cycle is not None:
            return Opening(cycle, tuple(part))
        if whole and len(shots) == 1:
            break
    return None


def _moving(levels: Sequence[float]) -> list[list[float]]:
    """Give the levels without those that are held; all of them where none stands out."""
    steps = np.abs(np.diff(levels))
    if len(steps) < _HELD:
        return [list(levels)]
    same = steps < _SAME * float(np.quantile(steps, _USUAL))
    parts: list[list[float]] = [[]]
    at = 0
    while at < len(levels):
        end = at
        while end < len(same) and same[end]:
            end += 1
        if end - at + 1 >= _HELD:
            parts.append([])
        else:
            parts[-1] += levels[at : end + 1]
        at = end + 1
    return [part for part in parts if part]
