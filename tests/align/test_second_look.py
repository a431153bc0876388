from __future__ import annotations

import numpy as np
import pytest
from align_clips import scene

from streamfuse.align import second_look
from streamfuse.align.flow import FlowEstimator
from streamfuse.align.second_look import SecondLook, poor_box
from streamfuse.core.frame import Map

SPEED = 12


def picture(place: int) -> Map:
    """A dim scene in which something light is at `place`."""
    out = 0.1 + 0.3 * np.sqrt(scene(240, 160, 1))
    out[50:110, place : place + 30] = 0.7 + 0.2 * np.sqrt(scene(30, 60, 2))
    return np.asarray(out, np.float32)


def look(grid: int = 1) -> SecondLook:
    """What moves by `SPEED` pixels from frame to frame, and is clipped in the reference."""
    own = picture(100 - SPEED), picture(100 + SPEED)
    raised = [np.minimum(one / 0.6, 1.0) for one in own]
    return SecondLook(np.minimum(picture(100) / 0.6, 1.0), raised, own, grid)


def flows(x: float, grid: int = 1) -> list[Map]:
    field = np.zeros((160 // grid, 240 // grid, 2), np.float32)
    field[50 // grid : 110 // grid, 100 // grid : 130 // grid, 0] = x / grid
    return [-field, field]


@pytest.mark.parametrize("grid", [1, 2])
def test_what_was_not_found_is_found_when_looked_at_again(grid: int) -> None:
    found = look(grid).again(flows(0, grid), flows(0, grid), FlowEstimator("flow", 0))
    inside = slice(60 // grid, 100 // grid), slice(106 // grid, 124 // grid)
    for sign, field in zip((-1, 1), found, strict=True):
        assert np.abs(field[inside] * grid - (sign * SPEED, 0)).mean() < 2
        assert not field[:, : 30 // grid].any()  # far from it all stays


def test_what_is_right_is_not_looked_at_again() -> None:
    def never(one: Map, other: Map) -> Map:
        raise AssertionError

    assert poor_box(look().misfit(flows(SPEED)), 8) is not None  # what comes into sight and what is covered
    calm = picture(100)
    still = SecondLook(calm, [calm, calm], [calm, calm], 1)
    zero = flows(0)
    assert still.again(zero, flows(SPEED), never) is zero


def test_the_answer_that_explains_more_is_followed() -> None:
    inside = slice(60, 100), slice(110, 120)
    right, wrong = flows(SPEED), flows(0)
    for first, second in ((right, wrong), (wrong, right)):
        followed = look().better(first, second)
        np.testing.assert_allclose(followed[1][inside][..., 0], SPEED, atol=0.5)


def test_what_was_matched_across_the_exposures_is_followed_where_the_rest_is_poor() -> None:
    def nothing(one: Map, other: Map) -> Map:
        return np.zeros((*one.shape, 2), np.float32)

    followed = look().again(flows(0), flows(SPEED), nothing)
    np.testing.assert_allclose(followed[1][60:100, 110:120, 0], SPEED, atol=0.5)


def test_a_box_has_all_poor_places_and_a_margin() -> None:
    misfit = np.zeros((60, 80), np.float32)
    misfit[20:25, 30:35] = misfit[40:45, 70:75] = 2 * second_look.POOR
    misfit[5, 5] = 1.0  # a single pixel is none
    y, bottom, x, right = poor_box(misfit, 10) or (0, 0, 0, 0)
    assert (y, bottom, x, right) == (11, 54, 21, 80)
    assert poor_box(np.zeros((60, 80), np.float32), 10) is None
