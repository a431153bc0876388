"""Still brackets against their longest exposure: what is merged of true light agrees, and what is not does not."""

import cv2
import numpy as np
import pytest

from streamfuse.errors import InputError
from streamfuse.imaging.photometric import SRGB, decoded
from streamfuse.lab.evaluate import brackets


def taken(ev):
    """8 bit sRGB of a scene of 10 EV, of which 1 is clipped at 0 EV."""
    grain = np.random.default_rng(2).standard_normal((90, 120)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 6)
    light = np.exp2(-10 * (soft - soft.min()) / np.ptp(soft))[..., None] * np.array([1.0, 0.8, 0.6]) * 2.0**ev
    codes = np.linspace(0, 1, 65536)
    return np.round(255 * np.interp(np.clip(light, 0, 1), decoded(codes, SRGB), codes)).astype(np.uint8)


def scored(pictures):
    return {(score.longest, score.method): score for score in brackets.scores_of("made", pictures)}


def test_a_true_bracket_agrees_with_its_longest_exposure():
    scores = scored([taken(ev) for ev in (0.0, 2.0, 4.0)])
    assert set(scores) == {(a, b) for a in ("merged", "held out") for b in ("streamfuse", "Debevec")}
    assert scores["merged", "streamfuse"].error < 0.005 and scores["merged", "streamfuse"].psnr > 45
    assert scores["held out", "streamfuse"].error < 0.05
    assert scores["merged", "streamfuse"].error <= scores["merged", "Debevec"].error
    assert scores["merged", "streamfuse"].span_ev == pytest.approx(4.0, abs=0.1)


def test_a_longest_exposure_of_other_light_does_not_agree():
    other = taken(4.0)[:, ::-1]
    assert scored([taken(0.0), taken(2.0), other])["held out", "streamfuse"].error > 0.2


def test_stacks_of_two_are_left_out(tmp_path):
    for n, ev in enumerate((0.0, 3.0)):
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[..., ::-1])
    said = []
    with pytest.raises(InputError, match="three photographs"):
        brackets.evaluate_brackets([tmp_path], say=said.append)
    assert "left out" in said[0]
