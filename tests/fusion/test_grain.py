"""The network is shown made exposures with the noise that they lack."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, Neighbours
from streamfuse.fusion.fuser import MertensFuser, create_fuser
from streamfuse.fusion.grain import MAX_NOISE, grained
from streamfuse.fusion.stage import WeighStage, weigh_planes

CODE = 1 / 255
FULL = ColorInfo(full_range=True)


def scene(rows=120, columns=160, seed=0, low=0.1, high=0.9):
    noise = np.random.default_rng(seed).random((rows, columns), np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 9), None, low, high, cv2.NORM_MINMAX)


def noisy(picture, codes, seed=1):
    return np.clip(picture + np.random.default_rng(seed).normal(0, codes * CODE, picture.shape), 0, 1).astype(
        np.float32
    )


@pytest.mark.parametrize("codes", [1.0, 3.0])
def test_what_was_made_gets_the_noise_of_what_was_taken(codes):
    picture = scene()
    made = cv2.blur(noisy(picture, codes, 2), (3, 3))
    found = grained(made, noisy(picture, codes), 5)
    assert found.dtype == np.float32
    assert (found - made).std() / CODE == pytest.approx(codes, rel=0.2)
    assert abs(float((found - made).mean())) < 0.05 * CODE


def test_noise_is_that_of_each_brightness():
    picture = scene()
    shadows = picture < 0.4
    taken = np.where(shadows, noisy(picture, 3.0), picture)
    more = grained(picture, taken, 0) - picture
    assert more[picture < 0.35].std() / CODE == pytest.approx(3.0, rel=0.2)
    assert np.abs(more[picture > 0.5]).max() < 0.01 * CODE


def test_what_lacks_nothing_stays_bit_for_bit():
    taken = noisy(scene(), 2.0)
    for made in (taken, noisy(scene(seed=4), 4.0)):
        np.testing.assert_array_equal(grained(made, taken, 1), made)


def test_rounding_and_edges_are_no_noise():
    picture = scene()
    edges = picture.copy()
    edges[:, ::12] = 1.0
    edges[::12] = 0.0
    for taken in (np.rint(picture * 255).astype(np.float32) / 255, edges):
        assert (grained(picture, taken, 0) - picture).std() < 0.4 * CODE


def test_a_brightness_that_is_found_on_edges_alone_tells_of_no_noise():
    y, x = np.mgrid[:120, :160]
    bars = np.where(((x + y) % 40 < 20) ^ ((2 * x - y) % 40 < 20), 0.2, 0.8).astype(np.float32)
    made = cv2.GaussianBlur(bars, (0, 0), 1.2)
    for taken in (bars, cv2.GaussianBlur(bars, (0, 0), 0.5)):
        assert np.abs(grained(made, taken, 0) - made).max() < CODE


def test_texture_is_taken_for_no_more_than_strong_noise():
    y, x = np.mgrid[:120, :160]
    chequers = np.where((x + y) % 2, 0.4, 0.6).astype(np.float32)
    made = cv2.blur(chequers, (5, 5))
    assert (grained(made, chequers, 0) - made).std() < 1.1 * MAX_NOISE


def test_each_instant_has_noise_of_its_own_and_always_the_same():
    made, taken = scene(), noisy(scene(), 2.0)
    one, two = (grained(made, taken, index) - made for index in (3, 4))
    np.testing.assert_array_equal(grained(made, taken, 3) - made, one)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5), (3, 300)])
def test_pictures_may_be_of_any_size(size):
    made, taken = scene(*size), noisy(scene(*size), 3.0)
    found = grained(made, taken, 2)
    assert found.shape == size
    assert np.isfinite(found).all()


def frame(luma, index):
    return Frame((np.rint(luma * 255).astype(np.uint8),), 8, (0, 0), FULL, index, Fraction(1, 25), index)


@pytest.mark.parametrize("size", [(240, 320), (540, 960)])  # the larger one is reduced in integers
def test_a_made_exposure_weighs_as_if_it_had_been_taken(size):
    fuser = create_fuser("lcndr-s", device="cpu")
    dark = scene(*size, low=0.05, high=0.4)
    bright, made, taken, other = (
        frame(picture, 1)
        for picture in (np.clip(4 * dark, 0, 1), dark, noisy(dark, 8.0), noisy(dark, 8.0, 2))
    )

    def weight(exposure, simultaneous):
        bracket = Bracket(bright, 1, 2, {0: Neighbours(other, None)}, simultaneous=simultaneous)
        aligned = AlignedBracket(bracket, (exposure.planes, bright.planes), (0.0, 4.0), (None, None))
        (weighed,) = WeighStage(fuser).push(aligned)
        return np.array([float(prior[0].mean()) for prior in weighed.maps.priors])

    wanted, before, now = weight(taken, True), weight(made, True), weight(made, False)
    assert np.abs(before - wanted).max() > 0.01
    assert np.abs(now - wanted).max() < 0.4 * np.abs(before - wanted).max()


def test_a_fuser_that_is_no_network_is_shown_no_noise():
    rng = np.random.default_rng(3)
    taken = rng.integers(60, 140, (48, 64), np.uint8)
    exposures = [(cv2.blur(taken, (9, 9)),), (cv2.blur(taken, (9, 9)) + 60,)]
    plain, told = (weigh_planes(MertensFuser(), exposures, 8, ColorInfo(), some) for some in ({}, {0: taken}))
    np.testing.assert_array_equal(plain.priors[0], told.priors[0])
