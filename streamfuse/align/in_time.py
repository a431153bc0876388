"""Where the frames of a bracket lie in time, and what follows for their mean brightness."""

from __future__ import annotations

from collections.abc import Sequence

from streamfuse.core.frame import Bracket, Frame


def part_of_the_way(first: Frame, middle: Frame, last: Frame) -> float:
    """Tell where `middle` lies in time between the others, 0..1, by pts; by count where pts do not say."""
    if first.pts is not None and middle.pts is not None and last.pts is not None:
        part = (middle.pts - first.pts) / ((last.pts - first.pts) or 1)
        if 0.0 < part < 1.0:
            return part
    part = (middle.index - first.index) / ((last.index - first.index) or 1)
    return part if 0.0 < part < 1.0 else 0.5


def share_of_same(bracket: Bracket, others: Sequence[Frame]) -> float:
    """Share of each of the two frames of the reference's own exposure, when it is compared with frames of another one.

    Where the light changes, two frames around an instant do not show its light. With this share of the frames before
    and after, the means of both exposures are off by the same, whatever the light does as far as its curvature.
    """
    same = bracket.same
    if len(others) < 2 or same.before is None or same.after is None:
        return 0.0
    near, far = others[-1].index - others[0].index, same.after.index - same.before.index
    return min((near / far) ** 2 / 2, 0.25) if far > 0 else 0.0
