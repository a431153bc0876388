"""The bound of the hard set: whoever is told the missing frame takes the best of what its neighbours show."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import hard_set_bound
from hard_set import SteelBeforeSky

from streamfuse.config import load_config
from streamfuse.lab.evaluate.film import film_scene
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation
from streamfuse.lab.evaluate.videos import Oracle, score_config


def steel() -> SimulatedClip:
    return film_scene(SteelBeforeSky()[:5], Simulation(), "steel")  # type: ignore[arg-type]


def test_each_place_is_taken_from_what_lies_nearest_to_the_truth() -> None:
    truth = np.full((40, 60), 100, np.uint8), np.full((20, 30), 90, np.uint8)
    left, right = truth[0].copy(), truth[0].copy()
    left[:, 30:], right[:, :30] = 0, 200
    chroma = [np.full((20, 30), level, np.uint8) for level in (10, 20)]
    luma, colour = hard_set_bound.nearest(truth, [(left, chroma[0]), (right, chroma[1])])
    np.testing.assert_array_equal(luma, truth[0])
    assert colour[:, :14].tolist() == [[10] * 14] * 20
    assert colour[:, 16:].tolist() == [[20] * 14] * 20


def test_what_is_seen_along_the_motion_is_what_was_there() -> None:
    clip = steel()
    source, target = (clip.exposures(instant)[0] for instant in (2, 3))
    flow = hard_set_bound.motion(source, target)
    seen = hard_set_bound.warped(target.planes, flow)
    before, after = (
        np.abs(planes[0].astype(float) - source.luma)[40:-40, 40:-40].mean()
        for planes in (target.planes, seen)
    )
    assert after < before / 3


@pytest.mark.slow
def test_the_bound_is_better_than_what_sees_less() -> None:
    config, clip = load_config("default").with_overrides(preset="fast"), steel()
    oracle = Oracle(config)
    ours = score_config(clip, config, oracle, name="ours")
    best = hard_set_bound.bound(clip, config, oracle)
    assert best.frames_out == ours.frames_out == 5
    assert best.psnr > ours.psnr + 1
