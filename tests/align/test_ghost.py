from __future__ import annotations

import numpy as np
import pytest
from align_clips import exposed, scene, shifted

from streamfuse.align import ghost
from streamfuse.imaging.photometric import ratio_curve
from streamfuse.imaging.planes import WorkingPicture

CURVE = ratio_curve(3.0)


def luma(ev: float, dx: float = 0.0) -> ghost.Map:
    return exposed(shifted(scene(), dx), ev).astype(np.float32) / 255


def trust(dark: ghost.Map, bright: ghost.Map) -> ghost.Map:
    return ghost.trust_map([ghost.deviation(CURVE.brighten(dark), bright, CURVE)])


def test_the_same_scene_is_trusted() -> None:
    noise = np.random.default_rng(0).normal(0, 0.004, luma(0).shape).astype(np.float32)
    assert trust(np.clip(luma(0) + noise, 0, 1), luma(3)).min() > 0.99
    assert trust(luma(0), luma(3, dx=0.3)).mean() > 0.99


def test_an_object_that_only_one_of_them_shows_is_not() -> None:
    bright = luma(3).copy()
    bright[30:60, 40:80] = 0.2
    dark = np.maximum(luma(0), 0.3)  # nothing in the noise
    there = trust(
        dark, np.where(bright == 0.2, 0.2, np.maximum(bright, CURVE.brighten(dark))).astype(np.float32)
    )
    assert there[35:55, 45:75].max() < 0.05
    assert there[:20].min() > 0.99


def test_both_clipped_is_agreement_and_so_is_a_dim_thing_behind_black() -> None:
    one = np.ones((30, 30), np.float32)
    assert trust(one * 0.8, one).min() == 1
    assert trust(one * 0.0, one * 0.1).min() == 1
    assert trust(one * 0.0, one * 0.9).max() == 0  # black says at least that nothing bright is there


def test_trust_is_soft() -> None:
    bright = np.full((40, 40), 0.6, np.float32)
    bright[:, 20:] = 0.2
    steps = np.abs(
        np.diff(trust(np.full((40, 40), 0.6 / CURVE.up[-1] / 2 ** (3 / 2.2), np.float32), bright), axis=1)
    )
    assert steps.max() < 0.5


def test_the_side_that_agrees_has_the_weight() -> None:
    low, high = np.full((20, 20), 0.3, np.float32), np.full((20, 20), 5.0, np.float32)
    assert ghost.side_weights(low, high).min() > 0.99
    assert ghost.side_weights(high, low).max() < 0.01
    np.testing.assert_allclose(ghost.side_weights(low, low), 0.5, atol=1e-5)


def test_sides_that_show_different_things_are_not_mixed_where_nobody_knows_better() -> None:
    low, high = np.full((20, 20), 0.3, np.float32), np.full((20, 20), 5.0, np.float32)
    alike, different = np.full((20, 20), 0.02, np.float32), np.full((20, 20), 0.5, np.float32)
    np.testing.assert_allclose(ghost.side_weights(low, low, alike), 0.5, atol=1e-5)
    assert ghost.side_weights(low, low, different).min() > 0.99
    assert (
        ghost.side_weights(high, low, different).max() < 0.05
    )  # the reference knows: the other side agrees with it


def test_a_noisy_dark_reference_leaves_the_pixels_to_brighter_neighbours_that_agree() -> None:
    noise = np.random.default_rng(0).normal(0, 2e-3, scene().shape).astype(np.float32)
    raised = CURVE.brighten(exposed(np.maximum(scene() + noise, 0), 0).astype(np.float32) / 255)  # type: ignore[arg-type]
    bright = luma(3)
    bright[30:60, 40:80] = np.clip(raised[30:60, 40:80] + 0.3, 0, 1)  # a ghost
    share = ghost.brighter_share(raised, [ghost.squared_error(raised, bright)], CURVE, 1.0)
    shadows = raised < 0.3
    shadows[25:65, 35:85] = False
    assert share[shadows].mean() > 0.8
    assert share[35:55, 45:75].mean() < 0.2


@pytest.mark.parametrize(("luma", "wanted"), [(0.1, 1.0), (0.3, 1.0), (0.6, 0.0)])
def test_shadows_of_a_bright_reference_come_from_darker_neighbours(luma: float, wanted: float) -> None:
    bright = np.full((40, 40), luma, np.float32)
    share = ghost.darker_share(WorkingPicture(bright, None, np.ones((1, 3), np.float32)))
    assert share[4:-4, 4:-4] == pytest.approx(wanted)


def test_a_clipped_reference_leaves_the_pixels_to_darker_neighbours() -> None:
    bright = np.full((40, 40), 0.6, np.float32)
    bright[:, 20:] = 1.0
    share = ghost.darker_share(WorkingPicture(bright, None, np.ones((1, 3), np.float32)))
    assert share[:, :16].max() == 0
    assert share[:, 22:].min() == 1


def test_what_is_wide_comes_from_one_side_and_an_edge_from_both() -> None:
    even, alike = np.full((80, 160), 0.3, np.float32), np.full((80, 160), 0.02, np.float32)
    own = alike.copy()
    own[20:60, 20:23] = 0.3  # an edge
    own[20:60, 90:130] = 0.3
    weight = ghost.side_weights(even, even, alike, own)
    np.testing.assert_allclose(weight[20:60, 18:24], 0.5, atol=1e-5)
    assert weight[26:54, 96:124].min() > 0.99
    np.testing.assert_allclose(weight[:, 60:70], 0.5, atol=1e-5)
    worse = even.copy()
    worse[20:60, 100:120] = (
        4.0  # in a part of it the side before lies off the reference: all of it is the other's
    )
    assert ghost.side_weights(worse, even, alike, own)[28:52, 98:122].max() < 0.05
