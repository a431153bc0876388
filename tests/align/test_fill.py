"""What nobody saw takes the colours of what has moved, in the channels that are clipped and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from streamfuse.align import fill
from streamfuse.core.frame import Map
from streamfuse.imaging.photometric import ratio_curve

CURVE = ratio_curve(3.0)
ROOM = (0.12, 0.12, 0.12)
BALL, SHIRT = (0.75, 0.33, 0.3), (0.7, 0.66, 0.6)  # clipped in red, and in all channels


def shown(colour: tuple[float, float, float], left: int) -> Map:
    """Something of a colour, in the darker exposure's scale."""
    rgb = np.full((80, 120, 3), ROOM, np.float32)
    rgb[30:50, left : left + 20] = colour
    return rgb


def filled(colour: tuple[float, float, float], trust: float = 0.0) -> tuple[Map, Map]:
    """What is added where it is now, and the darkened reference there; its neighbours have it elsewhere."""
    own = CURVE.brighten_rgb(shown(colour, 50))
    known = np.ones(own.shape[:2], np.float32)
    known[26:54, 46:74] = trust
    sides = [np.ascontiguousarray(shown(colour, left)[::4, ::4]) for left in (10, 90)]
    place = slice(34, 46), slice(54, 66)
    return fill.lacking(own, fill.unknown(own, known), sides, CURVE)[place], CURVE.darken_rgb(own)[place]


@pytest.mark.parametrize(("colour", "clipped"), [(BALL, [0]), (SHIRT, [0, 1, 2])])
def test_clipped_channels_are_what_has_moved_and_the_others_stay(
    colour: tuple[float, float, float], clipped: list[int]
) -> None:
    more, dark = filled(colour)
    assert (
        np.abs((dark + more) - colour)[..., clipped].mean()
        < 0.03
        < np.abs(dark - colour)[..., clipped].mean()
    )
    assert not np.delete(more, clipped, axis=2).any()


def test_nothing_is_added_to_what_is_trusted() -> None:
    assert not filled(BALL, trust=1.0)[0].any()
