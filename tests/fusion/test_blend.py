"""The two implementations of the full-size blend agree, and blend as a pyramid blend must."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import exposures

from streamfuse.core.frame import FusionMaps
from streamfuse.fusion.blend import blend_luma
from streamfuse.fusion.pyramid import within
from streamfuse.fusion.pyramid_settings import HELD, ROLL_OFF, ROLLED, SLACK
from streamfuse.fusion.torch_blend import blend_luma_torch

EXPONENTS = (0.3, 0.1, 0.25, 0.0, 0.4)


def random_maps(height, width, count, extra, seed):
    """Priors at 1/4, 1/8, 1/16 and 1/32 of the network's scale, gains at 1/4."""
    rng = np.random.default_rng(seed)
    multiple = 1 << (extra + len(EXPONENTS))
    rows, columns = (int(-(-side // multiple) * multiple / 2.0**extra) for side in (height, width))
    priors = []
    for step in (4, 4, 4, 8, 16, 32):
        raw = rng.random((count, rows // step, columns // step), np.float32) + np.float32(0.01)
        priors.append(raw / raw.sum(axis=0))
    gains = [rng.uniform(0.5, 1.5, (rows // 4, columns // 4)).astype(np.float32) for _ in range(3)]
    return FusionMaps(tuple(priors), tuple(gains))


def equal_maps(height, width, count, extra=0):
    maps = random_maps(height, width, count, extra, 0)
    return FusionMaps(tuple(np.full_like(p, 1 / count) for p in maps.priors))


def in_torch(lumas, maps, exponents, extra, device="cpu"):
    stack = torch.from_numpy(np.stack(lumas)).to(device)
    return blend_luma_torch(stack, maps, exponents, extra).cpu().numpy()


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(16, 200),
    width=st.integers(16, 200),
    count=st.integers(2, 5),
    extra=st.integers(-5, 2),
    seed=st.integers(0, 1 << 30),
)
def test_opencv_and_torch_agree(height, width, count, extra, seed):
    lumas = list(np.random.default_rng(seed).random((count, height, width), np.float32))
    maps = random_maps(height, width, count, extra, seed)
    ours = blend_luma(lumas, maps, EXPONENTS, extra)
    assert ours.shape == (height, width)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, in_torch(lumas, maps, EXPONENTS, extra), atol=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("shape", [(64, 96), (45, 67), (200, 131)])
@pytest.mark.parametrize("extra", [-5, -2, 1])
def test_the_gpu_agrees_with_opencv(shape, extra):
    lumas, maps = exposures(shape[0], shape[1], 3), random_maps(shape[0], shape[1], 3, extra, 5)
    on_gpu = in_torch(lumas, maps, EXPONENTS, extra, "cuda")
    np.testing.assert_allclose(blend_luma(lumas, maps, EXPONENTS, extra), on_gpu, atol=1e-4)


@pytest.mark.parametrize("blend", [blend_luma, in_torch])
def test_a_picture_that_was_enlarged_has_the_coarser_bands_only(blend):
    lumas, maps = exposures(32, 48), random_maps(32, 48, 2, -2, 7)
    wild = (
        [np.full_like(p, np.nan) for p in maps.priors[:2]],
        [np.full_like(g, np.nan) for g in maps.gains[:2]],
    )
    own = FusionMaps((*wild[0], *maps.priors[2:]), (*wild[1], *maps.gains[2:]))
    np.testing.assert_array_equal(blend(lumas, maps, EXPONENTS, -2), blend(lumas, own, EXPONENTS, -2))


@pytest.mark.parametrize("blend", [blend_luma, in_torch])
@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize("count", [2, 3])
def test_no_area_is_darker_or_brighter_than_in_every_exposure(blend, extra, count):
    """Whatever the weights, which are each level's own."""
    lumas = exposures(128, 192, count)
    fused = blend(lumas, random_maps(128, 192, count, extra, 3), EXPONENTS, extra)
    cells = [cv2.resize(y, (24, 16), interpolation=cv2.INTER_AREA) for y in (fused, *lumas)]
    assert (cells[0] - np.min(cells[1:], axis=0)).min() > -2.5 * SLACK
    assert (cells[0] - np.max(cells[1:], axis=0)).max() < 2.5 * SLACK


@pytest.mark.parametrize("level", range(HELD, 5))
def test_what_is_within_the_exposures_is_not_touched(level):
    stack = torch.tensor([0.2, 0.8]).view(1, 2, 1, 1).expand(1, 2, 1, 7)
    picture = torch.linspace(0.2, 0.8, 7).view(1, 1, 1, 7)
    torch.testing.assert_close(within(picture, stack, level), picture)


def test_what_leaves_the_exposures_keeps_its_order_and_comes_near():
    stack = torch.tensor([0.3, 0.6]).view(1, 2, 1, 1).expand(1, 2, 1, 101)
    held = within(torch.linspace(-0.5, 1.5, 101).view(1, 1, 1, -1), stack, HELD).flatten()
    assert (held.diff() > 0).all()
    assert held[0] > 0.3 - SLACK
    assert held[-1] < 0.6 + SLACK


@pytest.mark.parametrize("dark", [0.2, 0.5, 0.8])
def test_coarsely_a_clipped_exposure_leaves_room_for_what_the_dark_one_shows(dark):
    stack, white = torch.tensor([dark, 1.0]).view(1, 2, 1, 1), torch.ones(1, 1, 1, 1)
    assert float(within(white, stack, HELD)) == 1
    assert float(within(white, stack, ROLLED)) < 1 - ROLL_OFF * (1 - dark) + SLACK


@pytest.mark.parametrize("blend", [blend_luma, in_torch])
@pytest.mark.parametrize("extra", [-5, -1, 0, 2])
def test_equal_exposures_come_out_as_they_are(blend, extra):
    picture = exposures(61, 90)[0]
    maps = random_maps(61, 90, 3, extra, 1)
    maps = FusionMaps(maps.priors)  # gains would change the detail, as they should
    np.testing.assert_allclose(blend([picture] * 3, maps, EXPONENTS, extra), picture, atol=1e-5)


@pytest.mark.parametrize("blend", [blend_luma, in_torch])
def test_even_weights_without_sharpening_are_the_mean(blend):
    lumas = exposures(50, 70, 4)
    fused = blend(lumas, equal_maps(50, 70, 4), (0.0,) * 5, 0)
    np.testing.assert_allclose(fused, np.mean(lumas, axis=0), atol=1e-5)


@pytest.mark.parametrize("blend", [blend_luma, in_torch])
def test_one_sided_weights_pick_that_exposure(blend):
    lumas = [0.2 + 0.6 * luma for luma in exposures(50, 70)]  # no shadow that is lifted, nor a highlight
    maps = equal_maps(50, 70, 2)
    chosen = FusionMaps(tuple(np.stack([np.ones_like(p[0]), np.zeros_like(p[0])]) for p in maps.priors))
    np.testing.assert_allclose(blend(lumas, chosen, EXPONENTS, 0), lumas[0], atol=1e-5)


def test_gains_scale_the_detail_and_leave_the_tone():
    lumas = exposures(64, 64)
    maps = equal_maps(64, 64, 2)
    plain = blend_luma(lumas, maps, EXPONENTS, 0)
    more = blend_luma(lumas, FusionMaps(maps.priors, (np.full((16, 16), 1.5, np.float32),) * 3), EXPONENTS, 0)
    assert more.std() > plain.std()
    assert abs(float(more.mean() - plain.mean())) < 1e-3


def test_detail_comes_from_the_exposure_that_has_it():
    rng = np.random.default_rng(3)
    detail = (0.5 + 0.2 * rng.standard_normal((64, 64))).clip(0, 1).astype(np.float32)
    flat = np.full((64, 64), 0.5, np.float32)
    maps = equal_maps(64, 64, 2)
    sharpened = blend_luma([flat, detail], maps, (0.5,) * 5, 0)
    assert sharpened.std() > 1.5 * blend_luma([flat, detail], maps, (0.0,) * 5, 0).std()


def test_the_inputs_stay_as_they_are():
    lumas, maps = exposures(64, 64), random_maps(64, 64, 2, 0, 1)
    copies = [y.copy() for y in lumas], [p.copy() for p in maps.priors]
    blend_luma(lumas, maps, EXPONENTS, 0)
    for before, after in zip((*copies[0], *copies[1]), (*lumas, *maps.priors), strict=True):
        np.testing.assert_array_equal(before, after)
