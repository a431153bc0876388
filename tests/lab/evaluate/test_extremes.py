"""Highlights and shadows that one exposure alone knows, on pictures of which the answer is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfuse.lab.evaluate.extremes import ExtremesMeter

SIZE = 96


def textured(mean, amplitude, tint=(1.0, 1.0, 1.0)):
    """A surface (96, 96, 3) with texture, of some colour."""
    noise = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype(np.float32)
    texture = mean * np.exp(amplitude * cv2.GaussianBlur(noise, (0, 0), 1.0))
    return np.clip(np.rint(texture[..., None] * np.array(tint, np.float32)), 0, 255).astype(np.uint8)


SKY = textured(110, 0.3, (0.7, 0.9, 1.2))
WHITE = np.full_like(SKY, 255)
BLACK = np.full_like(SKY, 4)
ROOM = textured(120, 0.3)


def highlights(fused):
    return ExtremesMeter((SKY, WHITE)).measure(fused)


def test_the_dark_exposure_keeps_all_of_the_highlights():
    found = highlights(SKY)
    assert found.clipped == 0
    assert found.highlights_contrast == pytest.approx(1)
    assert found.hue == pytest.approx(0)
    assert found.saturation == pytest.approx(1)
    assert found.shadows_level is None
    assert found.shadows_contrast is None


def test_white_keeps_nothing_of_them():
    found = highlights(WHITE)
    assert found.clipped == 1
    assert found.highlights_contrast == pytest.approx(0, abs=1e-6)
    assert found.saturation == pytest.approx(0, abs=1e-3)
    assert found.hue is None


def test_a_mean_with_white_keeps_a_part():
    found = highlights(((SKY.astype(int) + 255) // 2).astype(np.uint8))
    assert 0.2 < found.highlights_contrast < 0.45
    assert 0.2 < found.saturation < 0.6
    assert found.clipped == 0


def test_another_hue_is_told():
    assert highlights(SKY[..., ::-1]).hue > 60


def test_the_bright_exposure_keeps_all_of_the_shadows():
    meter = ExtremesMeter((BLACK, ROOM))
    bright, dim = meter.measure(ROOM), meter.measure(ROOM // 2)
    assert bright.shadows_level == pytest.approx(1)
    assert bright.shadows_contrast == pytest.approx(1)
    assert dim.shadows_level == pytest.approx(0.5, abs=0.02)
    assert dim.shadows_contrast == pytest.approx(1, abs=0.1)
    assert bright.clipped is None
    assert bright.saturation is None


@pytest.mark.parametrize(("offset", "darker", "brighter"), [(-9, 100, 0), (-7, 0, 0), (7, 0, 0), (9, 0, 100)])
def test_areas_that_leave_the_exposures_count(offset, darker, brighter):
    grey = np.full((SIZE, SIZE, 3), 100, np.uint8)
    found = ExtremesMeter((grey, grey)).measure((grey.astype(int) + offset).astype(np.uint8))
    assert (found.darker, found.brighter) == (darker, brighter)


def test_between_the_exposures_nothing_counts():
    found = ExtremesMeter((BLACK, ROOM)).measure(textured(60, 0.3))
    assert found == replace(found, darker=0.0, brighter=0.0)
