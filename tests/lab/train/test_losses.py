"""Every term of the objective, on pictures for which it can be worked out by hand."""

import pytest
import torch

from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.train.losses import (
    TONE_CENTRE,
    TONE_SLACK,
    contrast_loss,
    exposedness_loss,
    gradient_loss,
    highlights_loss,
    label_loss,
    range_loss,
    shadows_loss,
    temporal_loss,
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


def ramp(*slopes):
    """(1, N, 64, 64): pictures that rise from left to right by so much per pixel."""
    line = torch.arange(64.0)
    return torch.stack([0.2 + slope * line for slope in slopes])[None, :, None, :].expand(1, -1, 64, 64)


@pytest.mark.parametrize(
    ("slope", "punished"),
    [(0.002, False), (0.006, False), (0.004, False), (0.0, False), (0.009, True), (-0.002, True)],
)
def test_contrast_may_be_that_of_any_exposure_but_neither_more_nor_reversed(slope, punished):
    exposures = ramp(0.002, 0.006)
    assert (float(contrast_loss(ramp(slope), exposures)) > 1e-4) == punished


def test_a_glow_beside_an_edge_costs():
    edge = torch.full((1, 1, 64, 64), 0.2)
    edge[..., 32:] = 0.7
    glow = edge.clone()
    glow[..., 20:32] -= 0.1
    assert float(contrast_loss(edge, edge)) == 0
    assert float(contrast_loss(glow, edge)) > 1e-3


def test_the_gradient_is_to_be_the_strongest_that_an_exposure_has():
    x = torch.arange(64.0).expand(1, 1, 64, 64)
    rising_left, rising_right = x.clamp(max=32) * 0.006, (x - 32).clamp(min=0) * 0.008
    exposures = torch.cat([rising_left, rising_right], 1)
    ideal = rising_left + rising_right
    assert float(gradient_loss(ideal, exposures)) == pytest.approx(0, abs=1e-6)
    assert float(gradient_loss(ideal + 0.3, exposures)) == pytest.approx(0, abs=1e-6)
    for worse in (rising_left, rising_right, exposures.mean(1, keepdim=True)):
        assert float(gradient_loss(worse, exposures)) > 1e-3


@pytest.mark.parametrize(("slope", "loss"), [(0.006, 0), (0.002, 0.004), (0.009, 0.003), (-0.006, 0.012)])
def test_weaker_stronger_and_reversed_gradients_cost_what_they_are_off(slope, loss):
    # of two components, the vertical one is right; and it does not matter which way is up
    for turn in (0, 1):
        fused, exposures = ramp(slope).rot90(turn, (2, 3)), ramp(0.002, 0.006).rot90(turn, (2, 3))
        assert float(gradient_loss(fused, exposures)) == pytest.approx(loss / 2, abs=1e-6)


def test_descending_the_gradient_term_finds_the_stronger_picture():
    torch.manual_seed(4)
    strong = torch.rand(1, 1, 32, 32) * 0.5 + 0.2
    exposures = torch.cat([0.3 * strong, strong], 1)
    fused = exposures.mean(1, keepdim=True).requires_grad_()
    before = float(gradient_loss(fused.detach(), exposures))
    for _ in range(60):
        (slope,) = torch.autograd.grad(gradient_loss(fused, exposures), fused)
        fused = (fused - 0.005 * slope.sign()).detach().requires_grad_()
    assert float(gradient_loss(fused.detach(), exposures)) < 0.5 * before


def test_the_gradient_term_counts_by_its_weight():
    torch.manual_seed(5)
    exposures = torch.rand(1, 2, 64, 64)
    fused = exposures.mean(1, keepdim=True)
    without, told = total_loss(fused, exposures, MefSsim(exposures), None)
    whole, told_too = total_loss(fused, exposures, MefSsim(exposures), None, gradient=0.5)
    assert told["gradient"] == 0
    assert told_too["gradient"] == pytest.approx(0.5 * float(gradient_loss(fused, exposures)), abs=1e-6)
    assert float(whole - without) == pytest.approx(told_too["gradient"], abs=1e-5)


def test_frames_that_differ_in_the_mean_flicker_and_fine_noise_does_not():
    torch.manual_seed(2)
    still = flat(0.5)
    assert float(temporal_loss(still, still)) == 0
    assert float(temporal_loss(still, flat(0.6))) == pytest.approx(0.1, abs=1e-6)
    noise = torch.randn(1, 1, 64, 64) * 0.1
    assert float(temporal_loss(still, still + noise)) < 0.03


def shifted(by):
    """(1, 3, 3): what the first frame has at x is at x - by in the second."""
    motion = torch.eye(3)
    motion[0, 2] = -by
    return motion[None]


def test_a_known_motion_is_no_flicker_and_an_unknown_one_is():
    still, moved = ramp(0.006), ramp(0.006) + 8 * 0.006
    assert float(temporal_loss(still, moved)) == pytest.approx(0.048, abs=1e-5)
    assert float(temporal_loss(still, moved, shifted(8))) == pytest.approx(0, abs=1e-6)
    assert float(temporal_loss(still, moved, shifted(0))) == pytest.approx(0.048, abs=1e-5)
    assert float(temporal_loss(still, moved + 0.1, shifted(8))) == pytest.approx(0.1, abs=1e-5)
    tall, moved_tall, upwards = still.mT, moved.mT, shifted(8)[:, [1, 0, 2]][:, :, [1, 0, 2]]
    assert float(temporal_loss(tall, moved_tall, upwards)) == pytest.approx(0, abs=1e-6)


def test_every_sample_of_a_batch_has_its_own_motion():
    still, moved = ramp(0.006), ramp(0.006) + 8 * 0.006
    frames, again = torch.cat([still, still]), torch.cat([still, moved])
    assert float(temporal_loss(frames, again, torch.cat([shifted(0), shifted(8)]))) == pytest.approx(
        0, abs=1e-6
    )
    assert float(temporal_loss(frames, again, torch.cat([shifted(8), shifted(0)]))) > 0.04


def test_a_camera_that_turns_and_comes_nearer_is_followed():
    def seen(homography):
        y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
        x, y, scale = (homography @ torch.stack([x, y, torch.ones_like(x)]).flatten(1)).view(3, 64, 64)
        x, y = x / scale, y / scale
        return (0.5 + 0.2 * torch.sin(x / 9) + 0.2 * torch.cos(y / 7))[None, None]

    motion = torch.tensor([[1.04, 0.03, -2], [-0.02, 0.97, 3], [2e-4, -1e-4, 1]])
    first, second = seen(torch.eye(3)), seen(motion.inverse())
    assert float(temporal_loss(first, second)) > 0.02
    assert float(temporal_loss(first, second, motion[None])) < 1e-3


def test_the_total_knows_the_motion():
    still, moved = ramp(0.006), ramp(0.006) + 8 * 0.006
    exposures = ramp(0.003, 0.006)
    for motion, wanted in ((None, 2 * 0.048), (shifted(8), 0)):
        _, told = total_loss(still, exposures, MefSsim(exposures), None, moved, motion=motion)
        assert told["temporal"] == pytest.approx(wanted, abs=1e-5)


def test_what_has_left_the_frame_does_not_count():
    first = ramp(0.006).clone()
    first[..., :8] = 0.9  # gone when the camera has moved on by 8 pixels
    first.requires_grad_()
    loss = temporal_loss(first, ramp(0.006) + 8 * 0.006 + 0.1, shifted(8))
    (slope,) = torch.autograd.grad(loss, first)
    assert float(loss.detach()) == pytest.approx(0.1, abs=1e-5)
    assert slope[..., :8].abs().max() == 0
    assert slope[..., 8:].abs().min() > 0
    nothing = temporal_loss(ramp(0.006), ramp(0.006), shifted(500))
    assert float(nothing) == 0


@pytest.mark.parametrize(("labelled", "two_frames"), [(False, False), (True, False), (False, True)])
def test_the_total_is_the_sum_of_its_terms(labelled, two_frames):
    torch.manual_seed(1)
    exposures = torch.rand(2, 3, 64, 64)
    fused = (exposures.mean(1, keepdim=True) * 1.4).requires_grad_()
    loss, terms = total_loss(
        fused,
        exposures,
        MefSsim(exposures),
        exposures[:, :1] if labelled else None,
        exposures[:, 1:2] if two_frames else None,
    )
    parts = [value for name, value in terms.items() if name != "loss"]
    assert terms["loss"] == pytest.approx(sum(parts), abs=1e-6)
    assert (terms["temporal"] > 0) == two_frames
    assert terms["range"] > 0
    loss.backward()
    assert fused.grad.isfinite().all()
    assert fused.grad.abs().sum() > 0


def test_a_term_that_is_left_out_does_not_count_but_is_told():
    torch.manual_seed(3)
    exposures = torch.rand(1, 2, 64, 64)
    fused = exposures.mean(1, keepdim=True)
    whole, told = total_loss(fused, exposures, MefSsim(exposures), None)
    rest, told_too = total_loss(fused, exposures, MefSsim(exposures), None, without=("mef",))  # type: ignore[arg-type]
    assert float(whole - rest) == pytest.approx(told["mef"], abs=1e-6)
    assert told_too["mef"] == told["mef"]


def bracket(dark, bright):
    """(1, 2, 64, 64): a textured dark exposure, and one that is plain."""
    torch.manual_seed(0)
    return torch.cat([dark * torch.exp(0.1 * torch.randn(1, 1, 64, 64)), flat(bright)], 1)


def test_highlights_of_the_dark_exposure_cost_nothing_and_white_costs():
    exposures = bracket(0.5, 1.0)
    dark = exposures[:, :1]
    assert float(highlights_loss(dark, exposures)) == pytest.approx(0, abs=1e-3)
    assert float(highlights_loss(1.4 * dark, exposures)) == pytest.approx(
        0, abs=0.02
    )  # brighter, and as rich
    mean = float(highlights_loss(exposures.mean(1, keepdim=True), exposures))
    white = float(highlights_loss(flat(1.0), exposures))
    assert 0.2 < mean < white
    assert float(highlights_loss(1.0 - 0.5 * dark, exposures)) > mean  # reversed


def test_where_both_know_or_neither_highlights_do_not_count():
    for exposures in (bracket(0.5, 0.8), bracket(0.02, 1.0), flat(1.0, 1.0)):
        assert float(highlights_loss(flat(1.0), exposures)) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("value", "costs"), [(0.5, False), (0.35, False), (0.2, True)])
def test_shadows_are_to_be_lit(value, costs):
    assert (float(shadows_loss(flat(value), flat(0.01, 0.5))) > 0.05) == costs
    assert float(shadows_loss(flat(value), flat(0.2, 0.5))) == 0  # the dark exposure shows it too


def test_extremes_are_off_unless_they_are_asked_for():
    exposures = bracket(0.5, 1.0)
    target, white = MefSsim(exposures), flat(1.0)
    _, plain = total_loss(white, exposures, target, None)
    _, asked = total_loss(white, exposures, target, None, extremes=0.1)
    assert plain["highlights"] == plain["shadows"] == 0
    assert asked["highlights"] > 0.05
    assert asked["loss"] == pytest.approx(plain["loss"] + asked["highlights"] + asked["shadows"], abs=1e-6)
