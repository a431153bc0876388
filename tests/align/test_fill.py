"""What nobody saw takes the colours of what has moved, in the channels that are clipped and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=30, deadline=None)
@given(y=st.integers(0, 79), x=st.integers(0, 119), height=st.integers(1, 40), width=st.integers(1, 40))
def test_what_is_filled_does_not_depend_on_what_else_is_looked_at(
    y: int, x: int, height: int, width: int
) -> None:
    own = CURVE.brighten_rgb(shown(SHIRT, 50))
    known = np.ones(own.shape[:2], np.float32)
    known[y : y + height, x : x + width] = 0.0
    sides = [np.ascontiguousarray(shown(SHIRT, left)[::4, ::4]) for left in (10, 90)]
    white, tinted = fill.unknown(own, known)
    everywhere = np.maximum(white, np.float32(1.01 * fill.FAINT)), tinted
    here, all_of_it = (fill.lacking(own, shares, sides, CURVE) for shares in ((white, tinted), everywhere))
    some = (white + tinted > 2 * fill.FAINT)[..., None]
    np.testing.assert_allclose(here * some, all_of_it * some, atol=0.004)
    assert (all_of_it - here).max() < 0.004  # what is left out is less than a code value


def test_nothing_is_added_to_what_is_trusted() -> None:
    assert not filled(BALL, trust=1.0)[0].any()
