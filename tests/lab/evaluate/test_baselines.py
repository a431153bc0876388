"""The baselines: that they do what they are named after."""

import cv2
import numpy as np
import pytest

from streamfuse.lab.evaluate import baselines
from streamfuse.lab.evaluate.baselines import Exposed
from streamfuse.lab.evaluate.radiance_clips import GAMMA


def exposure(light, ev):
    rgb = np.clip(light * 2**ev, 0, 1) ** (1 / GAMMA)
    return Exposed(np.round(np.repeat(rgb[..., None], 3, axis=2) * 255).astype(np.uint8), ev)


@pytest.fixture
def light():
    scene = cv2.GaussianBlur(np.random.default_rng(0).random((96, 128)), (0, 0), 4)
    return 0.3 * (scene - scene.min()) / np.ptp(scene)


def error(picture, expected):
    return np.abs(picture[16:-16, 16:-16].astype(int) - expected[16:-16, 16:-16]).mean()


@pytest.mark.parametrize("align", [baselines.align_mtb, baselines.dis_matched])
@pytest.mark.parametrize("reference_ev", [0.0, 2.0])
def test_aligners_bring_a_moved_exposure_back(light, align, reference_ev):
    other_ev = 2.0 - reference_ev
    reference, other = exposure(light, reference_ev), exposure(np.roll(light, (2, 5), (0, 1)), other_ev)
    expected = exposure(light, other_ev).rgb
    naive = error(baselines.as_taken(reference, other), expected)
    assert error(align(reference, other), expected) < 0.35 * naive


@pytest.mark.parametrize("shape", [(4, 6), (13, 40), (48, 64)])
def test_mtb_takes_small_pictures(shape):
    scene = np.random.default_rng(1).random(shape)
    assert baselines.align_mtb(exposure(scene, 0.0), exposure(scene, 2.0)).shape == (*shape, 3)


@pytest.mark.parametrize("reference_ev", [0.0, 4.0])
def test_dis_matches_exposures_before_flow(light, reference_ev):
    other_ev = 4.0 - reference_ev
    reference, other = exposure(light / 4, reference_ev), exposure(np.roll(light / 4, 4, axis=1), other_ev)
    expected = exposure(light / 4, other_ev).rgb
    told_wrong = baselines.dis_matched(Exposed(reference.rgb, 0.0), Exposed(other.rgb, 0.0))
    assert error(baselines.dis_matched(reference, other), expected) < 0.5 * error(told_wrong, expected)


def test_dis_follows_an_object_that_mtb_cannot(light):
    moved = light.copy()
    moved[30:62, 46:78] = light[30:62, 40:72]
    moved[30:62, 40:46] = light[30:62, 34:40]
    reference, other = exposure(light, 0.0), exposure(moved, 2.0)
    expected = exposure(light, 2.0).rgb
    assert error(baselines.dis_matched(reference, other), expected) < error(
        baselines.align_mtb(reference, other), expected
    )


def test_merge_mertens_gives_luma_in_range(light):
    fused = baselines.merge_mertens([exposure(light, 0.0).rgb, exposure(light, 3.0).rgb])
    assert fused.shape == light.shape
    assert 0 <= fused.min() <= fused.max() <= 1
