"""Every measure against values worked out by hand, and against what it must not react to."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.lab.evaluate import metrics


def picture(seed=0, shape=(40, 48)):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def shifted(dx, dy=0.0, shape=(40, 48)):
    return np.broadcast_to(np.array([dx, dy], np.float32), (*shape, 2)).copy()


def test_psnr_of_a_known_error():
    flat = np.full((4, 4), 0.5, np.float32)
    assert metrics.psnr(flat + np.float32(0.1), flat) == pytest.approx(20, abs=1e-4)
    assert metrics.psnr(flat, flat) == float("inf")


def test_psnr_in_a_mask_sees_only_the_mask():
    reference = picture()
    spoilt = reference.copy()
    spoilt[:10] += 0.1
    mask = np.zeros(reference.shape, bool)
    mask[:10] = True
    assert metrics.psnr(spoilt, reference, mask=mask) == pytest.approx(20, abs=1e-3)
    assert metrics.psnr(spoilt, reference, mask=~mask) == float("inf")
    assert np.isnan(metrics.psnr(spoilt, reference, mask=np.zeros_like(mask)))


def test_pictures_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        metrics.psnr(picture(), picture(shape=(40, 1)))


def test_ssim_of_constant_pictures_is_the_luminance_term():
    a, b = np.full((20, 20), 0.4, np.float32), np.full((20, 20), 0.6, np.float32)
    c1 = 0.01**2
    assert metrics.ssim(a, b) == pytest.approx((2 * 0.24 + c1) / (0.16 + 0.36 + c1), abs=1e-6)


def test_ssim_is_one_for_equal_pictures_symmetric_and_falls_with_noise():
    clean = picture()
    noisy = clean + 0.05 * picture(1)
    worse = clean + 0.3 * picture(1)
    assert metrics.ssim(clean, clean) == pytest.approx(1)
    assert metrics.ssim(clean, noisy) == pytest.approx(metrics.ssim(noisy, clean))
    assert 1 > metrics.ssim(clean, noisy) > metrics.ssim(clean, worse)


def test_ssim_window_is_gaussian_11_wide_with_sigma_1_5():
    # one bright pixel: 1 - ssim at its place follows from the weight of the window's centre alone
    a = np.zeros((11, 11), np.float32)
    b = a.copy()
    b[5, 5] = 1
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    centre = (kernel[5] / kernel.sum()) ** 2
    c1, c2 = 1e-4, 9e-4
    expected = c1 / (centre**2 + c1) * c2 / (centre - centre**2 + c2)
    assert metrics.ssim(a, b) == pytest.approx(expected, rel=1e-4)


def test_ssim_is_what_it_was_before_it_came_from_scikit_image():
    clean = picture()
    noisy, brighter = (clean + 0.2 * picture(1)).clip(0, 1), (clean + np.float32(0.1)).clip(0, 1)
    assert metrics.ssim(clean, noisy) == pytest.approx(0.965115384, abs=1e-8)
    assert metrics.ssim(clean, brighter) == pytest.approx(0.983262179, abs=1e-8)


def test_ssim_scales_with_the_data_range():
    a, b = picture(), picture(1)
    assert metrics.ssim(a, b) == pytest.approx(metrics.ssim(a * 255, b * 255, data_range=255), abs=1e-4)


def test_ssim_of_pictures_smaller_than_its_window_cannot_be_told():
    assert metrics.ssim(picture(0, (11, 12)), picture(0, (11, 12))) == pytest.approx(1)
    assert np.isnan(metrics.ssim(picture(0, (3, 30)), picture(0, (3, 30))))


def test_without_scikit_image_ssim_is_left_out_and_it_is_said(monkeypatch):
    assert metrics.left_out() == ""
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert "pip install 'streamfuse[evaluate]'" in metrics.left_out()
    assert np.isnan(metrics.ssim(picture(), picture()))


def test_error_percentile_finds_the_ghost_that_the_mean_hides():
    reference = np.zeros((100, 100), np.float32)
    ghosted = reference.copy()
    ghosted[:2] = 1.0  # 2 % of the pixels
    assert metrics.error_percentile(ghosted, reference) == pytest.approx(255)
    assert metrics.error_percentile(ghosted, reference, percent=97) == 0
    assert np.isnan(metrics.error_percentile(ghosted, reference, mask=np.zeros((100, 100), bool)))


def test_motion_mask_covers_the_object_and_ignores_noise():
    rng = np.random.default_rng(0)
    before, now = (np.full((40, 40), 0.4, np.float32) for _ in range(2))
    before[10:20, 10:20] = 0.8
    now[10:20, 14:24] = 0.8
    before[35, 3] = 0.9  # one hot pixel is not motion
    noisy = [p + rng.normal(0, 0.005, p.shape).astype(np.float32) for p in (now, before)]
    mask = metrics.motion_mask([noisy[0]], [noisy[1]], grow=1)
    assert mask[10:20, 10:14].all()
    assert mask[10:20, 20:24].all()
    assert not mask[14:16, 16:18].any()
    assert not mask[30:].any()


def test_motion_mask_takes_any_exposure_that_shows_the_motion():
    clipped = np.ones((20, 20), np.float32)
    before, now = (np.full((20, 20), 0.3, np.float32) for _ in range(2))
    now[5:10, 5:10] = 0.6
    assert metrics.motion_mask([now, clipped], [before, clipped])[5:10, 5:10].all()


def run_flicker(fused, oracle, ranks, cycle=2, block=16):
    flicker = metrics.AlternationFlicker(cycle, block=block)
    for rank, y, reference in zip(ranks, fused, oracle, strict=True):
        flicker.add(y, reference, rank)
    return flicker


def test_afo_measures_an_alternating_error_and_not_a_constant_one():
    oracle = [picture(t) * 0.5 for t in range(6)]
    ranks = [t % 2 for t in range(6)]
    two_codes = np.float32(2 / 255)
    constant = run_flicker([y + two_codes for y in oracle], oracle, ranks)
    swapping = run_flicker([y + two_codes * (-1) ** t for t, y in enumerate(oracle)], oracle, ranks)
    np.testing.assert_allclose(constant.afo(), 0, atol=1e-4)
    np.testing.assert_allclose(swapping.afo(), 2, atol=1e-4)
    assert swapping.afo().shape == (3, 3)
    assert swapping.afo_global() == pytest.approx(2, abs=1e-4)


def test_errors_that_do_not_alternate_give_the_afo_of_chance():
    rng = np.random.default_rng(5)
    oracle = [np.full((160, 160), 0.5, np.float32)] * 20
    ranks = [t % 2 for t in range(20)]
    errors = [np.kron(rng.normal(0, 4 / 255, (10, 10)), np.ones((16, 16))).astype(np.float32) for _ in ranks]
    by_lot = run_flicker([y + e for y, e in zip(oracle, errors, strict=True)], oracle, ranks)
    assert by_lot.chance() == pytest.approx(np.sqrt(2 / np.pi) * 4 / np.sqrt(20), rel=0.1)
    assert by_lot.afo().mean() == pytest.approx(by_lot.chance(), rel=0.2)
    swapping = run_flicker(
        [y + e + np.float32(4 / 255) * (-1) ** r for y, e, r in zip(oracle, errors, ranks, strict=True)],
        oracle,
        ranks,
    )
    assert swapping.afo().mean() > 3 * swapping.chance()
    constant = run_flicker([y + np.float32(3 / 255) for y in oracle], oracle, ranks)
    assert constant.chance() == pytest.approx(0, abs=1e-3)
    assert np.isnan(run_flicker(oracle[:1], oracle[:1], [0]).chance())


def test_afo_keeps_local_flicker_that_the_global_mean_cancels():
    oracle = [np.full((32, 32), 0.5, np.float32)] * 4
    fused = []
    for t in range(4):
        y = oracle[t].copy()
        y[:, :16] += np.float32((-1) ** t / 255)
        y[:, 16:] -= np.float32((-1) ** t / 255)
        fused.append(y)
    flicker = run_flicker(fused, oracle, [0, 1, 0, 1])
    assert flicker.afo_global() == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(flicker.afo(), 1, atol=1e-4)


def test_flicker_follows_the_rank_where_a_frame_was_lost():
    ranks = [0, 1, 0, 0, 1, 0, 1, 1]
    oracle = [np.full((16, 16), 0.5, np.float32)] * 8
    fused = [y + np.float32(1 / 255) * (-1) ** rank for y, rank in zip(oracle, ranks, strict=True)]
    np.testing.assert_allclose(run_flicker(fused, oracle, ranks).afo(), 1, atol=1e-4)


def test_afi_is_the_amplitude_in_percent():
    clip = [np.full((8, 8), 0.5 + 0.01 * (-1) ** t, np.float32) for t in range(10)]
    assert run_flicker(clip, clip, [t % 2 for t in range(10)]).afi() == pytest.approx(2, abs=1e-3)


def test_afi_ignores_a_steady_fade():
    clip = [np.full((8, 8), 0.2 + 0.05 * t, np.float32) for t in range(10)]
    assert run_flicker(clip, clip, [t % 2 for t in range(10)]).afi() == pytest.approx(0, abs=1e-4)


def test_flicker_of_too_little_is_not_a_number():
    empty = metrics.AlternationFlicker()
    assert empty.afo().size == 0
    assert np.isnan(empty.afo_global())
    assert np.isnan(empty.afi())


def test_warp_brings_a_moved_picture_back():
    now = picture()
    after = np.roll(now, 3, axis=1)
    np.testing.assert_allclose(metrics.warp(after, shifted(3))[:, :-3], now[:, :-3], atol=1e-6)


def test_warping_error_is_zero_along_the_true_motion_and_sees_flicker():
    now = picture()
    after = np.roll(now, 3, axis=1)
    mask = metrics.consistent(shifted(3), shifted(-3))
    assert not mask[:, -3:].any()
    assert mask[:, :-3].all()
    assert metrics.warping_error(now, after, shifted(3), mask) == pytest.approx(0, abs=1e-10)
    brighter = metrics.warping_error(now, after + np.float32(0.1), shifted(3), mask)
    assert brighter == pytest.approx(0.01, rel=1e-4)


def test_consistent_leaves_out_occlusions_and_motion_boundaries():
    forward, backward = shifted(0), shifted(0)
    forward[10:20, 10:20, 0] = 6  # an object moves right and covers what lies there
    backward[10:20, 16:26, 0] = -6
    mask = metrics.consistent(forward, backward)
    assert mask[12:18, 12:18].all()
    assert not mask[12:18, 21:25].any()  # will be covered
    assert not mask[12:18, 9].any()  # boundary
    assert mask[30:, 30:].all()


def test_end_point_error():
    truth = shifted(0)
    flow = truth.copy()
    flow[:, :24] = (3, 4)
    assert metrics.end_point_error(flow, truth) == (pytest.approx(2.5), pytest.approx(0.5))
    mask = np.zeros(truth.shape[:2], bool)
    mask[:, :24] = True
    assert metrics.end_point_error(flow, truth, mask) == (pytest.approx(5), pytest.approx(1))


def test_mean_leaves_out_what_is_not_a_number():
    assert metrics.mean([1.0, float("nan"), 3.0]) == 2
    assert np.isnan(metrics.mean([float("nan")]))


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), block=st.integers(1, 20))
def test_blocks_cover_any_size(height, width, block):
    oracle = np.zeros((height, width), np.float32)
    flicker = run_flicker([oracle + np.float32(1 / 255)] * 3, [oracle] * 3, [0, 0, 0], block=block)
    assert flicker.afo().shape == (-(-height // block), -(-width // block))
    np.testing.assert_allclose(flicker.afo(), 1, atol=1e-4)
