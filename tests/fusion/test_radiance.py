"""Merging into radiance: what is known comes back, for any exposures, and is calm over time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Exposure, Frame, Neighbours
from streamfuse.fusion.radiance import HdrTarget, RadianceStage, merged, rendering
from streamfuse.fusion.radiance_scale import measured_step, picked, sampled_colours, usual_white_ev
from streamfuse.imaging import hdr_transfer as hdr
from streamfuse.imaging import photometric
from streamfuse.imaging.photometric import BT709, PLAIN, SRGB

COLOR = ColorInfo(matrix=1, primaries=1, transfer=1)
SIZE = (24, 32)


def exposed(radiance, ev, *, bits=10, subsampling=(0, 0), color=COLOR, transfer=PLAIN, noise=0.0, seed=0):
    """Planes of linear light (H, W, 3), of which 1 is clipped at 0 EV."""
    light = radiance * 2.0**ev
    deviation = np.sqrt(noise**2 + noise * light / 10)  # read and shot noise
    light = np.clip(light + deviation * np.random.default_rng(seed).standard_normal(light.shape), 0, 1)
    codes = np.linspace(0, 1, 65536)
    coded = np.interp(light, photometric.decoded(codes, transfer), codes)
    rgb = np.round(coded * 65535).astype(np.uint16)
    return rgb_to_planes(rgb, bits=bits, subsampling=subsampling, color=color)


def merge(
    exposures, gaps, *, bits=10, subsampling=(0, 0), color=COLOR, transfer=PLAIN, target=None, white=0.25
):
    coded = rendering(target or HdrTarget(), color.primaries, white)
    return merged(exposures, gaps, transfer, bits, subsampling, color, coded, keep=True)


def scene(height=24, width=320):
    """Radiance from 0.002 to 0.9 along the lines."""
    ramp = np.exp2(np.linspace(-9, np.log2(0.9), width))
    return np.repeat(np.tile(ramp, (height, 1))[..., None], 3, axis=2)


def bracket(exposures, rank=0, index=0, metadata=None, gaps=(0.0, 3.0), bits=10):
    frames = [
        Frame(planes, bits, (0, 0), COLOR, index, Fraction(1, 25), index + place,
              exposure=None if metadata is None else Exposure(time_us=metadata[place]))
        for place, planes in enumerate(exposures)
    ]  # fmt: skip
    reference = replace(frames[rank], index=index)
    missing = {other: Neighbours(frames[other], None) for other in range(len(frames)) if other != rank}
    taken = Bracket(reference, rank, len(frames), missing)
    return AlignedBracket(taken, tuple(exposures), tuple(gaps), (None,) * len(exposures))


@pytest.mark.parametrize("transfer", [PLAIN, SRGB, BT709])
@pytest.mark.parametrize("gaps", [(0.0, 3.0), (0.0, 2.0, 4.0), (0.0, 1.5, 3.0, 4.5, 6.0)])
def test_a_static_scene_is_its_radiance(gaps, transfer):
    radiance = scene()
    taken = [exposed(radiance, gap, transfer=transfer) for gap in gaps]
    _, found = merge(taken, gaps, transfer=transfer)
    np.testing.assert_allclose(found, radiance, rtol=0.012)


def test_noise_is_no_more_than_that_of_the_better_exposure():
    radiance = np.full((64, 64, 3), 0.05)
    taken = [exposed(radiance, gap, noise=1e-3, seed=seed) for seed, gap in enumerate((0.0, 3.0))]
    _, found = merge(taken, (0.0, 3.0))
    assert found.mean() == pytest.approx(0.05, rel=5e-3)
    assert (
        found.std() < 1.02 * np.sqrt(1e-6 + 1e-4 * 0.4) / 8
    )  # the brighter exposure's, in units of radiance


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 6), st.sampled_from([8, 10, 12]), st.sampled_from([PLAIN, SRGB, BT709]))
def test_brighter_stays_brighter(gap, bits, transfer):
    radiance = scene()
    taken = [exposed(radiance, ev, bits=bits, transfer=transfer) for ev in (0.0, gap)]
    _, found = merge(taken, (0.0, gap), bits=bits, transfer=transfer)
    luma = found[0, :, 1]
    step = 0.02 if bits == 8 else 0.005  # of rounding, where one exposure hands over to the next
    assert np.all(np.maximum.accumulate(luma) <= luma * (1 + step))


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize("primaries", [1, 9])
def test_patches_of_every_primary_come_back_from_the_codes(transfer, primaries):
    color = replace(COLOR, primaries=primaries)
    patches = np.array([[1, 1, 1], [1, 0.05, 0.05], [0.05, 1, 0.05], [0.05, 0.05, 1], [0.4, 0.8, 0.2]])
    levels = np.array([0.02, 0.05, 0.12, 0.25, 0.45])
    radiance = np.repeat(np.repeat(patches[:, None] * levels[None, :, None], 8, 0), 8, 1)
    taken = [exposed(radiance, gap, bits=12, color=color) for gap in (0.0, 3.0)]
    target, white = HdrTarget(transfer), 0.25
    planes, _ = merge(taken, (0.0, 3.0), bits=12, color=color, target=target, white=white)
    signal = planes_to_rgb(planes, 10, (0, 0), target.color) / 65535
    decode, unit = {"pq": (hdr.pq_decode, hdr.REFERENCE_WHITE), "hlg": (hdr.hlg_decode, hdr.HLG_WHITE)}[
        transfer
    ]
    light = decode(signal) / unit
    back = light * white @ hdr.between_primaries(hdr.BT2020, primaries).T
    seen = back[4::8, 4::8]
    wanted = radiance[4::8, 4::8]
    large = wanted > 0.6 * wanted.max(axis=2, keepdims=True)  # a small channel is a difference of large ones
    np.testing.assert_allclose(seen[large], wanted[large], rtol=0.02)


def test_subsampled_chroma_lies_where_it_did():
    radiance = np.full((32, 48, 3), 0.1)
    radiance[:, 24:] *= (1.0, 0.3, 0.2)
    taken = [exposed(radiance, gap, subsampling=(1, 1)) for gap in (0.0, 3.0)]
    planes, _ = merge(taken, (0.0, 3.0), subsampling=(1, 1))
    assert planes[1].shape == planes[2].shape == (16, 24)
    assert np.ptp(planes[2][:, :11].astype(int)) <= 1 and np.ptp(planes[2][:, 13:].astype(int)) <= 1
    assert int(planes[2][0, 20]) - int(planes[2][0, 4]) > 20


@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0), (0, 1)])
def test_odd_sizes_and_grey(subsampling):
    radiance = scene(11, 17)
    taken = [exposed(radiance, gap, subsampling=subsampling) for gap in (0.0, 3.0)]
    planes, found = merge(taken, (0.0, 3.0), subsampling=subsampling)
    assert [p.shape for p in planes] == [p.shape for p in taken[0]]
    grey, alone = merge([p[:1] for p in taken], (0.0, 3.0), subsampling=subsampling)
    assert len(grey) == 1
    np.testing.assert_allclose(grey[0].astype(int), planes[0].astype(int), atol=1)
    np.testing.assert_allclose(alone, found, rtol=0.02)


def test_what_clips_in_every_exposure_has_a_value():
    white = np.full((*SIZE, 3), 5.0)
    _, found = merge([exposed(white, gap) for gap in (0.0, 3.0)], (0.0, 3.0))
    np.testing.assert_allclose(found, 1.0, rtol=1e-3)


def test_what_a_brighter_exposure_shows_white_is_not_black():
    black, white = np.zeros((*SIZE, 3)), np.ones((*SIZE, 3))
    _, found = merge(
        [exposed(black, 0.0), exposed(white, 0.0)], (0.0, 3.0)
    )  # a camera that crushes its blacks
    np.testing.assert_allclose(found, 1 / 8, rtol=0.01)


def test_the_colours_of_nearly_black_codes_tint_nothing_that_a_brighter_exposure_shows_white():
    """As a codec of 8 bit leaves them: what is white in the bright exposure turned magenta."""
    tinted = np.broadcast_to(np.array([0.15, 0.02, 0.15]), (*SIZE, 3))
    _, found = merge([exposed(tinted, 0.0), exposed(np.ones((*SIZE, 3)), 0.0)], (0.0, 3.0))
    np.testing.assert_allclose(found[..., 1], 1 / 8, rtol=0.01)
    np.testing.assert_allclose(found[..., 0], 0.15, rtol=0.05)


@pytest.mark.parametrize("colour", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.3, 0.0), (0.8, 0.0, 1.0)])
@pytest.mark.parametrize("gaps", [(0.0, 5.0), (0.0, 7.0), (0.0, 3.5, 7.0)])
def test_a_small_lamp_of_one_colour_leaves_no_hole(colour, gaps):
    """Its chroma is shared with the dark around it: in the brighter exposures no channel seems to clip."""
    radiance = np.full((64, 96, 3), 0.002)
    lamps = np.s_[5:60:7, 4:90:9]
    radiance[lamps] = np.multiply(colour, 0.8)
    taken = [
        exposed(radiance, gap, bits=8, subsampling=(1, 1), noise=1e-3, seed=n) for n, gap in enumerate(gaps)
    ]
    _, found = merge(taken, gaps, bits=8, subsampling=(1, 1))
    _, alone = merge(taken[:1], gaps[:1], bits=8, subsampling=(1, 1))  # the darkest, to whom nothing clips
    weights = np.array([0.2126, 0.7152, 0.0722])
    assert float((found[lamps] @ weights / (alone[lamps] @ weights)).min()) > 1 / 4
    around = np.ones((64, 96), bool)
    for dy in range(-2, 3):  # pixels that share their chroma
        for dx in range(-2, 3):
            around[5 + dy : 60 + dy : 7, 4 + dx : 90 + dx : 9] = False
    assert float((found[around] @ weights).max()) < 0.004


def test_nothing_exceeds_the_peak():
    target = HdrTarget("pq", peak=600.0)
    radiance = scene()
    planes, _ = merge([exposed(radiance, g) for g in (0.0, 3.0)], (0.0, 3.0), target=target, white=0.05)
    signal = planes_to_rgb(planes, 10, (0, 0), target.color) / 65535
    assert hdr.pq_decode(signal).max() == pytest.approx(600, rel=0.02)


def test_white_stays_where_the_first_bracket_puts_it():
    radiance = scene(64, 320)
    stage = RadianceStage(HdrTarget())
    taken = [exposed(radiance, gap) for gap in (0.0, 3.0)]
    levels = []
    for index in range(8):
        told = 3.0 + (0.4 if index % 2 else -0.4)  # an alignment whose gap errs with the exposure
        (frame,) = stage.push(bracket(taken, index % 2, index, gaps=(0.0, told)))
        levels.append(float(frame.luma.mean()))
    assert np.ptp(levels) < 0.05


@pytest.mark.parametrize("transfer", [PLAIN, SRGB])
def test_the_transfer_function_and_the_gap_are_found(transfer):
    radiance = scene(96, 320)
    taken = [exposed(radiance, gap, transfer=transfer) for gap in (0.0, 2.5)]
    stage = RadianceStage(HdrTarget(white_ev=0.0, keep=True))
    (frame,) = stage.push(bracket(taken, gaps=(0.0, 3.1)))
    np.testing.assert_allclose(frame.radiance, radiance, rtol=0.03)


def test_metadata_are_believed():
    dim = scene(96, 320) * 0.001  # in which no ratio can be measured
    taken = [exposed(dim, gap) for gap in (0.0, 4.0)]
    stage = RadianceStage(HdrTarget(white_ev=0.0, keep=True))
    (frame,) = stage.push(bracket(taken, metadata=(100.0, 1600.0), gaps=(0.0, 1.0)))
    bright = dim > 5e-4
    np.testing.assert_allclose(frame.radiance[bright], dim[bright], rtol=0.1)


def test_a_frame_without_a_partner_has_its_white_at_diffuse_white():
    title = np.full((*SIZE, 3), 1.0)
    planes = exposed(title, 0.0)
    frame = Frame(planes, 10, (0, 0), COLOR, 0, Fraction(1, 25), 0)
    alone = AlignedBracket(Bracket(frame, 0, 2, {}), (planes, planes), (0.0, 0.0), (None, None))
    (fused,) = RadianceStage(HdrTarget(keep=True)).push(alone)
    np.testing.assert_allclose(fused.radiance, 1.0, rtol=1e-3)
    signal = fused.rgb() / 65535
    np.testing.assert_allclose(hdr.pq_decode(signal), hdr.REFERENCE_WHITE, rtol=0.02)


def test_a_fade_is_dimmed_in_light():
    radiance = scene(64, 320)
    taken = [exposed(radiance, gap) for gap in (0.0, 3.0)]
    plain, faded = (
        next(iter(RadianceStage(HdrTarget(keep=True), dimmed).push(bracket(taken))))
        for dimmed in (lambda _: 1.0, lambda _: 0.5)
    )
    np.testing.assert_allclose(faded.radiance, plain.radiance * 0.5**2.2, rtol=1e-4)


@pytest.mark.parametrize("gap", [3.0, 5.0, 7.0])
@pytest.mark.parametrize("subsampling", [(0, 0), (1, 1)])
def test_the_gap_is_measured_in_noise(gap, subsampling):
    """The noise of the darker exposure is as large as what it shows of what the brighter one shows, at 7 EV."""
    rng = np.random.default_rng(3)
    radiance = np.exp2(rng.uniform(-11, 0, (60, 80)))
    radiance = np.repeat(np.repeat(radiance, 4, 0), 4, 1)[..., None] * np.array([1.0, 0.7, 0.4])
    dark, bright = (
        [
            exposed(radiance, ev, bits=8, subsampling=subsampling, noise=noise)
            for ev, noise in ((0.0, 2e-3), (gap, 0.0))
        ]
    )  # fmt: skip
    found = measured_step(*sampled_colours(picked([dark, bright]), 8, COLOR), PLAIN)  # type: ignore[arg-type, call-arg]
    assert found == pytest.approx(gap, rel=0.025)


@pytest.mark.parametrize(
    ("level", "expected"),
    # A grey card of 18 % of white; brighter than that even at the darkest; darker even at the brightest.
    [(0.18 / 4, 2.0), (0.9, 0.0), (0.18 / 64, 3.0)],
)
def test_white_is_where_the_picture_is_of_usual_brightness(level, expected):
    taken = [exposed(np.full((60, 80, 3), level), ev) for ev in (0.0, 3.0)]
    assert usual_white_ev(sampled_colours(picked(taken), 10, COLOR), (0.0, 3.0), PLAIN) == expected


@pytest.mark.parametrize("gap", [2.0, 4.0])
def test_hlg_shows_a_usual_picture_on_an_ordinary_screen_as_bright_as_ordinary_video_would(gap):
    light = 0.12 * np.exp2(np.linspace(-2, 2, 80))  # around a grey card
    radiance = np.repeat(np.tile(light, (60, 1))[..., None], 3, axis=2) / 2
    stage = RadianceStage(HdrTarget("hlg"))
    (frame,) = stage.push(bracket([exposed(radiance, ev) for ev in (0.0, gap)], gaps=(0.0, gap)))
    signal = planes_to_rgb(frame.planes, 10, (0, 0), frame.color) / 65535
    screen = np.exp2(
        np.log2(np.maximum(signal, 1e-3) ** 2.2).mean()
    )  # which takes the codes for its own gamma
    assert screen == pytest.approx(hdr.GREY_CARD, rel=0.12)  # white is rounded to a quarter of an EV
    display = 1000 * hdr.hlg_decode(np.array(hdr.GREY_CARD ** (1 / 2.2))) ** 1.2  # the OOTF of BT.2100
    assert display == pytest.approx(hdr.REFERENCE_WHITE * hdr.GREY_CARD, rel=0.15)  # as PQ


def test_exposures_without_anything_in_common_tell_no_gap():
    black, white = np.zeros((60, 80, 3)), np.ones((60, 80, 3))
    taken = picked([exposed(black, 0.0), exposed(white, 0.0)])
    dark, bright = sampled_colours(taken, 10, COLOR)
    assert measured_step(dark, bright, PLAIN) is None
