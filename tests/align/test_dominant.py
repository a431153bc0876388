from __future__ import annotations

import cv2
import numpy as np
import pytest
from align_clips import scene

from streamfuse.align.dominant import dominant_motion, preferred
from streamfuse.align.flow import Map, coordinates, warp

SHAPE = (96, 160)
SURE = np.ones(SHAPE, np.float32)
TURN = np.array([[1.01, 0.004, 2.0], [-0.003, 0.99, -1.5], [1e-5, 2e-5, 1.0]])


def homography(matrix: np.ndarray = TURN) -> Map:
    grid = coordinates(*SHAPE)
    return cv2.perspectiveTransform(grid.reshape(-1, 1, 2), matrix).reshape(grid.shape) - grid


def picture(seed: int = 0) -> Map:
    return np.sqrt(scene(SHAPE[1], SHAPE[0], seed))


def test_found_in_spite_of_noise_and_of_an_object_that_moves() -> None:
    exact = homography()
    seen = exact + np.random.default_rng(1).normal(0, 0.2, exact.shape).astype(np.float32)
    seen[20:70, 30:80] += (7, 3)
    found = dominant_motion(seen, SURE)
    assert found is not None
    assert np.abs(found - exact).max() < 0.3


def test_clipped_areas_follow_what_is_seen_around_them() -> None:
    exact, share = homography(), SURE.copy()
    seen = exact.copy()
    seen[:, 90:], share[:, 90:] = 0, 0
    found = dominant_motion(seen, share)
    assert found is not None
    assert np.abs(found - exact).max() < 0.1


@pytest.mark.parametrize("seen", [0.0, 1.0])
def test_none_where_nothing_is_sure_or_nothing_moves_together(seen: float) -> None:
    wild = np.random.default_rng(2).normal(0, 30, (*SHAPE, 2)).astype(np.float32)
    assert dominant_motion(wild, SURE * np.float32(seen)) is None


def test_a_picture_of_a_few_pixels_has_none() -> None:
    assert dominant_motion(np.zeros((3, 2, 2), np.float32), np.ones((3, 2), np.float32)) is None


def test_dense_flow_in_noise_gives_way_to_the_motion_of_the_camera() -> None:
    there, exact = picture(), homography(np.array([[1, 0, 2], [0, 1, -1], [0, 0, 1]], np.float64))
    rng = np.random.default_rng(3)
    here = warp(there, exact) + rng.normal(0, 0.05, SHAPE).astype(np.float32)
    dense = exact + cv2.GaussianBlur(rng.normal(0, 2, exact.shape).astype(np.float32), (0, 0), 3)
    chosen = preferred(here, [there], [dense], [exact], None)[0]
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(chosen - exact)[inner].mean() < 0.2 * np.abs(dense - exact)[inner].mean()


def test_an_object_keeps_its_own_motion() -> None:
    there, still = picture(), np.zeros((*SHAPE, 2), np.float32)
    dense = still.copy()
    dense[30:66, 50:110] = 5, 0
    here = warp(there, dense)
    chosen = preferred(here, [there], [dense], [still], None)[0]
    assert np.abs(chosen - dense)[38:58, 58:102].max() < 0.2


def test_an_object_that_is_clipped_in_the_reference_shows_in_the_neighbours() -> None:
    still, dense = np.zeros((*SHAPE, 2), np.float32), np.zeros((*SHAPE, 2), np.float32)
    dense[..., 0] = 4
    before, after = warp(picture(), dense), warp(picture(), -dense)
    white = np.ones(SHAPE, np.float32)
    flows = [-dense, dense]
    blind = preferred(white, [white, white], flows, [still, still], None)
    seeing = preferred(white, [white, white], flows, [still, still], (before, after))
    inner = (slice(12, -12), slice(12, -12))
    assert np.abs(blind[0])[inner].mean() < 0.5
    assert np.abs(seeing[0] - flows[0])[inner].mean() < 0.5
