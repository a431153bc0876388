"""Measures of a fused photograph, on pictures for which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from streamfuse.lab.evaluate import still_measures
from streamfuse.lab.evaluate.baseline_stills import plain_mean


def flat_pair(height=96, width=128):
    return [np.full((height, width, 3), level, np.uint8) for level in (80, 160)]


@pytest.mark.parametrize(("fuse", "expected"), [(lambda e: e[0], 1.0), (plain_mean, 0.5**0.5)])
def test_noise_gain_of_known_fusions(fuse, expected):
    exposures = flat_pair()
    flat = still_measures.flat_areas([still_measures.grey(e) for e in exposures])
    assert flat.all()
    fused = still_measures.grey(fuse(exposures))
    gain = still_measures.noise_gain(fuse, still_measures.add_noise(exposures), fused, flat)
    assert gain == pytest.approx(expected, rel=0.05)


def test_noise_gain_grows_with_contrast():
    def doubled(exposures):
        return np.clip((exposures[0].astype(int) - 80) * 2 + 80, 0, 255).astype(np.uint8)

    exposures = flat_pair()
    flat = still_measures.flat_areas([still_measures.grey(e) for e in exposures])
    fused = still_measures.grey(doubled(exposures))
    assert still_measures.noise_gain(
        doubled, still_measures.add_noise(exposures), fused, flat
    ) == pytest.approx(2, rel=0.05)


def test_nothing_flat_gives_no_noise_gain():
    texture = [np.random.default_rng(n).integers(0, 255, (64, 64, 3)).astype(np.uint8) for n in range(2)]
    greys = [still_measures.grey(e) for e in texture]
    assert still_measures.noise_gain(plain_mean, texture, greys[0], still_measures.flat_areas(greys)) is None


def test_clipped_areas_are_not_flat_but_unknown():
    clipped = [np.full((64, 64), level, np.float32) for level in (0.0, 1.0)]
    assert not still_measures.flat_areas(clipped).any()


def step_edge(low, high, height=700, width=200):
    picture = np.full((height, width), low, np.float32)
    picture[:, width // 2 :] = high
    return picture


def test_a_fusion_that_follows_its_sources_has_no_halo():
    exposures = [step_edge(0.1, 0.4), step_edge(0.4, 0.95)]
    assert still_measures.halo(exposures, np.mean(exposures, axis=0)) == pytest.approx(0, abs=1e-3)


def test_a_seam_beside_an_edge_counts_with_its_height():
    exposures = [step_edge(0.1, 0.4), step_edge(0.4, 0.95)]
    fused = np.mean(exposures, axis=0)
    distance = np.abs(np.arange(200) - 99.5)
    glow = fused + 0.1 * np.exp(-((distance / 8) ** 2)) * (np.arange(200) < 100)
    found = still_measures.halo(exposures, glow.astype(np.float32))
    # one of the two sides has a glow of 0.1 x exp(-(5/8)^2) = 17 code values at 5 pixels
    assert 6 < found < 10
    assert still_measures.halo(exposures, (2 * glow - fused).astype(np.float32)) == pytest.approx(
        2 * found, rel=0.1
    )


def test_no_edges_give_no_halo():
    assert (
        still_measures.halo([np.full((64, 64), 0.5, np.float32)] * 2, np.full((64, 64), 0.5, np.float32))
        is None
    )
