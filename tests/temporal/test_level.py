"""What alternates in the level of the whole picture is gone; all else stays as it is."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, Neighbours
from streamfuse.temporal.level import (
    MAX_CHANGE,
    MAX_TURN,
    MIN_CHANGE,
    MIN_COUNT,
    TURN_SHARES,
    TURNS,
    WINDOW,
    Leveller,
    alternation,
    turned,
)

SIZE = (54, 96)
CODE = 1 / 255


def scene(seed=0, size=SIZE):
    noise = np.random.default_rng(seed).random(size, np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0.1, 0.8, cv2.NORM_MINMAX)


def instant(index, rank=None, cycle=2, flow=(0.0, 0.0), known=True, after=None):
    frame = Frame((np.zeros((4, 4), np.uint8),), 8, (0, 0), ColorInfo(), index, Fraction(1, 25), index)
    bracket = Bracket(frame, index % cycle if rank is None else rank, cycle, {1: Neighbours(frame, None)})
    before = np.full((27, 48, 2), flow, np.float32) if known else None
    on = None if after is None else np.full((27, 48, 2), after, np.float32)
    return AlignedBracket(bracket, ((), ()), (0.0, 3.0), (None, None), before, on)


def levels(pictures, **how):
    """What is added to each."""
    leveller = Leveller()
    return [leveller(instant(t, **how), picture) for t, picture in enumerate(pictures)]


def alternating(count, codes, seed=0, noise=0.0):
    """Pictures whose level lies by so many codes above and below a steady one, in turns."""
    rng = np.random.default_rng(seed)
    return [
        scene() + np.float32(CODE * (codes * (1 if t % 2 else -1) + noise * rng.standard_normal()))
        for t in range(count)
    ]


@pytest.mark.parametrize("codes", [0.1, -0.4, 2.0])
def test_what_alternates_is_taken_back_from_the_bright_frames(codes):
    found = levels(alternating(20, codes))
    assert found[:TURNS] == [0.0] * TURNS
    assert found[TURNS] / CODE == pytest.approx(-TURN_SHARES[1] * codes if abs(codes) < 1 else 0.0, rel=0.02)
    for t, more in enumerate(found[MIN_COUNT:], MIN_COUNT):
        assert more / CODE == pytest.approx(-2 * codes if t % 2 else 0, rel=0.02)


def test_so_it_is_where_the_level_jumps_by_about_as_much_without_a_rule():
    found = levels(alternating(60, 0.4, noise=0.15))
    taken = np.array(found[WINDOW:]) / CODE
    wanted = np.array([-0.8 if t % 2 else 0.0 for t in range(WINDOW, 60)])
    assert np.abs(taken - wanted).mean() < 0.15


def test_of_what_moves_no_more_is_taken_than_along_the_motion():
    wide = scene(1, (54, 300))
    pictures = [
        wide[:, 3 * t : 3 * t + 96] + np.float32(CODE * (0.3 if t % 2 else -0.3)) for t in range(20)
    ]  # what was at x is now at x - 3: a pixel and a half of the flow's grid
    found = levels(pictures, flow=(1.5, 0.0))
    for t, more in enumerate(found[8:], 8):
        assert more / CODE == pytest.approx(-0.6 if t % 2 else 0.0, abs=0.2)


def test_a_camera_that_shakes_to_and_fro_is_no_flicker():
    wide = scene(1, (54, 160)) + np.linspace(0, 0.15, 160, dtype=np.float32)
    pictures = [wide[:, 4 * (t % 2) : 4 * (t % 2) + 96] for t in range(20)]
    whole = np.diff([picture.mean() for picture in pictures])
    assert np.abs(whole).min() > 5 * MIN_CHANGE
    leveller = Leveller()
    found = [leveller(instant(t, flow=(2.0 if t % 2 else -2.0, 0.0)), p) for t, p in enumerate(pictures)]
    assert np.abs(found).max() < 0.3 * np.abs(whole).mean()


def test_motion_that_errs_by_the_exposure_is_not_taken_for_it():
    ramp = np.tile(np.linspace(0.2, 0.8, 96, dtype=np.float32), (54, 1))
    for known in (False, True):
        leveller = Leveller()
        for t in range(20):  # what is found in bright frames is too long, by a pixel of the picture
            wrong = 0.5 * (t % 2)
            taken = leveller(instant(t, flow=(wrong, 0.0), after=(-wrong, 0.0) if known else None), ramp)
        assert taken == 0.0


@pytest.mark.parametrize(
    "light",
    [
        [0.5] * 24,
        list(np.linspace(0.2, 0.9, 24)),
        [0.3 + 0.02 * (t - 12) ** 2 / 12 for t in range(24)],
        [0.3] * 9 + [0.6] * 15,
        [0.3] * 9 + [0.7] + [0.3] * 14,
        [0.5 + 0.1 * np.sin(t / 3) for t in range(24)],
        [0.5 + 0.02 * np.sin(2 * np.pi * t / 3) for t in range(24)],
    ],
    ids=["steady", "fade", "faster and faster", "lamp", "flash", "waves", "mains"],
)
def test_light_that_changes_passes_bit_for_bit(light):
    assert levels([scene() * np.float32(level) for level in light]) == [0.0] * len(light)


def test_next_to_nothing_is_left_as_it_is():
    assert set(levels(alternating(20, 0.5 * MIN_CHANGE / CODE))) == {0.0}


def test_what_jumps_to_and_fro_without_a_rule_jumps_less():
    pictures = alternating(400, 0.0, noise=0.3)
    before = np.array([picture.mean() for picture in pictures]) / CODE
    found = np.array(levels(pictures)) / CODE
    assert np.mean(found == 0) > 0.5
    bends = [np.std(np.diff(means, 2)) for means in (before, before + found)]
    assert bends[1] < 0.9 * bends[0]


def signed(means):
    """Steps from mean luma to mean luma, of which the last is of the brighter exposure, alike in both measures."""
    steps = np.diff(means) / 2 * (-1.0) ** np.arange(len(means) - 2, -1, -1)
    return np.stack([steps, steps], 1)


@given(
    st.floats(-0.45, 0.45), st.floats(-0.02, 0.02), st.lists(st.floats(-0.05, 0.05), min_size=6, max_size=20)
)
def test_of_a_level_that_goes_to_and_fro_the_middle_is_left(codes, drift, rest):
    means = [0.4 + CODE * (codes * (-1) ** t + drift * t + more) for t, more in enumerate(rest)]
    left = [mean - turned(signed(means[: t + 1])) for t, mean in enumerate(means)]
    assert max(abs(a - b) for a, b in zip(left, means, strict=True)) <= MAX_TURN
    if abs(codes) > 0.2:
        off = np.array(left[TURNS + 1 :]) / CODE - [
            0.4 / CODE + drift * t for t in range(TURNS + 1, len(means))
        ]
        assert np.abs(off).max(initial=0) < 0.2


@pytest.mark.parametrize("more", [[0.3, 0.3, 0.3, 0.6], [0.3, 0.5, 0.3, 0.3], [0.3, 0.2, 0.25, 0.3]])
def test_a_level_that_turns_round_once_stays(more):
    assert turned(signed([CODE * value for value in more])) == 0.0


def test_a_level_that_goes_to_and_fro_stays_where_it_does_not_along_the_motion():
    steps = signed([CODE * value for value in (0.0, 0.4, 0.0, 0.4)])
    assert turned(steps) == pytest.approx(0.2 * CODE)
    assert turned(steps * [0.1, 1]) == turned(steps)
    assert turned(steps * [-1, 1]) == 0.0


def test_of_two_measures_the_smaller_counts_and_none_where_they_disagree():
    steps = np.tile([0.1 * CODE, 0.3 * CODE], (10, 1))
    for those in (steps, steps[:, ::-1], -steps):
        assert abs(alternation(those)) == pytest.approx(0.1 * CODE)
    assert alternation(steps * [-1, 1]) == 0.0


def test_more_than_what_can_be_seen_stays():
    assert turned(signed([CODE * value for value in (1.0, 3.1, 1.0, 3.1)])) == 0.0


def test_no_more_than_a_few_codes_are_taken():
    assert max(map(abs, levels(alternating(20, 5.0)))) == pytest.approx(2 * MAX_CHANGE)


def test_only_exposures_that_alternate_count():
    pictures = alternating(20, 0.5)
    assert set(levels(pictures, rank=0)) == {0.0}
    assert set(levels(pictures, cycle=3)) == {0.0}
    assert set(levels(pictures, known=False)) == {0.0}


@pytest.mark.parametrize(("cut", "lost"), [(12, 0), (None, 2)])
def test_it_begins_anew_after_a_cut_and_after_frames_that_were_lost(cut, lost):
    leveller = Leveller()
    found = [
        leveller(instant(t + lost * (t >= 12), known=t != cut), picture)
        for t, picture in enumerate(alternating(24, 0.5))
    ]
    assert found[11] != 0.0
    assert found[12 : 12 + TURNS] == [0.0] * TURNS
    assert found[-1] != 0.0


def test_a_segment_is_identical_to_the_same_part_of_the_whole():
    rng = np.random.default_rng(3)
    pictures = [picture + rng.normal(0, 0.01, SIZE).astype(np.float32) for picture in alternating(60, 0.3)]
    whole, leveller = levels(pictures), Leveller()
    part = [leveller(instant(t), pictures[t]) for t in range(20, 60)]
    reach = WINDOW
    assert part[reach:] == whole[20 + reach :]
    assert any(part[reach:])


def test_pictures_may_be_of_any_size():
    for size in ((1, 1), (3, 500), (27, 48), (300, 533)):
        picture = cv2.resize(scene(), size[::-1])
        found = levels([picture + np.float32(CODE * (0.5 if t % 2 else -0.5)) for t in range(12)])
        assert found[-1] / CODE == pytest.approx(-1.0, abs=0.04)
