from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.color import (
    chroma_shape,
    convert_planes,
    copied_rgb,
    neutral_chroma,
    planes_to_rgb,
    rgb_to_planes,
    to_8_bit,
    to_16_bit,
)
from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.errors import UsageError

MATRICES = (1, 6, 9)
# Studio-range code values of the colour bars of 8 bit, from the published tables of BT.601 and BT.709.
BARS = [
    (6, (255, 0, 0), (81, 90, 240)),
    (6, (0, 255, 0), (145, 54, 34)),
    (6, (0, 0, 255), (41, 240, 110)),
    (1, (255, 0, 0), (63, 102, 240)),
    (1, (0, 255, 0), (173, 42, 26)),
    (1, (0, 0, 255), (32, 240, 118)),
    (9, (255, 255, 255), (235, 128, 128)),
    (9, (0, 0, 0), (16, 128, 128)),
]


def solid(rgb, shape=(6, 8), dtype=np.uint8):
    return np.full((*shape, 3), rgb, dtype)


@pytest.mark.parametrize(("matrix", "rgb", "ycc"), BARS)
def test_published_code_values(matrix, rgb, ycc):
    planes = rgb_to_planes(solid(rgb), bits=8, subsampling=(1, 1), color=ColorInfo(matrix=matrix))
    assert [int(plane[0, 0]) for plane in planes] == list(ycc)
    assert [plane.shape for plane in planes] == [(6, 8), (3, 4), (3, 4)]


@given(
    seed=st.integers(0, 10_000),
    bits=st.sampled_from([8, 10, 12, 16]),
    full=st.booleans(),
    matrix=st.sampled_from(MATRICES),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=60, deadline=None)
def test_rgb_comes_back(seed, bits, full, matrix, size):
    dtype: type[np.unsignedinteger] = np.uint8 if bits == 8 else np.uint16
    top = np.iinfo(dtype).max
    rgb = np.random.default_rng(seed).integers(0, top + 1, (*size, 3)).astype(dtype)
    color = ColorInfo(matrix=matrix, full_range=full)
    planes = rgb_to_planes(rgb, bits=bits, subsampling=(0, 0), color=color)
    back = planes_to_rgb(planes, bits, (0, 0), color)
    # Y'CbCr code values are 219 / 255 as dense as R'G'B' in limited range, and 16-bit output is stretched.
    step = top / ((1 << bits) - 1)
    assert back.dtype == dtype
    assert np.abs(back.astype(int) - rgb).max() <= (1 if full else 2) * step * 1.5 + 1


def test_full_range_8_bit_comes_back_within_one():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    color = ColorInfo(matrix=1, full_range=True)
    back = planes_to_rgb(rgb_to_planes(rgb, bits=8, subsampling=(0, 0), color=color), 8, (0, 0), color)
    assert np.abs(back.astype(int) - rgb).max() <= 1


