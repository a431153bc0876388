from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from align_clips import FULL, exposed, grey_frame, scene, shifted

from streamfuse.core.frame import Exposure, Frame
from streamfuse.imaging import photometric, planes
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import Simulation


def luma(ev: float, dx: float = 0.0) -> photometric.Map:
    frame = grey_frame(exposed(shifted(scene(), dx), ev), 0)
    return planes.normalised_luma(frame, (frame.width, frame.height))


@pytest.mark.parametrize("gap", [1.5, 3.0, 5.0])
def test_ratio_is_measured_without_alignment(gap: float) -> None:
    curve = photometric.estimate_curve([luma(0)], [luma(gap, dx=6)])
    assert curve.exact
    assert curve.gap_ev == pytest.approx(gap, abs=0.15)
    assert np.abs(curve.brighten(luma(0)) - luma(gap)).mean() < 0.015


def test_what_flickers_in_the_shadows_is_not_the_ratio() -> None:
    light = scene()
    lit = np.where(
        light < np.quantile(light, 0.6), light * np.float32(1.05), light
    )  # most, not the bright ones
    frames = [grey_frame(exposed(shown, ev), 0) for shown, ev in ((light, 0), (lit, 3))]
    dark, bright = (planes.normalised_luma(frame, (frame.width, frame.height)) for frame in frames)
    assert photometric.estimate_curve([dark], [bright]).gap_ev == pytest.approx(3.0, abs=0.05)


def test_tone_curve_of_a_camera_is_matched_by_quantiles() -> None:
    bright = luma(3)
    bright = bright * bright * (3 - 2 * bright)  # an S-curve on one exposure only
    curve = photometric.estimate_curve([luma(0)], [bright])
    assert not curve.exact
    assert np.abs(curve.brighten(luma(0)) - bright).mean() < 0.03
    assert (np.diff(curve.up) >= 0).all()
    assert (np.diff(curve.down) >= 0).all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_pictures_without_information_give_a_usable_curve(level: float) -> None:
    flat = np.full((20, 30), level, np.float32)
    curve = photometric.estimate_curve([flat], [flat])
    assert np.isfinite(curve.up).all()
    assert np.isfinite(curve.down).all()
    assert np.isfinite(curve.gap_ev)


def test_bounds_hold_the_truth_under_noise() -> None:
    clean = shifted(scene(), 0)
    noisy = clean + np.random.default_rng(0).normal(0, 5e-4, clean.shape).astype(np.float32)
    frame = grey_frame(exposed(noisy, 0), 0)
    dark = planes.normalised_luma(frame, (frame.width, frame.height))
    curve = photometric.ratio_curve(3.0)
    entries = np.rint(curve.brighten(dark) * (photometric.NODES - 1)).astype(int)
    lower, upper = (table[entries] for table in curve.bounds())
    assert ((lower <= luma(3) + 0.01) & (luma(3) <= upper + 0.01)).mean() > 0.98


def test_known_gap_needs_both_exposures() -> None:
    dark = grey_frame(np.zeros((4, 4), np.uint8), 0)
    known = [
        Frame(dark.planes, 8, (0, 0), FULL, 0, Fraction(1), 0, Exposure(time_us=t)) for t in (1000.0, 8000.0)
    ]
    assert photometric.known_gap(*known) == pytest.approx(3.0)
    assert photometric.known_gap(known[0], dark) is None


def srgb(light: photometric.Map) -> photometric.Map:
    """IEC 61966-2-1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055)


def bt709(light: photometric.Map) -> photometric.Map:
    """ITU-R BT.709."""
    return np.where(light < 0.018, 4.5 * light, 1.099 * np.maximum(light, 1e-6) ** 0.45 - 0.099)


@pytest.mark.parametrize("transfer", [srgb, bt709])
@pytest.mark.parametrize("gap", [2.0, 3.0, 4.0])
def test_transfer_functions_of_video_are_recognised(
    transfer: Callable[[photometric.Map], photometric.Map], gap: float
) -> None:
    def shown(ev: float, dx: float = 0.0) -> photometric.Map:
        light = np.clip(shifted(scene(), dx) * np.float32(2.0**ev), 0, 1)
        return (np.round(transfer(light) * 255) / 255).astype(np.float32)

    curve = photometric.estimate_curve([shown(0)], [shown(gap, dx=2)])
    assert curve.gap_ev == pytest.approx(gap, abs=0.15)
    assert np.abs(curve.brighten(shown(0)) - shown(gap)).mean() < 0.006
    unclipped = shown(gap) < 0.98
    assert np.abs(curve.darken(shown(gap)) - shown(0))[unclipped].mean() < 0.003


@pytest.mark.parametrize("transfer", [photometric.SRGB, photometric.BT709])
@pytest.mark.parametrize("gap", [0.5, 3.0, 6.0])
def test_curve_of_a_transfer_function_is_monotone_and_undone_by_its_inverse(
    transfer: photometric.Transfer, gap: float
) -> None:
    curve = photometric.transfer_curve(gap, transfer)
    x = curve.darken(np.linspace(0, 0.95, 50, dtype=np.float32))
    assert (np.diff(curve.up) >= 0).all()
    assert (np.diff(curve.down) >= 0).all()
    np.testing.assert_allclose(curve.darken(curve.brighten(x)), x, atol=0.002)


def test_gap_of_exposures_with_nothing_in_common_lies_within_what_is_possible() -> None:
    rng = np.random.default_rng(0)
    room, window = rng.uniform(0.002, 0.011, 3000), rng.uniform(0.3, 0.8, 1000)  # in the dark frame
    dark = np.concatenate([room, window]).astype(np.float32).reshape(40, 100)
    bright = np.concatenate([room * 90, np.ones(1000)]).astype(np.float32).reshape(40, 100)
    least, most = (photometric.GAMMA * float(np.log2(1 / level)) for level in (0.3, 0.01))
    assert least < photometric.estimate_curve([dark], [bright]).gap_ev < most


@pytest.mark.parametrize("gap", [3.0, 4.0, 5.0])
def test_a_wide_gap_is_measured_where_the_bright_frame_shows_next_to_nothing(gap: float) -> None:
    rng = np.random.default_rng(0)
    light = 0.35 + 0.6 * rng.random((270, 480))
    light[:, :8] = 0.7 * 2.0**-gap * rng.random((270, 8)) ** 0.5  # a shadow: all that does not clip
    dark = np.clip(light + rng.normal(0, 2e-3, light.shape), 0, 1)
    shown = [np.round(255 * one ** (1 / 2.2)) / 255 for one in (dark, np.minimum(light * 2.0**gap, 1))]
    curve = photometric.estimate_curve(*([one.astype(np.float32)] for one in shown))
    assert curve.exact
    assert curve.gap_ev == pytest.approx(gap, abs=0.1)


@pytest.mark.parametrize("gap", [3.0, 4.0, 5.0])
@pytest.mark.parametrize("name", ["person.mp4", "bedroom.mp4"])
def test_wide_gaps_of_real_clips_are_measured(data_dir: Path, name: str, gap: float) -> None:
    clip = film(data_dir / "video" / name, Simulation((0.0, gap)), count=2, width=320)
    dark, bright = (planes.picture(frame, (frame.width, frame.height)).green for frame in clip)
    assert photometric.estimate_curve([dark], [bright]).gap_ev == pytest.approx(gap, abs=0.3)
