"""The numbers of a look: what rises, what stays, what keeps its hue, and that nothing shows bands."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo, luma_range
from streamfuse.core.frame import FusedFrame
from streamfuse.errors import UsageError
from streamfuse.look.dither import for_planes
from streamfuse.look.look import Look
from streamfuse.look.stage import Grader, LookStage
from streamfuse.look.tone import tone_curve

FULL = ColorInfo(1, 1, 1, True)
AMOUNT = st.floats(-1, 1)
LOOKS = st.builds(Look, *[AMOUNT] * 6)
KINDS = st.tuples(
    st.sampled_from([8, 10, 12, 16]),
    st.sampled_from([(1, 1), (1, 0), (0, 0)]),
    st.sampled_from([1, 2, 6, 9]),
    st.booleans(),
)


def graded(planes, look, bits=8, subsampling=(0, 0), color=FULL):
    return Grader(look)(tuple(planes), bits, subsampling, color)


@settings(max_examples=60, deadline=None)
@given(LOOKS)
def test_the_tone_curve_rises_everywhere_and_keeps_black_and_white(look):
    codes = np.arange(65536) / 65535
    curve = tone_curve(look, codes)
    assert (np.diff(curve) > 0).all()
    assert curve[0] == pytest.approx(0, abs=1e-9)
    assert curve[-1] == pytest.approx(1, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(LOOKS, st.sampled_from([8, 10, 12, 16]), st.booleans())
def test_a_brighter_pixel_never_gets_darker(look, bits, full):
    """Side by side under one threshold, at every depth and range, codes beyond black and white included."""
    look = Look(**{**look.numbers, "detail": 0.0})
    codes = np.linspace(0, (1 << bits) - 1, 256).astype(np.uint8 if bits == 8 else np.uint16)
    picture = np.repeat(np.repeat(codes[:, None], 64, 0), 64, 1)  # 64 lines and columns for each code
    (out,) = graded([picture], look, bits, color=ColorInfo(1, 1, 1, full))
    assert (np.diff(out.reshape(256, 64, 64).astype(int), axis=0) >= 0).all()


@settings(max_examples=25, deadline=None)
@given(AMOUNT, st.integers(0, 254), st.integers(0, 255))
def test_detail_never_turns_two_pixels_round(detail, code, around):
    """In the same surroundings, which one pixel alone hardly changes."""
    pictures = [np.full((180, 200), around, np.uint8) for _ in range(2)]
    pictures[0][90, 100], pictures[1][90, 100] = code, code + 1
    darker, brighter = (graded([p], Look(detail=detail))[0][90, 100] for p in pictures)
    assert brighter >= darker


@settings(max_examples=20, deadline=None)
@given(LOOKS, KINDS)
def test_black_white_and_grey_stay_black_white_and_grey(look, kind):
    bits, subsampling, matrix, full = kind
    color = ColorInfo(matrix, 1, 1, full)
    for level in luma_range(bits, full):
        rgb = np.full((16, 16, 3), 0 if level == luma_range(bits, full)[0] else 65535, np.uint16)
        planes = rgb_to_planes(rgb, bits=bits, subsampling=subsampling, color=color)
        for before, after in zip(planes, graded(planes, look, bits, subsampling, color), strict=True):
            assert after.dtype == before.dtype
            assert np.abs(after.astype(int) - before).max() <= 1 + (bits > 12)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_what_a_look_does_not_touch_stays_bit_for_bit(bits):
    rng = np.random.default_rng(1)
    kind = np.uint8 if bits == 8 else np.uint16
    luma, cb, cr = (rng.integers(0, 1 << bits, (70, 90), dtype=kind) for _ in range(3))
    out = graded([luma, cb, cr], Look(saturation=-1), bits)
    assert np.array_equal(out[0], luma)
    assert np.all(out[1] == 1 << (bits - 1))
    out = graded([luma, cb, cr], Look(detail=1e-12), bits)
    assert all(np.array_equal(a, b) for a, b in zip(out, (luma, cb, cr), strict=True))


def test_brightness_is_in_ev_in_the_darks_and_its_opposite_undoes_it():
    dark = np.array([0.02, 0.05])
    light = tone_curve(Look(brightness=1), dark) ** 2.2 / dark**2.2
    assert np.abs(np.log2(light) - 1).max() < 0.01
    ramp = np.linspace(0, 1, 100)
    back = tone_curve(Look(brightness=-0.7), tone_curve(Look(brightness=0.7), ramp))
    assert np.abs(back - ramp).max() < 1e-9


@pytest.mark.parametrize(
    ("name", "part", "sign"),
    [("shadows", slice(10, 80), 1), ("highlights", slice(180, 245), 1), ("brightness", slice(10, 245), 1)],
)
def test_each_number_moves_its_part(name, part, sign):
    ramp = np.arange(256) / 255
    for amount in (-0.6, 0.6):
        moved = tone_curve(Look(**{name: amount}), ramp) - ramp  # type: ignore[arg-type]
        assert (np.sign(moved[part]) == np.sign(amount * sign)).all()


def test_contrast_and_detail_raise_the_differences_they_are_named_after():
    ramp = np.arange(256) / 255
    slope = np.diff(tone_curve(Look(contrast=0.5), ramp)) * 255
    assert slope[127] > 1.2
    rng = np.random.default_rng(0)
    fine = np.rint(128 + rng.normal(0, 6, (180, 200))).clip(0, 255).astype(np.uint8)
    assert graded([fine], Look(detail=0.5))[0].std() > 1.15 * fine.std()
    assert graded([fine], Look(detail=-0.5))[0].std() < 0.85 * fine.std()


def test_detail_draws_no_halo_at_a_strong_edge():
    edge = np.full((180, 200), 60, np.uint8)
    edge[:, 100:] = 200
    out = graded([edge], Look(detail=1))[0].astype(int)
    assert np.abs(out - edge).max() <= 16  # of a step of 140


@settings(max_examples=40, deadline=None)
@given(LOOKS, KINDS, st.tuples(*[st.integers(0, 65535)] * 3))
def test_colours_keep_their_hue_and_leave_no_gamut(look, kind, rgb):
    bits, subsampling, matrix, full = kind
    color = ColorInfo(matrix, 1, 1, full)
    planes = rgb_to_planes(
        np.tile(np.array(rgb, np.uint16), (32, 32, 1)), bits=bits, subsampling=subsampling, color=color
    )
    out = graded(planes, look, bits, subsampling, color)
    neutral = 1 << (bits - 1)
    before, after = (np.array([p[:].mean() for p in ps[1:]]) - neutral for ps in (planes, out))
    size = np.hypot(*before)
    if size < 8 << (bits - 8):
        return
    # Parallel: what is left across is the rounding.
    assert abs(before[0] * after[1] - before[1] * after[0]) / size < 0.75
    assert before @ after >= -size
    assert np.hypot(*after) < 8 * size


def test_a_smooth_gradient_shows_no_bands():
    """Means over the thresholds follow the exact curve, where rounding alone would give steps of up to half a code."""
    look = Look(contrast=-1)
    levels = np.arange(60, 200)
    wide = np.repeat(np.repeat(levels[:, None], 64, 0), 64, 1).astype(np.uint8)
    (out,) = graded([wide], look)
    means = out.reshape(len(levels), 64, 64).mean(axis=(1, 2))
    exact = tone_curve(look, levels / 255) * 255
    assert np.abs(means - exact).max() < 0.05
    assert np.abs(np.rint(exact) - exact).max() > 0.3


def test_thresholds_are_even_over_small_areas():
    for pattern in for_planes(64):
        assert 0 < pattern.min() < 0.01
        assert 0.99 < pattern.max() < 0.997
        blocks = pattern.reshape(16, 4, 16, 4).mean(axis=(1, 3))
        assert np.abs(blocks - 0.5).max() < 0.15


def test_the_stage_keeps_everything_but_the_pixels_and_is_the_same_every_time():
    rng = np.random.default_rng(2)
    planes = tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((33, 51), (17, 26), (17, 26)))
    frame = FusedFrame(
        planes, 8, (1, 1), ColorInfo(), 7, Fraction(1, 25), 7, (6, 7, 8), {"untrusted_share": 0.5}
    )
    (one,), (other,) = (list(LookStage(Look.named("vivid")).push(frame)) for _ in range(2))
    assert (one.pts, one.index, one.exposures, one.stats) == (7, 7, (6, 7, 8), frame.stats)
    assert all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))
    assert [p.shape for p in one.planes] == [p.shape for p in planes]
    assert not np.array_equal(one.planes[0], planes[0])


def test_planes_that_cannot_be_written_or_lie_apart_are_taken():
    """As those of frames that passed as the codec gave them."""
    big = np.random.default_rng(3).integers(0, 256, (40, 100), dtype=np.uint8)
    view = big[:, 10:74]
    view.flags.writeable = False
    assert np.array_equal(graded([view], Look(contrast=0.5))[0], graded([view.copy()], Look(contrast=0.5))[0])


def test_numbers_out_of_range_and_unknown_names_are_told():
    with pytest.raises(UsageError, match=r"contrast 1.5 is out of range: .* from -1 to 1"):
        Look(contrast=1.5)
    with pytest.raises(UsageError, match="no look 'vivd': choose from off, natural, vivid, flat"):
        Look.named("vivd")
    assert not Look.named("off").active
    assert not Look().active


def test_colours_are_still_colours():
    """A coarse look by R'G'B': saturation moves them away from grey, and -1 makes them grey."""
    rgb = np.tile(np.array([40000, 30000, 20000], np.uint16), (16, 16, 1))
    color = ColorInfo(1, 1, 1, False)
    planes = rgb_to_planes(rgb, bits=8, subsampling=(1, 1), color=color)

    def spread(saturation):
        out = graded(planes, Look(saturation=saturation), 8, (1, 1), color)
        return float(np.ptp(planes_to_rgb(out, 8, (1, 1), color).astype(float).mean(axis=(0, 1))))

    assert spread(-1) < 1.5 < 0.7 * spread(0.0) < spread(0.0) < 0.8 * spread(1)
