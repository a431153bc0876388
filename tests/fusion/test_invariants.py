"""What holds for every bracket that LCNDR fuses: its order does not matter, codes stay nominal, constants constant."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import plane_exposures, saturated

from streamfuse.core.color import chroma_shape
from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.stage import fuse_planes

FUSER = create_fuser("lcndr-xs", device="cpu")
LARGE = (400, 700)  # above the network's scale: two exposures are fused in integers there, as in video
PATCH = 16
few = settings(max_examples=12, deadline=None)
colours = st.builds(ColorInfo, st.just(1), st.just(1), st.sampled_from([1, 6, 9]), st.booleans())
depths = st.sampled_from([8, 10])
samplings = st.sampled_from([(1, 1), (1, 0), (0, 0)])
sides = st.integers(8, 72)
seeds = st.integers(0, 1 << 16)


def wild(size, count, bits, sampling, seed):
    """Any codes at all, most of them of no colour that exists."""
    rng = np.random.default_rng(seed)
    shapes = [size, *[chroma_shape(size[0], size[1], sampling)] * 2]
    dtype = np.uint8 if bits == 8 else np.uint16
    return [tuple(rng.integers(0, 1 << bits, shape, dtype) for shape in shapes) for _ in range(count)]


def assert_any_order_gives_the_same(exposures, bits, color):
    plain = fuse_planes(FUSER, exposures, bits, color)
    for order in permutations(exposures):
        for mine, wanted in zip(fuse_planes(FUSER, order, bits, color), plain, strict=True):
            np.testing.assert_array_equal(mine, wanted)


@pytest.mark.slow
@few
@given(sides, sides, st.integers(2, 4), depths, samplings, colours, seeds)
def test_the_order_of_the_exposures_does_not_matter(height, width, count, bits, sampling, color, seed):
    exposures = plane_exposures(height, width, count, bits, sampling, color, seed)
    assert_any_order_gives_the_same(exposures, bits, color)


def mirrored(exposure):
    """Three exposures, equally bright."""
    return [tuple(plane[::y, ::x].copy() for plane in exposure) for y, x in ((1, 1), (-1, 1), (1, -1))]


@few
@given(sides, sides, st.integers(2, 3), depths, seeds)
def test_nor_does_it_for_exposures_that_are_equally_bright(height, width, count, bits, seed):
    color = ColorInfo(1, 1, 1, False)
    (first,) = plane_exposures(height, width, 1, bits, (1, 1), color, seed)
    assert_any_order_gives_the_same(mirrored(first)[:count], bits, color)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_nor_does_it_at_sizes_of_video(bits, full, count):
    color = ColorInfo(1, 1, 1, full)
    assert FUSER.octaves(LARGE) > 0  # type: ignore[attr-defined]
    exposures = plane_exposures(*LARGE, count, bits, (1, 1), color)
    assert_any_order_gives_the_same(exposures, bits, color)
    assert_any_order_gives_the_same(mirrored(exposures[0])[:count], bits, color)


def assert_nominal(planes, bits, color):
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    luma, *chroma = planes
    assert black <= luma.min() <= luma.max() <= white
    top = min(np.ceil(neutral + half), (1 << bits) - 1)
    for plane in chroma:
        assert np.floor(neutral - half) <= plane.min() <= plane.max() <= top


@few
@given(sides, sides, st.integers(2, 4), depths, samplings, colours, seeds)
def test_no_code_leaves_the_nominal_range(height, width, count, bits, sampling, color, seed):
    for exposures in (
        wild((height, width), count, bits, sampling, seed),
        plane_exposures(height, width, count, bits, sampling, color, seed),
    ):
        assert_nominal(fuse_planes(FUSER, exposures, bits, color), bits, color)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_nor_does_any_at_sizes_of_video(bits, full, count):
    color = ColorInfo(1, 1, 1, full)
    for exposures in (
        wild(LARGE, count, bits, (1, 1), 1),
        plane_exposures(*LARGE, count, bits, (1, 1), color),
    ):
        assert_nominal(fuse_planes(FUSER, exposures, bits, color), bits, color)


@st.composite
def flats(draw, bits, color, count):
    """Exposures (Y, Cb, Cr), each of one nominal code per plane."""
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    luma, chroma = st.integers(black, white), st.integers(int(neutral - half), int(neutral + half))
    size = draw(st.tuples(sides, sides))
    codes = draw(st.lists(st.tuples(luma, chroma, chroma), min_size=count, max_size=count))
    return [flat(size, each, bits) for each in codes]


def flat(size, codes, bits=8):
    shapes = [size, *[chroma_shape(size[0], size[1], (1, 1))] * 2]
    return tuple(
        np.full(s, c, np.uint8 if bits == 8 else np.uint16) for s, c in zip(shapes, codes, strict=True)
    )


@few
@given(st.data(), st.integers(2, 4), depths, colours)
def test_one_constant_stays_as_it_is(data, count, bits, color):
    (exposure,) = data.draw(flats(bits, color, 1))
    fused = fuse_planes(FUSER, [exposure] * count, bits, color)
    np.testing.assert_array_equal(fused[0], exposure[0])
    assert np.ptp(fused[0]) == 0
    assert (
        max(int(np.ptp(plane)) for plane in fused) <= 1
    )  # chroma that falls on a half is rounded either way


@pytest.mark.parametrize("size", [(45, 64), LARGE])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_one_constant_keeps_its_colour(size, count):
    exposure = flat(size, (90, 118, 140))
    for mine, wanted in zip(
        fuse_planes(FUSER, [exposure] * count, 8, ColorInfo(1, 1, 1, False)), exposure, strict=True
    ):
        np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("bits", [8, 10, 16])
def test_equal_exposures_keep_saturated_colours(bits, matrix, full):
    color, size = ColorInfo(matrix, matrix, matrix, full), (80, 112)
    patches = saturated((size[0] // PATCH, size[1] // PATCH), bits, color, seed=bits + matrix)
    luma, *chroma = (np.repeat(np.repeat(plane, PATCH, 0), PATCH, 1) for plane in patches)
    exposure = (luma, *(np.ascontiguousarray(plane[::2, ::2]) for plane in chroma))
    fused = fuse_planes(FUSER, [exposure] * 2, bits, color)
    for made, own, step in zip(fused, exposure, (PATCH, PATCH // 2, PATCH // 2), strict=True):
        middle = np.s_[step // 2 :: step, step // 2 :: step]  # edges are revised by the network
        assert np.abs(made[middle].astype(int) - own[middle]).max() <= 1


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("bits", [8, 10])
def test_so_they_do_at_sizes_of_video(bits, matrix, full):
    color = ColorInfo(matrix, matrix, matrix, full)
    for codes in zip(*(plane.ravel() for plane in saturated((1, 4), bits, color, seed=bits)), strict=True):
        exposure = flat(LARGE, [int(code) for code in codes], bits)
        for made, own in zip(fuse_planes(FUSER, [exposure] * 2, bits, color), exposure, strict=True):
            assert np.abs(made.astype(int) - own).max() <= 1


def assert_constant_between(exposures, bits, color):
    fused = fuse_planes(FUSER, exposures, bits, color)
    assert np.ptp(fused[0]) == 0
    assert (
        max(int(np.ptp(plane)) for plane in fused) <= 1
    )  # chroma that falls on a half is rounded either way
    codes = [int(planes[0][0, 0]) for planes in exposures]
    assert min(codes) - 1 <= int(fused[0][0, 0]) <= max(codes) + 1


@few
@given(st.data(), st.integers(2, 4), depths, colours)
def test_several_constants_give_a_constant_between_them(data, count, bits, color):
    assert_constant_between(data.draw(flats(bits, color, count)), bits, color)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_several_do_at_sizes_of_video(count):
    codes = [(30, 120, 140), (180, 100, 150), (90, 128, 128), (220, 126, 131)]
    assert_constant_between([flat(LARGE, each) for each in codes[:count]], 8, ColorInfo(1, 1, 1, False))
