"""Colour of the fused picture: grey stays grey, hues come from where they are right, and nothing leaves the gamut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import saturated

from streamfuse.core.color import chroma_shape
from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.fusion.chroma import RAISE, ROUNDING, WHITE, fuse_chroma, luma_code
from streamfuse.fusion.luma import normalise, quantise

BT601, BT709, BT2020 = (ColorInfo(m, m, m, False) for m in (6, 1, 9))
FULL = ColorInfo(1, 1, 1, True)
COLORS = [BT601, BT709, BT2020, FULL]


def coded(rgb, bits, color, shape):
    """Planes (4:4:4) of one R'G'B' colour in [0, 1], and its normalised luma."""
    kr, kb = color.luma_coefficients(shape[0])
    red, green, blue = rgb
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    neutral, half = chroma_range(bits, color.full_range)
    dtype = np.uint8 if bits == 8 else np.uint16
    cb, cr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    planes = [np.full(shape, round(neutral + 2 * half * c), dtype) for c in (cb, cr)]
    return (planes[0], planes[1]), np.full(shape, luma, np.float32)


def decoded(luma, cb, cr, bits, color):
    """R'G'B' (H, W, 3) float, not clipped, of 4:4:4 planes."""
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    kr, kb = color.luma_coefficients(luma.shape[0])
    y = (luma.astype(float) - black) / (white - black)
    b, r = ((c.astype(float) - neutral) / (2 * half) for c in (cb, cr))
    red, blue = y + 2 * (1 - kr) * r, y + 2 * (1 - kb) * b
    return np.stack([red, (y - kr * red - kb * blue) / (1 - kr - kb), blue], axis=-1)


def even(count, shape):
    return np.full((count, *shape), 1 / count, np.float32)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("value", [0.0, 0.02, 0.5, 1.0])
def test_grey_in_grey_out(color, bits, value):
    neutral = chroma_range(bits, color.full_range)[0]
    dtype = np.uint8 if bits == 8 else np.uint16
    grey = np.full((5, 7), neutral, dtype)
    lumas = [np.full((10, 14), v, np.float32) for v in (value / 4, value)]
    for plane in fuse_chroma([(grey, grey)] * 2, lumas, lumas[1], even(2, (5, 7)), bits, color):
        assert plane.dtype == dtype
        np.testing.assert_array_equal(plane, neutral)


@pytest.mark.parametrize("clipped_one_first", [False, True])
@pytest.mark.parametrize("color", COLORS)
def test_the_hue_comes_from_the_exposure_that_is_not_clipped(color, clipped_one_first):
    # an orange wall; three stops up red is clipped and the wall turns yellow
    wall = np.array([0.45, 0.25, 0.12])
    pair = [coded(wall, 10, color, (8, 8)), coded(np.minimum(wall * 2.57, 1), 10, color, (8, 8))]
    if clipped_one_first:
        pair.reverse()
    fused = np.full((8, 8), 0.5, np.float32)
    chroma, lumas = zip(*pair, strict=True)
    cb, cr = fuse_chroma(chroma, lumas, fused, even(2, (8, 8)), 10, color)
    neutral = chroma_range(10, color.full_range)[0]
    (wall_cb, wall_cr), _ = pair[clipped_one_first]
    hue = np.arctan2(float(cr[0, 0]) - neutral, float(cb[0, 0]) - neutral)
    wanted = np.arctan2(float(wall_cr[0, 0]) - neutral, float(wall_cb[0, 0]) - neutral)
    assert abs(hue - wanted) < np.radians(3)


@pytest.mark.parametrize(
    ("brighter", "chroma_gain"),
    [
        (1.0, 1.0),  # the fused picture is the exposure: nothing changes
        (2.0, 2.0**0.5),  # raised: colour follows by the square root
        (0.9, 1.0),  # lowered: colour stays
    ],
)
def test_saturation_follows_the_luma_of_the_fused_picture(brighter, chroma_gain):
    (planes, luma), neutral = coded((0.3, 0.25, 0.2), 16, BT709, (4, 4)), 1 << 15
    fused = luma * np.float32(brighter)
    for out, source in zip(
        fuse_chroma([planes] * 2, [luma] * 2, fused, even(2, (4, 4)), 16, BT709), planes, strict=True
    ):
        wanted = chroma_gain * (int(source[0, 0]) - neutral)
        assert int(out[0, 0]) - neutral == pytest.approx(wanted, abs=2)


