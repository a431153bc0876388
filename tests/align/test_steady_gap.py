"""The gap that brackets tell together is steadier than that of each, and follows the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfuse.align.steady_gap import MEMORY, GapTracker
from streamfuse.imaging.photometric import BT709, IntensityMapping, ratio_curve, transfer_curve

SCATTER = np.random.default_rng(0).normal(0, 0.08, 40)


def rough(gap_ev: float) -> IntensityMapping:
    return replace(ratio_curve(gap_ev), exact=False, rough=True, transfer=None)


def test_what_scatters_from_bracket_to_bracket_is_steadied() -> None:
    tracker = GapTracker()
    found = [tracker(0, ratio_curve(3 + more)).gap_ev for more in SCATTER][MEMORY:]
    assert np.abs(np.array(found) - 3).max() < 0.06 < np.abs(SCATTER).max()
    assert np.abs(np.diff(found)).mean() < np.abs(np.diff(SCATTER)).mean() / 4


@pytest.mark.parametrize("told", [4.0, 2.2])
def test_another_gap_is_followed_at_once(told: float) -> None:
    tracker = GapTracker()
    for more in SCATTER:
        tracker(0, ratio_curve(3 + more))
    assert [tracker(0, ratio_curve(told)).gap_ev for _ in range(2 * MEMORY)] == pytest.approx(
        [told] * 2 * MEMORY
    )


def test_a_bracket_that_tells_none_has_the_usual_one_and_a_film_of_them_keeps_its_curves() -> None:
    tracker = GapTracker()
    for _ in range(3):
        tracker(0, ratio_curve(3))
    assert tracker(0, rough(1.2)).gap_ev == pytest.approx(3)
    alone = GapTracker()
    curves = [rough(2 + more) for more in SCATTER]
    assert [alone(0, curve) for curve in curves] == curves


def test_the_transfer_function_is_that_of_most_brackets() -> None:
    tracker = GapTracker()
    for number in range(9):
        curve = tracker(0, ratio_curve(3.3) if number % 4 == 3 else transfer_curve(3, BT709))
    assert curve.transfer == BT709
    assert curve.gap_ev == pytest.approx(3)
    np.testing.assert_allclose(curve.up, transfer_curve(3, BT709).up)


def test_each_pair_of_exposures_has_its_own() -> None:
    tracker = GapTracker()
    for _ in range(4):
        assert tracker(1, ratio_curve(2)).gap_ev == pytest.approx(2)
        assert tracker(2, ratio_curve(2.1)).gap_ev == pytest.approx(2.1)


def test_what_does_not_count_is_not_remembered_but_steadied() -> None:
    tracker = GapTracker()
    assert tracker(0, ratio_curve(2.9), counts=False).gap_ev == pytest.approx(2.9)
    assert tracker(0, ratio_curve(3.0)).gap_ev == pytest.approx(3.0)
    assert tracker(0, ratio_curve(3.1), counts=False).gap_ev == pytest.approx(3.0)


def test_a_gap_that_goes_one_way_is_followed_without_delay() -> None:
    """In a cross-fade between films of different gaps the median lagged behind, and each frame was off."""
    tracker = GapTracker()
    for _ in range(MEMORY):
        tracker(0, ratio_curve(3))
    told = np.linspace(3, 2.4, 13)
    found = [tracker(0, ratio_curve(float(gap))).gap_ev for gap in told]
    assert found[7:] == pytest.approx(told[7:])
