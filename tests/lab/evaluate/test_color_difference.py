"""CIEDE2000 of pictures: what it was before it came from scikit-image, and nothing without it."""

import sys

import numpy as np
import pytest

from streamfuse.lab.evaluate.color_difference import color_differences


def pictures():
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, 256, (24, 32, 3)).astype(np.uint8)
    near = np.clip(wanted.astype(int) + rng.integers(-20, 21, wanted.shape), 0, 255).astype(np.uint8)
    return near, wanted


def test_the_figures_are_those_of_the_formula_that_was_written_out_here_before():
    near, wanted = pictures()
    # To a thousandth of what is just noticeable: the matrix to XYZ is rounded elsewhere.
    assert color_differences(near, wanted) == pytest.approx((5.03857, 4.10664), abs=1e-3)
    assert color_differences(wanted // 2, wanted) == pytest.approx((26.38364, 7.64061), abs=1e-3)


def test_equal_pictures_do_not_differ():
    _, wanted = pictures()
    assert color_differences(wanted, wanted) == (0, 0)


def test_a_known_colour_differs_from_black_by_its_published_lightness():
    grey, black = np.full((1, 1, 3), 119, np.uint8), np.zeros((1, 1, 3), np.uint8)
    # L* 50.03, and S_L of the mean of 25.02 and a lightness of 0: 1 + 0.015 * 24.98^2 / sqrt(20 + 24.98^2).
    assert color_differences(grey, black)[0] == pytest.approx(50.034 / 1.3689, rel=2e-3)


def test_without_scikit_image_nothing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert color_differences(*pictures()) == (None, None)