@pytest.mark.parametrize(("white", "gain"), [(1.0, 2**0.5 + RAISE * (2 - 2**0.5)), (0.8, 2**0.5)])
def test_the_exposure_that_alone_shows_a_highlight_keeps_a_little_more_colour(white, gain):
    (planes, luma), neutral = coded((0.3, 0.25, 0.2), 16, BT709, (4, 4)), 1 << 15
    other, bright = coded((white, white, white), 16, BT709, (4, 4))
    only = np.stack([np.ones((4, 4), np.float32), np.zeros((4, 4), np.float32)])
    out = fuse_chroma([planes, other], [luma, bright], 2 * luma, only, 16, BT709)
    for plane, source in zip(out, planes, strict=True):
        assert int(plane[0, 0]) - neutral == pytest.approx(gain * (int(source[0, 0]) - neutral), abs=2)


@pytest.mark.parametrize("color", COLORS)
def test_orange_light_that_is_too_bright_gets_lighter_and_not_yellow(color):
    lamp = coded((0.7, 0.3, 0.0), 16, color, (4, 4))
    fused = np.full((4, 4), 0.75, np.float32)
    cb, cr = fuse_chroma([lamp[0]] * 2, [lamp[1]] * 2, fused, even(2, (4, 4)), 16, color)
    red, green, blue = decoded(quantise(fused, 16, color), cb, cr, 16, color)[0, 0]
    assert red == pytest.approx(WHITE, abs=1e-3)
    assert (green - blue) / (red - blue) < 0.75  # 0.43 in the lamp, 0.9 in a yellow


@pytest.mark.parametrize("color", COLORS)
def test_a_dark_exposure_that_hardly_shows_a_colour_makes_no_coral_discs(color):
    dark, bright = (coded(rgb, 16, color, (4, 4)) for rgb in ((0.3, 0.05, 0.01), (1.0, 1.0, 0.4)))
    fused = np.full((4, 4), 0.74, np.float32)
    chroma, lumas = (dark[0], bright[0]), (dark[1], bright[1])
    cb, cr = fuse_chroma(chroma, lumas, fused, even(2, (4, 4)), 16, color)
    red, green, blue = decoded(quantise(fused, 16, color), cb, cr, 16, color)[0, 0]
    assert red > green > blue + 0.2


@pytest.mark.parametrize("color", COLORS)
def test_dark_water_is_not_as_blue_as_an_exposure_that_is_clipped_and_far_brighter(color):
    shape = (4, 4)
    water, glare = (0.20, 0.23, 0.30), (0.70, 0.80, 1.0)
    (dark, low), (bright, high) = (coded(rgb, 8, color, shape) for rgb in (water, glare))
    weights = np.stack([np.full(shape, w, np.float32) for w in (0.02, 0.98)])
    fused = low * np.float32(1.1)
    cb, cr = fuse_chroma([dark, bright], [low, high], fused, weights, 8, color)
    red, _, blue = decoded(quantise(fused, 8, color), cb, cr, 8, color)[0, 0]
    assert red == pytest.approx(1.1 * 0.20, abs=0.04)
    assert blue == pytest.approx(1.1 * 0.30, abs=0.06)


@pytest.mark.parametrize("clipped", [False, True])
def test_white_is_reached_where_the_exposures_reach_it(clipped):
    yellow = coded((1.0, 1.0, 0.4) if clipped else (0.9, 0.9, 0.3), 16, BT709, (4, 4))
    fused = yellow[1] * np.float32(1.0 if clipped else 1.1)
    cb, cr = fuse_chroma([yellow[0]] * 2, [yellow[1]] * 2, fused, even(2, (4, 4)), 16, BT709)
    rgb = decoded(quantise(fused, 16, BT709), cb, cr, 16, BT709)[0, 0]
    assert rgb.max() == pytest.approx(1.0 if clipped else WHITE, abs=1e-3)


