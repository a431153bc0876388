"""The tracker on bare levels: what may happen to the light, and that the exposures are never swapped for good."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.exposure.sequence import Sequence
from streamfuse.exposure.tracker import ALONE, Tracker, offsets_of


def track(levels, offsets=(0.0, 1.0), order=(0, 1, 0, 1)):
    tracker = Tracker(offsets, Sequence(order))
    out = [rank for level in levels for rank in tracker.add(level)]
    return [*out, *tracker.finish()]


def levels_of(ranks, offsets=(0.0, 1.0), light=0.0, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.015, len(ranks))
    return np.array([offsets[rank] for rank in ranks]) - 0.5 + light + noise


# Doubled (0) and lost (2) frames with some that follow the order (1) between: five equal frames in a row are no cycle.
USUAL = [(1,), (1,), (1,), (1,), (1,), (1, 0, 1), (1, 2, 1)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(USUAL), min_size=3, max_size=40), st.floats(0.4, 4))
def test_lost_and_doubled_frames(steps, gap):
    ranks = [0, 1, 0, 1, *(int(rank) % 2 for rank in np.cumsum([step for part in steps for step in part]))]
    assert track(levels_of(ranks, (0, gap)), (0, gap)) == ranks


@pytest.mark.parametrize("gap", [0.45, 1.0, 3.0])
@pytest.mark.parametrize("at", [12, 13])
@pytest.mark.parametrize("change", [-0.7, 0.3, 1.5])
def test_a_light_that_is_switched(gap, at, change):
    ranks = [i % 2 for i in range(30)]
    light = np.where(np.arange(30) < at, 0, change)
    assert track(levels_of(ranks, (0, gap), light), (0, gap)) == ranks


@pytest.mark.parametrize("speed", [-0.12, 0.12])
def test_a_pan_that_changes_more_than_the_gap_with_frames_lost(speed):
    ranks = [i % 2 for i in range(20)] + [i % 2 for i in range(1, 21)]
    light = speed * np.arange(40) - speed * 20
    assert track(levels_of(ranks, (0, 0.5), light), (0, 0.5)) == ranks


def test_a_wrong_start_is_not_kept():
    ranks = [i % 2 for i in range(30)]
    found = track(levels_of(ranks), order=(1, 0, 1, 0))
    assert found == ranks


def test_dark_frames_that_tell_nothing_keep_the_order():
    ranks = [i % 2 for i in range(40)]
    levels = levels_of(ranks)
    levels[15:25] = -6.2
    found = track(levels)
    assert found[:14] == ranks[:14]
    assert found[27:] == ranks[27:]


def test_a_cut_may_break_the_order():
    tracker = Tracker((0.0, 1.0), Sequence((0, 1, 0, 1)))
    out = [rank for level in levels_of([0, 1] * 5) for rank in tracker.add(level)]
    tracker.cut()
    out += [rank for level in levels_of([1, 0] * 5, light=1.3) for rank in tracker.add(level)]
    assert [*out, *tracker.finish()] == [0, 1] * 5 + [1, 0] * 5


def test_clear_frames_are_decided_at_once_and_doubtful_ones_soon():
    tracker = Tracker((0.0, 1.0), Sequence((0, 1, 0, 1)))
    waited = []
    for level in levels_of([0, 1, 0, 1, 1, 0, 1, 0]):
        tracker.add(level)
        waited.append(tracker.waiting)
    assert waited[1:4] == [0, 0, 0]
    assert max(waited) <= 3
    assert waited[-1] == 0


def test_a_frame_whose_exposure_is_known_is_believed():
    tracker = Tracker((0.0, 1.0), Sequence((0, 1, 0, 1)))
    tracker.told(1, 0.5)
    assert [rank for level in (-0.5, 0.5, -0.5) for rank in tracker.add(level)] == [0, 1, 0]


def test_offsets_from_steps_whatever_the_light_does():
    ranks = [0, 1, 2] * 5
    light = 0.05 * np.arange(15) + np.where(np.arange(15) < 7, 0, 2)
    found = offsets_of(levels_of(ranks, (0, 1, 1.8), light), ranks, 3)
    assert found == pytest.approx([0, 1, 1.8], abs=0.05)
    assert offsets_of([0.0, 0.0, 0.0], [0, 1, 0], 2) is None


@pytest.mark.parametrize("gap", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("held", [5, 16])
@pytest.mark.parametrize("level", [-2.0, 0.0, 1.5])
def test_a_level_that_stays_is_no_alternation(gap, held, level):
    before, after = [i % 2 for i in range(16)], [i % 2 for i in range(1, 17)]
    levels = [*levels_of(before, (0, gap)), *[level] * held, *levels_of(after, (0, gap), seed=1)]
    assert track(levels, (0, gap)) == [*before, *[ALONE] * held, *after]


def test_a_title_that_is_faded_is_none_either():
    ranks = [i % 2 for i in range(16)]
    fade = [-2.0 + 0.15 * i for i in range(12)]
    assert track([*levels_of(ranks), *fade]) == [*ranks, *[ALONE] * 12]


@pytest.mark.parametrize("gap", [0.4, 0.5, 0.6])
def test_a_fade_that_ends_on_a_bright_scene_leaves_no_frame_alone(gap):
    # The means of an indoor scene: near white the same fade moves the bright exposure's logit far more.
    shares = [min(1.0, (n + 1) / 12) for n in range(4, 30)]
    means = [share * (0.717, 0.977)[n % 2] for n, share in enumerate(shares)]
    levels = [float(np.log(mean / (1 - mean))) for mean in means]
    assert track(levels, (0.0, gap)) == [n % 2 for n in range(len(levels))]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("means", [(0.717, 0.977), (0.4, 0.8), (0.22, 0.48)])
@pytest.mark.parametrize("black", [0, 8])
def test_a_fade_from_black_that_is_faster_than_the_exposures_are_apart(first, means, black):
    # Of what is dimmed only the logarithm of the ratio is left, and its first step is a factor of two.
    ranks = [(n + first) % 2 for n in range(36)]
    shares = [min(1.0, (n + 1) / 12) for n in range(36)]
    seen = [0.002] * black + [share * means[rank] for share, rank in zip(shares, ranks, strict=True)]
    levels = [float(np.log(mean / (1 - mean))) for mean in seen]
    full = [float(np.log(mean / (1 - mean))) for mean in means]
    found = track(levels, (0.0, full[1] - full[0]), order=ranks[:4])
    assert found[black:] == ranks
