"""Every term of the objective, on pictures for which it can be worked out by hand."""

import pytest
import torch

from streamfuse.evaluate.mef_ssim import MefSsim
from streamfuse.train.losses import (
    TONE_CENTRE,
    TONE_SLACK,
    exposedness_loss,
    label_loss,
    range_loss,
    tone_loss,
    total_loss,
)


def flat(*values):
    """(1, N, 64, 64): one constant picture for each value."""
    return torch.tensor(values).view(1, -1, 1, 1).expand(1, len(values), 64, 64).contiguous()


@pytest.mark.parametrize(("value", "loss"), [(0.0, 0), (0.5, 0), (1.0, 0), (1.25, 0.25), (-0.5, 0.5)])
def test_range(value, loss):
    assert float(range_loss(flat(value))) == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "loss"),
    [(TONE_CENTRE, 0), (TONE_CENTRE + TONE_SLACK / 2, 0), (0.9, 0.9 - 0.53), (0.1, 0.41 - 0.1)],
)
def test_tone(value, loss):
    assert float(tone_loss(flat(value))) == pytest.approx(loss, abs=1e-6)


def test_tone_of_each_picture_counts_alone():
    pair = torch.cat([flat(0.1), flat(0.9)])  # right in the mean of both, wrong in each
    assert float(tone_loss(pair)) > 0.3


def test_a_dark_area_that_one_exposure_shows_well_must_not_be_dark():
    exposures = flat(0.02, 0.5)
    assert float(exposedness_loss(flat(0.5), exposures)) == 0
    assert float(exposedness_loss(flat(0.05), exposures)) > 0.3
    # equally (un)well exposed: the wanted tone is the middle of both
    assert float(exposedness_loss(flat(0.5 + TONE_SLACK + 0.1), flat(0.2, 0.8))) == pytest.approx(
        0.1, abs=1e-4
    )


def test_the_label_itself_is_perfect_and_a_shift_in_tone_costs():
    torch.manual_seed(0)
    label = torch.rand(1, 1, 64, 64) * 0.5 + 0.2
    assert float(label_loss(label, label)) == pytest.approx(0, abs=1e-6)
    shifted = float(label_loss(label + 0.1, label))
    assert shifted > 0.3 * 0.1 - 1e-6
    assert float(label_loss(label + 0.2, label)) > shifted
    assert float(label_loss(torch.full_like(label, 0.45), label)) > 0.05  # structure is gone


@pytest.mark.parametrize("labelled", [False, True])
def test_the_total_is_the_sum_of_its_terms(labelled):
    torch.manual_seed(1)
    exposures = torch.rand(2, 3, 64, 64)
    fused = (exposures.mean(1, keepdim=True) * 1.4).requires_grad_()
    loss, terms = total_loss(fused, exposures, MefSsim(exposures), exposures[:, :1] if labelled else None)
    assert terms["loss"] == pytest.approx(terms["mef"] + terms["range"] + terms["tone"], abs=1e-6)
    assert terms["range"] > 0
    loss.backward()
    assert fused.grad.isfinite().all()
    assert fused.grad.abs().sum() > 0