@pytest.mark.parametrize("luma", [0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("hue", range(0, 360, 30))
def test_the_way_into_the_gamut_has_no_jump(luma, hue):
    radius = np.linspace(0, 0.499, 2000, dtype=np.float32)[None]
    angle, seen = np.radians(hue), np.full_like(radius, luma)
    cb, cr = (
        np.rint(32768 + 65535 * radius * turn).astype(np.uint16) for turn in (np.cos(angle), np.sin(angle))
    )
    color = ColorInfo(matrix=1, full_range=True)
    out = np.stack(fuse_chroma([(cb, cr)] * 2, [seen] * 2, seen, even(2, radius.shape), 16, color)) / 65535
    assert np.abs(np.diff(out[:, 0], axis=1)).max() < 0.01


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    bits=st.sampled_from([8, 10, 16]),
    color=st.sampled_from(COLORS),
    count=st.integers(2, 4),
)
def test_the_result_is_inside_the_gamut(seed, bits, color, count):
    rng = np.random.default_rng(seed)
    shape, dtype = (6, 9), np.uint8 if bits == 8 else np.uint16
    top = (1 << bits) - 1
    # any code values at all, legal colours or not; a fused luma that leaves [0, 1]
    chroma = [tuple(rng.integers(0, top + 1, shape).astype(dtype) for _ in "br") for _ in range(count)]
    lumas = [normalise(rng.integers(0, top + 1, shape).astype(dtype), bits, color) for _ in range(count)]
    fused = rng.uniform(-0.1, 1.1, shape).astype(np.float32)
    weights = rng.random((count, *shape), np.float32)
    cb, cr = fuse_chroma(chroma, lumas, fused, weights / weights.sum(axis=0), bits, color)  # type: ignore[arg-type]
    rgb = decoded(quantise(fused, bits, color), cb, cr, bits, color)
    # What rounding may do, to the exposures before and to the result now.
    rounding = (1.6 + ROUNDING) * luma_code(bits, color)
    assert rgb.min() >= -rounding
    assert rgb.max() <= 1 + rounding


@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0), (0, 1), (2, 0)])
@pytest.mark.parametrize("size", [(16, 24), (17, 25), (1, 1), (31, 2)])
def test_native_subsampling_of_any_size(subsampling, size):
    shape = chroma_shape(size[0], size[1], subsampling)
    rng = np.random.default_rng(1)
    chroma = [tuple(rng.integers(0, 256, shape, np.uint8) for _ in "br") for _ in range(2)]
    lumas = [rng.random(size, np.float32) for _ in range(2)]
    for plane in fuse_chroma(chroma, lumas, lumas[0], even(2, shape), 8, BT709):  # type: ignore[arg-type]
        assert plane.shape == shape
        assert plane.dtype == np.uint8


def test_black_has_no_colour_but_what_rounding_explains():
    noise = np.random.default_rng(2).integers(100, 157, (6, 6)).astype(np.uint8)
    black = np.zeros((6, 6), np.float32)
    for plane in fuse_chroma([(noise, noise)] * 2, [black] * 2, black, even(2, (6, 6)), 8, BT709):
        np.testing.assert_allclose(plane, 128, atol=4)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_exposures_that_are_equal_keep_their_colour(matrix, bits, full, seed):
    color = ColorInfo(matrix, matrix, matrix, full)
    (luma, *chroma), rng = saturated((40, 60), bits, color, seed), np.random.default_rng(seed)
    own = normalise(luma, bits, color)
    # The fused luma is the exposures' own, to half a code: it is rounded later.
    for apart in (0.0, 0.5):
        fused = own + np.float32(apart * luma_code(bits, color)) * rng.uniform(-1, 1, own.shape)
        made = fuse_chroma(
            [tuple(chroma)] * 2, [own] * 2, fused.astype(np.float32), even(2, own.shape), bits, color
        )
        for mine, wanted in zip(made, chroma, strict=True):
            assert np.abs(mine.astype(int) - wanted).max() <= (1 if apart else 0)
