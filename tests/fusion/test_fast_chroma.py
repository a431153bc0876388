"""Colour at half the resolution of its weights: the rule of the exact one where nothing changes quickly."""

import numpy as np
import pytest
from pictures import saturated

from streamfuse.core.color_info import ColorInfo, chroma_range
from streamfuse.fusion.chroma import fuse_chroma
from streamfuse.fusion.fast_chroma import fuse_chroma_fast
from streamfuse.fusion.luma import normalise

LIMITED, FULL = ColorInfo(1, 1, 1, False), ColorInfo(1, 1, 1, True)


def even(size):
    return np.full((2, *size), 0.5, np.float32)


def ramps(size, bits, color):
    """Two exposures of a smooth scene: (chroma pairs, lumas, fused luma)."""
    neutral, half = chroma_range(bits, color.full_range)
    dtype = np.uint8 if bits == 8 else np.uint16
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    unit = 1 << (bits - 8)
    lumas = [((40 + 150 * x * gain) * unit).astype(dtype) for gain in (0.4, 1.0)]
    small = [part[::2, ::2] for part in (x, y)]
    chroma = [
        tuple((neutral + half * gain * (part - 0.4)).astype(dtype) for part in small) for gain in (0.2, 0.5)
    ]
    return chroma, lumas, ((40 + 120 * x) * unit).astype(dtype)


@pytest.mark.parametrize("color", [LIMITED, FULL])
@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("size", [(64, 96), (66, 94)])
def test_agrees_with_the_exact_rule_on_smooth_pictures(size, bits, color):
    chroma, lumas, fused = ramps(size, bits, color)
    rows, columns = chroma[0][0].shape
    quick = fuse_chroma_fast(chroma, lumas, fused, even((-(-rows // 2), -(-columns // 2))), bits, color)
    floats = [normalise(plane, bits, color) for plane in lumas]
    exact = fuse_chroma(chroma, floats, normalise(fused, bits, color), even((rows, columns)), bits, color)
    for mine, wanted in zip(quick, exact, strict=True):
        assert (mine.shape, mine.dtype) == (wanted.shape, wanted.dtype)
        difference = np.abs(mine.astype(float) - wanted) / (1 << (bits - 8))
        assert difference[2:-2, 2:-2].max() <= 2


def test_a_highlight_that_one_exposure_alone_shows_has_the_colour_of_the_exact_rule():
    size, colour = (64, 96), (32, 48)
    chroma = [
        (np.full(colour, cb, np.uint8), np.full(colour, cr, np.uint8)) for cb, cr in ((100, 150), (128, 128))
    ]
    lumas = [np.full(size, code, np.uint8) for code in (90, 235)]
    fused = np.full(size, 180, np.uint8)
    quick = fuse_chroma_fast(chroma, lumas, fused, even((16, 24)), 8, LIMITED)
    floats = [normalise(plane, 8, LIMITED) for plane in (*lumas, fused)]
    exact = fuse_chroma(chroma, floats[:2], floats[2], even(colour), 8, LIMITED)
    for mine, wanted in zip(quick, exact, strict=True):
        np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize("value", [0, 16, 128, 255])
def test_grey_stays_grey(value):
    grey = np.full((6, 10), 128, np.uint8)
    luma = np.full((12, 20), value, np.uint8)
    for plane in fuse_chroma_fast([(grey, grey)] * 2, [luma // 2, luma], luma, even((3, 5)), 8, LIMITED):
        np.testing.assert_array_equal(plane, 128)


def test_black_has_no_colour_but_what_rounding_explains():
    noise = np.full((6, 6), 150, np.uint8)
    black = np.full((12, 12), 16, np.uint8)
    for plane in fuse_chroma_fast([(noise, noise)] * 2, [black] * 2, black, even((3, 3)), 8, LIMITED):
        np.testing.assert_allclose(plane, 128, atol=4)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_exposures_that_are_equal_keep_their_colour(matrix, bits, full):
    color = ColorInfo(matrix, matrix, matrix, full)
    # Patches of 4 x 4 pixels, whose chroma is known at half of that.
    luma, *chroma = (np.repeat(np.repeat(p, 4, 0), 4, 1) for p in saturated((40, 60), bits, color, bits))
    chroma = [np.ascontiguousarray(plane[::2, ::2]) for plane in chroma]
    made = fuse_chroma_fast([tuple(chroma)] * 2, [luma] * 2, luma, even((40, 60)), bits, color)  # type: ignore[list-item]
    for mine, wanted in zip(made, chroma, strict=True):
        assert np.abs(mine.astype(int) - wanted).max() <= 1


def test_light_that_is_too_bright_for_its_colour_is_cut_off_as_the_exact_rule_does():
    color = FULL
    orange, luma = (30, 235), 235  # Cb, Cr: R' would be 1.51
    planes = tuple(np.full((24, 32), value, np.uint8) for value in orange)
    lumas = [np.full((48, 64), luma, np.uint8)] * 2
    quick = fuse_chroma_fast([planes] * 2, lumas, lumas[0], even((12, 16)), 8, color)  # type: ignore[list-item]
    floats = [normalise(plane, 8, color) for plane in lumas]
    exact = fuse_chroma([planes] * 2, floats, floats[0], even((24, 32)), 8, color)  # type: ignore[list-item]
    assert int(quick[1][5, 5]) < orange[1] - 30
    for mine, wanted in zip(quick, exact, strict=True):
        np.testing.assert_allclose(mine.astype(float), wanted, atol=1)
