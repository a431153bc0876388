"""Measures of radiance, and the trial that uses them."""

import cv2
import numpy as np
import pytest

from streamfuse.lab.evaluate.hdr import HdrTrial, debevec, score_trial, streamfuse_frames
from streamfuse.lab.evaluate.hdr_measures import HdrMeter, Motion, mu_law, pu21
from streamfuse.lab.evaluate.radiance_clips import RadianceFrames, luminance
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation


def grain(height=64, width=96, shift=0):
    """A wall of soft spots from 0.01 to 3, that a camera passes."""
    noise = np.random.default_rng(1).standard_normal((height, width + 64)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 5)
    soft = (soft - soft.min()) / np.ptp(soft)
    light = np.exp2(-6.5 + 8 * soft[:, shift : shift + width])
    return np.ascontiguousarray(light[..., None] * np.array([1, 0.8, 0.6], np.float32), np.float32)


@pytest.fixture
def folder(tmp_path):
    for n in range(6):
        cv2.imwrite(str(tmp_path / f"{n:02d}.hdr"), grain(shift=2 * n))
    return tmp_path


def test_both_scales_have_their_fixed_points():
    np.testing.assert_allclose(mu_law(np.array([0, 1, 2], np.float32)), (0, 1, 1), atol=1e-6)
    assert pu21(np.array([100.0])) == pytest.approx(256, abs=0.5)  # "about 256", says the paper
    assert pu21(np.array([0.005])) == pytest.approx(0, abs=1e-3)


def test_a_step_in_the_picture_is_its_error():
    truth = grain()
    step = (
        np.expm1((mu_law(truth) * 0.9) * np.log1p(5000)) / 5000
    )  # less by a tenth of its own on the mu-law scale
    meter = HdrMeter(2, Motion())
    meter.add(0, 0, step.astype(np.float32), truth, truth)
    error = 0.1 * mu_law(truth)
    assert meter.score("step").psnr_mu == pytest.approx(-10 * np.log10(np.mean(error**2)), abs=0.05)


def test_what_alternates_is_flicker():
    motion, truth = Motion(), grain() / 4
    calm, alternating = HdrMeter(2, motion), HdrMeter(2, motion)
    for n in range(6):
        calm.add(n, n % 2, truth * np.float32(1.1), truth, truth)
        alternating.add(n, n % 2, truth * np.float32(1 + 0.1 * (n % 2)), truth, truth)
    assert calm.score("calm").alternation < 1e-3
    assert calm.score("calm").flicker < 0.01
    assert alternating.score("alternating").alternation > 0.5
    assert alternating.score("alternating").flicker > 1


def test_opencvs_merge_is_told_the_response():
    light = np.linspace(0.02, 0.12, 256)[None, :, None] * np.ones((16, 1, 3))
    pictures = [
        np.round(np.clip(light * 2.0**gap, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8) for gap in (0, 3)
    ]
    np.testing.assert_allclose(debevec(pictures, (0.0, 3.0)), light, rtol=0.08)


def test_merging_is_near_its_oracle_and_pairing_is_not(folder):
    scores = {score.method: score for score in score_trial(HdrTrial(folder), ["fast"])}
    oracle, ours = scores["oracle merge"], scores["streamfuse fast"]
    assert oracle.flicker_ratio == pytest.approx(1)
    assert oracle.psnr_mu > 38
    assert ours.frames == 6
    assert ours.psnr_mu > scores["naive pairing + Debevec"].psnr_mu + 3
    assert ours.psnr_mu <= oracle.psnr_mu + 0.5


@pytest.mark.parametrize("gap", [3.0, 7.0])
def test_a_wide_gap_leaves_no_hole(folder, gap):
    """Neither black nor torn anywhere, however little the exposures have in common."""
    clip = HdrTrial(folder, gap).filmed()
    for index, found in streamfuse_frames(clip, "fast"):
        truth = np.clip(clip.radiance(clip.truth[index].instant), 0, 1)
        assert np.isfinite(found).all()
        seen = luminance(truth) > 0.01  # five times the noise of the darkest exposure
        ratio = np.log2(luminance(found)[seen] / luminance(truth)[seen])
        assert abs(float(np.median(ratio))) < 0.25
        assert np.percentile(ratio, 0.1) > -1.5


class Passing(RadianceFrames):
    """A lamp that passes a textured wall, 24 pixels further in each picture."""

    def __len__(self):
        return 8

    def frame(self, index):
        wall = grain(96, 192) * np.float32(0.08)
        cv2.circle(wall, (20 + 24 * index, 48), 9, (2.5, 2.0, 1.5), -1)
        return wall


@pytest.mark.parametrize("gap", [3.0, 5.0])
def test_what_moved_is_nowhere_twice(gap):
    """Where the lamp was in the pictures before and after, the wall is as dark as it is."""
    clip = SimulatedClip(Passing(), Simulation(gaps_ev=(0.0, gap)))
    for index, found in streamfuse_frames(clip, "fast"):
        instant = clip.truth[index].instant
        truth = clip.radiance(instant)
        if not 1 <= instant <= 6:
            continue
        for other in (instant - 1, instant + 1):
            place = np.s_[40:57, 12 + 24 * other : 29 + 24 * other]
            seen, true = (float(np.median(luminance(np.clip(one, 0, 1))[place])) for one in (found, truth))
            assert seen < 1.6 * true + 0.005
        # A bright frame knows but a lower bound of the lamp, 1/32 at 5 EV, and the lamp moves by more than its size.
        lamp = np.s_[43:54, 15 + 24 * instant : 26 + 24 * instant]
        assert np.median(luminance(found)[lamp]) > 0.2 * np.median(luminance(np.clip(truth, 0, 1))[lamp])
