"""The integer blend of two exposures gives the picture of the float blend."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network
from pictures import plane_exposures

from streamfuse.core.color_info import ColorInfo, luma_range
from streamfuse.core.frame import FusionMaps
from streamfuse.fusion.blend import blend_luma
from streamfuse.fusion.blend_pair import blend_pair, halves_of, reduced
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.fusion.luma import normalise, quantise
from streamfuse.fusion.models import save_weights
from streamfuse.fusion.stage import blend_planes, fuse_planes, weigh_planes
from streamfuse.zmq.joined import join

LIMITED, FULL = ColorInfo(1, 1, 1, False), ColorInfo(1, 1, 1, True)


@pytest.fixture(scope="module")
def fuser(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(random_network(long_side=96), path, {})
    return LcndrFuser(str(path), "cpu")


def both(fuser, lumas, bits, color):
    """The fused luma by integers and by floats."""
    pictures = [normalise(plane, bits, color) for plane in lumas]
    maps, extra = fuser.weigh(pictures), fuser.octaves(lumas[0].shape)
    wanted = quantise(blend_luma(pictures, maps, fuser.exponents, extra), bits, color)
    halves = halves_of(lumas[0], bits, color, extra), halves_of(lumas[1], bits, color, extra)
    return blend_pair(tuple(lumas), halves, maps, fuser.exponents, bits, color), wanted


@pytest.mark.parametrize("color", [LIMITED, FULL])
@pytest.mark.parametrize(
    ("bits", "size"), [(8, (192, 256)), (10, (160, 352)), (12, (96, 160)), (8, (101, 353))]
)
def test_is_the_float_blend_but_for_rounding(fuser, bits, size, color):
    lumas = [planes[0] for planes in plane_exposures(size[0], size[1], 2, bits, (0, 0), color)]
    ours, wanted = both(fuser, lumas, bits, color)
    assert (ours.shape, ours.dtype) == (wanted.shape, wanted.dtype)
    difference = np.abs(ours.astype(int) - wanted)[8:-8, 8:-8] / (1 << (bits - 8))
    assert np.mean(difference <= 1) > 0.99
    assert difference.max() < 6


@settings(max_examples=20, deadline=None)
@given(height=st.integers(97, 260), width=st.integers(97, 260), value=st.integers(0, 255))
def test_equal_exposures_come_out_as_they_are(fuser, height, width, value):
    rng = np.random.default_rng(value)
    plane = np.clip(value + rng.integers(-9, 10, (height, width)), 16, 235).astype(np.uint8)
    maps = fuser.weigh([normalise(plane, 8, LIMITED)] * 2)
    halves = halves_of(plane, 8, LIMITED, fuser.octaves(plane.shape))
    fused = blend_pair(
        (plane, plane),
        (halves, halves),
        FusionMaps(maps.priors, (), maps.coverage),
        fuser.exponents,
        8,
        LIMITED,
    )
    np.testing.assert_allclose(fused.astype(int), plane, atol=1)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_nothing_wraps_or_leaves_the_range(fuser, bits):
    dtype, top = (np.uint8 if bits == 8 else np.uint16), (1 << bits) - 1
    checks = (np.indices((128, 192)).sum(0) // 3 % 2 * top).astype(dtype)
    fused, _ = both(fuser, [np.zeros_like(checks), checks], bits, LIMITED)
    black, white = luma_range(bits, False)
    assert fused.min() >= black
    assert fused.max() <= white


@pytest.mark.parametrize("size", [(192, 256), (100, 200)])
def test_the_network_sees_the_same_picture(fuser, size):
    plane = plane_exposures(size[0], size[1], 2, 8, (0, 0), LIMITED)[1][0]
    extra = fuser.octaves(plane.shape)
    small = reduced(plane, 8, LIMITED, extra)
    mean = normalise(plane, 8, LIMITED).reshape(size[0] >> extra, 1 << extra, size[1] >> extra, 1 << extra)
    np.testing.assert_allclose(small, mean.mean((1, 3)), atol=1 / 4095 * 2)


def test_planes_above_12_bit_and_three_exposures_take_the_other_way(fuser):
    for bits, count in ((16, 2), (8, 3)):
        fused = fuse_planes(fuser, plane_exposures(128, 192, count, bits, (1, 1), FULL), bits, FULL)
        assert fused[0].shape == (128, 192)


def test_colour_is_near_that_of_the_whole_rule(fuser, monkeypatch):
    exposures = plane_exposures(192, 320, 2, 8, (1, 1), LIMITED)
    maps = weigh_planes(fuser, exposures, 8, LIMITED)
    quick = blend_planes(fuser, exposures, maps, 8, LIMITED)
    monkeypatch.setattr("streamfuse.fusion.stage._MAX_BITS", 0)
    exact = blend_planes(fuser, exposures, maps, 8, LIMITED)
    for mine, wanted in zip(quick[1:], exact[1:], strict=True):
        assert np.abs(mine.astype(int) - wanted).mean() < 1


def test_the_fused_planes_lie_one_after_another(fuser):
    """So they are published as one message part."""
    fused = fuse_planes(fuser, plane_exposures(192, 320, 2, 8, (1, 1), LIMITED), 8, LIMITED)
    assert join(fused) is not None