@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 1), (0, 0), (2, 0), (2, 2)])
@pytest.mark.parametrize("size", [(5, 7), (4, 8), (1, 1), (1, 9), (481 // 8, 641 // 8)])
def test_flat_colour_survives_every_subsampling_and_size(subsampling, size):
    color = ColorInfo(matrix=1, full_range=True)
    planes = rgb_to_planes(solid((200, 90, 30), size), bits=8, subsampling=subsampling, color=color)
    assert planes[1].shape == chroma_shape(size[0], size[1], subsampling)
    back = planes_to_rgb(planes, 8, subsampling, color)
    assert back.shape == (*size, 3)
    assert np.abs(back.astype(int) - (200, 90, 30)).max() <= 1


def test_chroma_sits_on_the_left_luma_column():
    # A ramp of chroma along x: the chroma sample of column 2k is the ramp's value at 2k.
    ramp = np.arange(16, dtype=np.uint16) * 16 + 100
    planes = (np.full((4, 16), 500, np.uint16), np.tile(ramp, (4, 1)), np.tile(ramp, (4, 1)))
    color = ColorInfo(matrix=1)
    low = convert_planes(planes, 10, (0, 0), color, to_bits=10, to_subsampling=(1, 1), to_color=color)
    assert np.array_equal(low[1][:, 1:-1], np.tile(ramp[2:-2:2], (2, 1)))
    high = convert_planes(low, 10, (1, 1), color, to_bits=10, to_subsampling=(0, 0), to_color=color)
    assert np.array_equal(high[1][:, 2:-3], planes[1][:, 2:-3])


def test_chroma_lies_between_two_luma_lines():
    # Chroma line k is the mean of luma lines 2k and 2k + 1 and lies halfway between them.
    ramp = np.arange(16, dtype=np.uint16)[:, None] * 16 + 100
    planes = tuple(np.tile(ramp, (1, 4)) for _ in range(3))
    color = ColorInfo(matrix=1)
    low = convert_planes(planes, 10, (0, 0), color, to_bits=10, to_subsampling=(0, 1), to_color=color)
    assert np.array_equal(low[1][:, 0], ramp[::2, 0] + 8)
    high = convert_planes(low, 10, (0, 1), color, to_bits=10, to_subsampling=(0, 0), to_color=color)
    assert np.array_equal(high[1][1:-1], planes[1][1:-1])


def test_illegal_codes_clip_and_never_wrap():
    wild = tuple(np.array([[0, 255], [255, 0]], np.uint8) for _ in range(3))
    rgb = planes_to_rgb(wild, 8, (0, 0), ColorInfo(matrix=1))
    assert rgb[0, 0].tolist() == [0, 77, 0]  # luma 0, chroma 0: red and blue lie far below black
    assert rgb[0, 1, 0] == 255
    assert rgb[0, 1, 2] == 255


def test_nothing_to_convert_returns_the_same_arrays():
    color = ColorInfo(matrix=1)
    planes = rgb_to_planes(solid((1, 2, 3)), bits=10, subsampling=(1, 1), color=color)
    same = convert_planes(planes, 10, (1, 1), color, to_bits=10, to_subsampling=(1, 1), to_color=color)
    assert all(a is b for a, b in zip(planes, same, strict=True))


@given(
    seed=st.integers(0, 1000),
    full=st.booleans(),
    to_bits=st.sampled_from([10, 12, 16]),
    to_full=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_more_bits_and_another_range_lose_nothing(seed, full, to_bits, to_full):
    rng = np.random.default_rng(seed)
    low, high = luma_range(8, full)
    planes = tuple(rng.integers(low, high + 1, shape).astype(np.uint8) for shape in ((5, 7), (3, 4), (3, 4)))
    color, other = ColorInfo(matrix=1, full_range=full), ColorInfo(matrix=1, full_range=to_full)
    wide = convert_planes(planes, 8, (1, 1), color, to_bits=to_bits, to_subsampling=(1, 1), to_color=other)
    assert wide[0].dtype == np.uint16
    back = convert_planes(wide, to_bits, (1, 1), other, to_bits=8, to_subsampling=(1, 1), to_color=color)
    for plane, again in zip(planes, back, strict=True):
        assert np.array_equal(plane, again)


def test_matrix_is_converted_not_only_renamed():
    rgb = solid((200, 60, 20))
    source = rgb_to_planes(rgb, bits=10, subsampling=(0, 0), color=ColorInfo(matrix=6))
    target = convert_planes(
        source,
        10,
        (0, 0),
        ColorInfo(matrix=6),
        to_bits=10,
        to_subsampling=(0, 0),
        to_color=ColorInfo(matrix=1, full_range=True),
    )
    assert abs(int(target[0][0, 0]) - int(source[0][0, 0])) > 20
    back = planes_to_rgb(target, 10, (0, 0), ColorInfo(matrix=1, full_range=True))
    assert np.abs(back / 257.0 - rgb).max() < 0.5


def test_grey_has_three_equal_channels_and_stays_one_plane():
    grey = (np.array([[16, 126, 235]], np.uint8),)
    rgb = planes_to_rgb(grey, 8, (0, 0), ColorInfo())
    assert rgb[0].tolist() == [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    full = ColorInfo(full_range=True)
    wide = convert_planes(grey, 8, (0, 0), ColorInfo(), to_bits=10, to_subsampling=(1, 1), to_color=full)
    assert len(wide) == 1
    assert wide[0][0, 0] == 0
    assert wide[0][0, 2] == 1023


def test_neutral_chroma_is_grey():
    color = ColorInfo(matrix=9, full_range=True)
    luma = np.full((3, 5), 300, np.uint16)
    rgb = planes_to_rgb((luma, *neutral_chroma(3, 5, 10, (1, 1))), 10, (1, 1), color)
    assert np.ptp(rgb) == 0


def exact_rgb(planes, bits, subsampling, color):
    """R'G'B' of H.273 in float64, not rounded; chroma on the left luma column and between two luma lines."""
    height, width = planes[0].shape
    kr, kb = color.luma_coefficients(height)
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    light = (planes[0].astype(float) - black) / (white - black)
    blue, red = (
        (between(plane, subsampling, (height, width)) - neutral) / (2 * half) for plane in planes[1:]
    )
    r, b = light + 2 * (1 - kr) * red, light + 2 * (1 - kb) * blue
    return np.stack([r, (light - kr * r - kb * b) / (1 - kr - kb), b], axis=-1)


def between(plane, subsampling, size):
    """A chroma plane at the places of luma."""
    rows = (np.arange(size[0]) + 0.5) / 2 ** subsampling[1] - 0.5
    columns = np.arange(size[1]) / 2 ** subsampling[0]
    down = [np.interp(rows, np.arange(plane.shape[0]), line) for line in plane.T.astype(float)]
    return np.array([np.interp(columns, np.arange(plane.shape[1]), line) for line in np.transpose(down)])


@given(
    seed=st.integers(0, 10_000),
    bits=st.sampled_from([8, 10, 12, 16]),
    full=st.booleans(),
    matrix=st.sampled_from((*MATRICES, 2)),
    subsampling=st.sampled_from([(1, 1), (1, 0), (0, 1), (0, 0), (2, 0), (2, 2)]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 70)),
    blue_first=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_rgb_is_that_of_the_formula_to_a_rounding(seed, bits, full, matrix, subsampling, size, blue_first):
    rng = np.random.default_rng(seed)
    dtype = np.uint8 if bits == 8 else np.uint16
    top = np.iinfo(dtype).max
    shapes = [size, *[chroma_shape(size[0], size[1], subsampling)] * 2]
    planes = tuple(rng.integers(0, 1 << bits, shape).astype(dtype) for shape in shapes)
    color = ColorInfo(matrix=matrix, full_range=full)
    rgb = planes_to_rgb(planes, bits, subsampling, color, blue_first=blue_first)
    exact = np.clip(exact_rgb(planes, bits, subsampling, color), 0, 1) * top
    assert rgb.dtype == dtype
    assert np.abs((rgb[..., ::-1] if blue_first else rgb) - exact).max() <= 0.52


@pytest.mark.parametrize("bits", [8, 10])
def test_pixels_are_put_where_they_are_wanted(bits):
    rng = np.random.default_rng(1)
    planes = rgb_to_planes(
        rng.integers(0, 256, (6, 8, 3)).astype(np.uint8), bits=bits, subsampling=(1, 1), color=ColorInfo(1)
    )
    rgb = planes_to_rgb(planes, bits, (1, 1), ColorInfo(1))
    out = np.zeros_like(rgb)
    assert planes_to_rgb(planes, bits, (1, 1), ColorInfo(1), out=out) is out
    assert np.array_equal(out, rgb)
    assert np.array_equal(planes_to_rgb(planes, bits, (1, 1), ColorInfo(1), blue_first=True), rgb[..., ::-1])
    assert copied_rgb(rgb, blue_first=True, out=out) is out
    assert np.array_equal(out, rgb[..., ::-1])


def test_planes_may_be_parts_of_larger_ones_and_read_only():
    rng = np.random.default_rng(2)
    wide = tuple(rng.integers(0, 256, shape, np.uint8) for shape in ((8, 24), (4, 12), (4, 12)))
    parts = tuple(plane[:, : plane.shape[1] // 2] for plane in wide)
    alone = tuple(plane.copy() for plane in parts)
    for plane in alone:
        plane.flags.writeable = False
    color = ColorInfo(1)
    assert np.array_equal(planes_to_rgb(parts, 8, (1, 1), color), planes_to_rgb(alone, 8, (1, 1), color))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (
            np.zeros((6, 8, 3), np.uint16),
            r"shape \(6, 8, 3\), uint8, and is an array of shape \(6, 8, 3\), uint16",
        ),
        (
            np.zeros((6, 8, 4), np.uint8),
            r"shape \(6, 8, 3\), uint8, and is an array of shape \(6, 8, 4\), uint8",
        ),
        (np.zeros((6, 16, 3), np.uint8)[:, ::2], "in C order"),
        (read_only(np.zeros((6, 8, 3), np.uint8)), "can be written to"),
        ([0], "a list of 1"),
    ],
)
def test_another_kind_of_array_cannot_be_written_to(out, words):
    planes = (np.zeros((6, 8), np.uint8), *neutral_chroma(6, 8, 8, (1, 1)))
    with pytest.raises(UsageError, match=words):
        planes_to_rgb(planes, 8, (1, 1), ColorInfo(), out=out)


def test_chroma_that_does_not_fit_is_refused():
    planes = (np.zeros((6, 8), np.uint8), *neutral_chroma(6, 8, 8, (1, 1)))
    with pytest.raises(UsageError, match=r"do not fit a luma plane of \(6, 8\)"):
        planes_to_rgb(planes, 8, (0, 0), ColorInfo())


@pytest.mark.parametrize("shape", [(256, 256), (128, 512, 1), (64, 1024)])
def test_8_bits_are_rounded_and_16_bits_keep_white(shape):
    codes = np.arange(65536, dtype=np.uint16).reshape(shape)
    np.testing.assert_array_equal(to_8_bit(codes), np.rint(codes / 257.0))
    assert to_8_bit(codes).shape == shape
    eight = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_8_bit(to_16_bit(eight)), eight)
    assert to_16_bit(eight)[-1] == 65535
