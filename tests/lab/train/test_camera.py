"""A virtual camera over a still scene: two instants, another exposure the reference of each, and the motion between."""

import cv2
import numpy as np
import pytest
import torch
from pictures import exposures

from streamfuse.lab.train.camera_model import moving_frames
from streamfuse.lab.train.data import Sampler, Stack
from streamfuse.lab.train.losses import temporal_loss

SIZE = (96, 128)
INSIDE = np.s_[12:-12, 12:-12]


def scene(count=2, seed=0):
    return np.stack(exposures(*SIZE, count, seed))


def film(amount, seed=0, count=2):
    return moving_frames(scene(count), amount, np.random.default_rng(seed))


def warp(picture, motion):
    return cv2.warpPerspective(picture, motion, picture.shape[::-1])


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_motion_takes_the_first_frame_to_the_second(seed, count):
    seen = film(0.06, seed, count)
    for first, second in zip(seen.first, seen.second, strict=True):
        still, followed = (
            np.abs(cv2.blur(picture, (5, 5)) - cv2.blur(second, (5, 5)))[INSIDE].mean()
            for picture in (first, warp(first, seen.motion))
        )
        assert followed < 0.01
        assert still > 1.5 * followed


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_is_a_shot_of_its_own_instant_and_swaps(seed):
    seen = film(0.06, seed)
    forth, back = seen.motion, np.linalg.inv(seen.motion.astype(np.float64))
    went = [
        np.allclose(warp(seen.first[n], forth)[INSIDE], seen.second[n][INSIDE], atol=0.003) for n in (0, 1)
    ]
    came = [
        np.allclose(warp(seen.second[n], back)[INSIDE], seen.first[n][INSIDE], atol=0.003) for n in (0, 1)
    ]
    # under, over -> over, under: the first instant's reference was warped to the second, and the other way round
    assert sorted(went) == sorted(came) == [False, True]
    assert went != came


def test_either_exposure_may_come_first():
    def first_reference(seed):
        seen = film(0.06, seed)
        off = [
            np.abs(warp(f, seen.motion) - s)[INSIDE].max()
            for f, s in zip(seen.first, seen.second, strict=True)
        ]
        return int(np.argmin(off))

    assert {first_reference(seed) for seed in range(8)} == {0, 1}


@pytest.mark.parametrize("amount", [0, 0.02, 0.1])
def test_corners_move_by_the_amount_at_most(amount):
    corners = np.array([[[0, 0]], [[127, 0]], [[127, 95]], [[0, 95]]], np.float32)
    moved = []
    for seed in range(20):
        to = cv2.perspectiveTransform(corners, film(amount, seed).motion)
        moved.append(np.abs(to - corners)[:, 0] / (127, 95))
    # in pixels of the frame, which is enlarged a little
    assert np.max(moved) <= amount / (1 - 2 * amount) * 1.2 + 1e-5
    assert np.max(moved) >= 0.6 * amount


def test_nothing_but_the_scene_is_ever_seen():
    flat = np.stack([np.full(SIZE, value, np.float32) for value in (0.3, 0.7)])
    for seed in range(6):
        seen = moving_frames(flat, 0.2, np.random.default_rng(seed))
        np.testing.assert_allclose(seen.clean, flat, atol=1e-5)
        for frames in (seen.first, seen.second):
            assert np.abs(frames - flat).max() < 0.12  # noise
            np.testing.assert_allclose(frames.mean((1, 2)), (0.3, 0.7), atol=0.005)


@pytest.mark.parametrize("seed", range(4))
def test_what_the_other_view_does_not_hold_is_of_the_own_instant(seed):
    seen = film(0.2, seed)
    for first, clean in zip(seen.first, seen.clean, strict=True):
        assert np.abs(cv2.blur(first, (9, 9)) - cv2.blur(clean, (9, 9))).max() < 0.03


def test_the_clean_frame_is_the_first_without_its_noise():
    seen = film(0.06, 3)
    assert np.abs(seen.first - seen.clean).mean() < 0.02
    assert np.abs(cv2.blur(seen.first[1], (5, 5)) - cv2.blur(seen.clean[1], (5, 5))).mean() < 0.006


@pytest.mark.parametrize("motion", [0, 0.05])
def test_the_sampler_moves_the_camera_on_request(motion):
    stack = Stack("s", tuple(np.rint(scene(3) * 255).astype(np.uint8)))
    sampler = Sampler(
        [stack], [], (64, 96), 2, labelled_share=0, synthetic_share=0, sequence_share=1, camera_motion=motion
    )
    for _, sample in zip(range(12), sampler, strict=False):
        assert sample.noisy.shape == sample.again.shape == sample.clean.shape
        assert (sample.motion is not None) == (motion > 0)
        first, again = (torch.from_numpy(f.mean(0))[None, None] for f in (sample.noisy, sample.again))
        known = None if sample.motion is None else torch.from_numpy(sample.motion)[None]
        assert float(temporal_loss(first, again, known)) < 0.015
