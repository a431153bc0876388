from __future__ import annotations

import numpy as np
import pytest
from align_clips import exposed, scene, shifted

from streamfuse.align import flow as motion
from streamfuse.imaging.photometric import ratio_curve

CURVE = ratio_curve(3.0)


def luma(ev: float, dx: float) -> motion.Map:
    return exposed(shifted(scene(), dx), ev).astype(np.float32) / 255


@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_flow_across_exposures_once_they_are_matched(preset: motion.Preset) -> None:
    estimate = motion.FlowEstimator("flow", motion.SETTINGS[preset].finest_scale)
    field = estimate(CURVE.brighten(luma(0, 0)), luma(3, 2.5))
    seen = motion.usable(CURVE.brighten(luma(0, 0)), CURVE) > 0.9
    error = np.hypot(field[..., 0] - 2.5, field[..., 1])
    assert error[12:-12, 12:-12][seen[12:-12, 12:-12]].mean() < (0.6 if preset == "fast" else 0.35)


def test_global_motion_is_a_shift() -> None:
    estimate = motion.FlowEstimator("global", 1)
    field = estimate(luma(2, 0), luma(2, 3.0))
    assert np.abs(field - (3.0, 0.0)).max() < 0.5


def test_one_estimator_takes_pictures_of_any_size() -> None:
    estimate = motion.FlowEstimator("flow", 1)
    for height, width in [(64, 80), (48, 130), (7, 5), (64, 80), (1, 1)]:
        picture = np.random.default_rng(0).random((height, width), np.float32)
        assert estimate(picture, picture).shape == (height, width, 2)


def test_global_motion_of_a_flat_picture_is_none() -> None:
    flat = np.zeros((40, 60), np.float32)
    assert np.abs(motion.FlowEstimator("global", 1)(flat, flat)).max() < 1e-3


@pytest.mark.parametrize("part", [0.25, 0.5])
def test_halfway_between_two_pictures(part: float) -> None:
    field = np.zeros((30, 40, 2), np.float32)
    field[...] = 4.0, -2.0
    before, after = motion.halfway(field, part)
    np.testing.assert_allclose(before, -part * field, atol=1e-5)
    np.testing.assert_allclose(after, (1 - part) * field, atol=1e-5)


def test_all_of_the_way_is_the_way_back() -> None:
    y, x = np.mgrid[:60, :80].astype(np.float32)
    field = np.dstack([4 + np.sin(y / 9), np.cos(x / 11) - 2]).astype(np.float32)
    back = motion.halfway(field, 1.0)[0]
    there = motion.warp(field, back)  # what is at x here came from x + back
    np.testing.assert_allclose((back + there)[8:-8, 8:-8], 0, atol=0.05)


def test_nothing_can_be_matched_in_black_or_white() -> None:
    assert motion.usable(np.zeros((40, 40), np.float32), CURVE).max() == 0
    assert motion.usable(np.ones((40, 40), np.float32), CURVE).max() == 0
    assert motion.usable(np.full((40, 40), 0.6, np.float32), CURVE).min() == 1


@pytest.mark.parametrize(
    ("size", "working"), [((1920, 1080), (480, 270)), ((641, 481), (480, 360)), ((9, 3), (9, 3))]
)
def test_working_size(size: tuple[int, int], working: tuple[int, int]) -> None:
    assert motion.working_size(*size, "fast") == working
