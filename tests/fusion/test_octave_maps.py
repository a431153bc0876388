"""What the network says of its one size, as maps of the picture's octave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.fusion.lcndr_config import LEVELS, REVISED
from streamfuse.fusion.octave_maps import OctaveMaps, interpolated, octave_maps

SIDE = 224
CELLS = (4, 4, 4, 8, 16, 32)
Maps = list[np.ndarray]


def network_maps(grid: OctaveMaps[np.ndarray], seed: int) -> tuple[Maps, Maps]:
    """Made-up priors of two exposures, and gains, of the sizes that the network gives."""
    rng = np.random.default_rng(seed)
    rows, columns = grid.seen
    sizes = [(rows // cell, columns // cell) for cell in CELLS]
    dark = [rng.random(size, np.float32) for size in sizes]
    return [np.stack([one, 1 - one]) for one in dark], [
        rng.random(size, np.float32) for size in sizes[:REVISED]
    ]


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 400), width=st.integers(1, 400), octaves=st.integers(-2, 2), seed=st.integers(0, 99)
)
def test_weights_stay_weights(height: int, width: int, octaves: int, seed: int) -> None:
    grid = octave_maps((height, width), octaves, SIDE)
    priors, gains = grid.express(*network_maps(grid, seed))
    assert (len(priors), len(gains)) == (LEVELS + 1, REVISED)
    for prior, cell in zip(priors, CELLS, strict=True):
        np.testing.assert_allclose(prior.sum(0), 1, atol=1e-5)
        assert prior.min() >= 0
        # The maps span the picture's octave, padded to multiples of 32.
        spans = [side * cell * 2.0**octaves for side in prior.shape[1:]]
        assert spans == pytest.approx([height * grid.coverage[0], width * grid.coverage[1]])


@settings(max_examples=40, deadline=None)
@given(height=st.integers(20, 400), width=st.integers(20, 400), octaves=st.integers(0, 2))
def test_maps_lie_where_the_picture_is(height: int, width: int, octaves: int) -> None:
    grid = octave_maps((height, width), octaves, SIDE)
    rows, columns = grid.seen
    ramps = [
        np.tile((np.arange(columns // cell) + 0.5) / (columns // cell), (rows // cell, 1)) for cell in CELLS
    ]
    priors, _ = grid.express([np.stack([ramp, 1 - ramp]).astype(np.float32) for ramp in ramps], [])
    for prior in priors:
        count = prior.shape[2]
        place = (np.arange(count) + 0.5) / count * grid.coverage[1]
        # Half a pixel of the coarsest map that is mixed in: there the ramp ends before the picture does.
        edge = 16 / columns
        wanted = np.clip(place, edge, 1 - edge)
        assert np.abs(np.clip(prior[0, 0], edge, 1 - edge) - wanted).max() < 1e-5


def test_middle_bands_and_gains_are_of_the_next_coarser_level_and_the_ends_of_their_own() -> None:
    grid = octave_maps((96, SIDE), 0, SIDE)
    priors, gains = network_maps(grid, 1)
    found, found_gains = grid.express(priors, gains)
    for band in (0, LEVELS - 1, LEVELS):
        np.testing.assert_allclose(found[band], priors[band], atol=1e-6)
    np.testing.assert_allclose(found[1], priors[2], atol=1e-6)
    for band, source in ((0, 1), (1, 2), (2, 2)):
        np.testing.assert_allclose(found_gains[band], gains[source], atol=1e-6)


def test_a_picture_of_any_size_is_seen_at_one() -> None:
    for height, width in ((1, 1), (9, 3), (100, 100), (720, 1280), (30, 6000)):
        seen = octave_maps((height, width), 0, SIDE).seen
        assert max(seen) == SIDE
        assert not any(side % 32 for side in seen)


def test_tensors_give_the_same() -> None:
    grid = octave_maps((180, 310), 1, SIDE)
    priors, gains = network_maps(grid, 2)
    exact, exact_gains = grid.express(priors, gains)
    found, found_gains = grid.converted(torch.from_numpy).express(
        [torch.from_numpy(prior) for prior in priors], [torch.from_numpy(gain) for gain in gains]
    )
    for one, other in zip((*found, *found_gains), (*exact, *exact_gains), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 300), width=st.integers(1, 300), octaves=st.integers(-2, 2), seed=st.integers(0, 99)
)
def test_the_compiled_product_is_that_of_the_matrices(
    height: int, width: int, octaves: int, seed: int
) -> None:
    grid = octave_maps((height, width), octaves, SIDE)
    priors, gains = network_maps(grid, seed)
    quick, wanted = grid.express(priors, gains, interpolated), grid.express(priors, gains)
    for one, other in zip((*quick[0], *quick[1]), (*wanted[0], *wanted[1]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
