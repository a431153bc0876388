"""What one exposure alone shows: highlights keep their contrast, shadows come nearer to the bright exposure."""

import numpy as np
import pytest
import torch

from streamfuse.fusion.highlights import alone, favour, restore
from streamfuse.fusion.pyramid import lifted, lowered, within
from streamfuse.fusion.pyramid_settings import (
    DIM,
    EXPONENT,
    FAVOUR,
    LIFT,
    LIFTED,
    LIGHT,
    LOWER,
    LOWERED,
    MAX_RAISE,
)

NOTHING = torch.zeros(1, 1, 1, 1)


def luma(*values):
    return torch.tensor(values).view(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ((0.3, 1.0), (1, 0)),
        ((1.0, 0.3), (1, 0)),  # in any order
        ((0.3, 1.0, 1.0), (1, 0, 0)),
        ((0.3, 0.6, 1.0), (0, 0, 0)),  # two show it
        ((0.3, 0.7), (0, 0)),
        ((0.01, 1.0), (0, 0)),  # nobody shows it
        ((1.0, 1.0), (0, 0)),
    ],
)
def test_an_exposure_is_alone_where_all_others_are_white(values, share):
    found = alone(luma(*values)).flatten()
    torch.testing.assert_close(found.sort(descending=True).values, torch.tensor(share, dtype=torch.float32))
    assert not share[0] or found.argmax() == int(np.argmin(values))


def test_being_alone_comes_smoothly():
    bright = torch.linspace(0, 1, 256)
    pair = torch.stack([bright * 0 + 0.3, bright]).view(1, 2, 1, -1)
    assert alone(pair).diff(dim=3).abs().max() < 0.1


def test_the_weights_favour_the_exposure_that_is_alone_and_no_other():
    prior = luma(0.4, 0.6)
    torch.testing.assert_close(favour(prior, luma(0.0, 0.0), FAVOUR), prior)
    raised = favour(prior, luma(1.0, 0.0), FAVOUR)
    assert float(raised.sum()) == pytest.approx(1)
    assert raised[0, 0] > 0.9


def test_weak_detail_of_a_highlight_is_raised_with_its_brightness_and_strong_detail_is_not():
    exposures = luma(0.4, 1.0)
    gains = [
        float(restore(luma(1.0), luma(1.0, 0.0), exposures, luma(0.7), [luma(energy)])[0, 0])
        for energy in (0.0, 1e-4, 1.0)
    ]
    assert gains[0] == pytest.approx((0.72 / 0.42) ** EXPONENT, rel=1e-4)
    assert gains[0] > gains[1] > 1.1
    assert gains[2] == pytest.approx(1, abs=1e-3)


def test_the_gain_of_a_highlight_is_bounded():
    most = restore(luma(1.5), luma(1.0, 0.0), luma(0.09, 1.0), luma(1.0), [NOTHING])
    assert float(most) == pytest.approx(1.5 * MAX_RAISE)


def test_edge_revision_does_not_take_weak_detail_of_a_highlight_for_noise():
    place, exposures = luma(1.0, 0.0), luma(0.7, 1.0)
    assert float(restore(luma(0.5), place, exposures, luma(0.7), [NOTHING])) == pytest.approx(1)


def test_elsewhere_gains_stay():
    gains = luma(0.5, 0.9, 1.4)
    torch.testing.assert_close(
        restore(gains, luma(0.0, 0.0), luma(0.2, 0.9), luma(0.6), [NOTHING] * 3), gains
    )


@pytest.mark.parametrize("others", [(0.0,), (0.0, 0.01)])
def test_a_shadow_comes_nearer_to_the_one_exposure_that_shows_it(others):
    exposures = luma(*others, DIM[0])
    assert float(lifted(luma(0.1), exposures)) == pytest.approx(0.1 + LIFT * (DIM[0] - 0.1))
    assert float(within(luma(0.1), exposures, LIFTED)) > float(within(luma(0.1), exposures, LIFTED + 1))


@pytest.mark.parametrize("exposures", [(0.2, 0.4), (0.0, 0.2, 0.3), (0.0, 0.8)])
def test_what_two_exposures_show_or_none_is_not_lifted(exposures):
    assert float(lifted(luma(0.1), luma(*exposures))) == pytest.approx(0.1)


def test_lifting_keeps_the_order_of_brightness_and_stays_below_the_bright_exposure():
    bright = torch.linspace(0, 1, 101)
    pair = torch.stack([0 * bright, bright]).view(1, 2, 1, -1)
    out = lifted(0.4 * bright.view(1, 1, 1, -1), pair).flatten()
    assert (out.diff() > 0).all()
    assert (out <= bright).all()


@pytest.mark.parametrize("others", [(1.0,), (1.0, 1.0)])
def test_a_light_highlight_comes_nearer_to_the_one_exposure_that_shows_it(others):
    exposures = luma(LIGHT[1], *others)
    assert float(lowered(luma(0.9), exposures)) == pytest.approx(0.9 - LOWER * (0.9 - LIGHT[1]))
    assert float(within(luma(0.9), exposures, LOWERED)) < float(within(luma(0.9), exposures, LOWERED - 1))


@pytest.mark.parametrize("exposures", [(0.5, 0.8), (0.5, 0.8, 1.0), (LIGHT[0], 1.0)])
def test_what_two_exposures_show_or_a_dim_highlight_is_not_lowered(exposures):
    assert float(lowered(luma(0.9), luma(*exposures))) == pytest.approx(0.9)


def test_lowering_keeps_the_order_of_brightness_and_stays_above_the_dark_exposure():
    dark = torch.linspace(0, 1, 101)
    pair = torch.stack([dark, 0 * dark + 1]).view(1, 2, 1, -1)
    out = lowered((0.6 + 0.4 * dark).view(1, 1, 1, -1), pair).flatten()
    assert (out.diff() > 0).all()
    assert (out >= dark).all()
