"""Lamps on the mains: recognised by their bands, told with the exposure that shows none, and kept clear of."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from fake_cameras import grey_frame, simulated

from streamfuse.camera import CameraOptions
from streamfuse.camera.camera_protocol import ExposureLimits
from streamfuse.camera.exposure_control import BracketController
from streamfuse.camera.mains import MainsWatch, find_mains
from streamfuse.core.frame import Exposure

NTSC = Fraction(30000, 1001)


def seen(
    hz, rate, *, exposures=(500.0, 4000.0), frames=160, amplitude=0.15, readout=0.8, moving=0.03, jitter=0.0
):
    """The last word on made-up frames under lamps that pulse so often."""
    watch, found = MainsWatch(), None
    chance = np.random.default_rng(4)
    rows = np.arange(96) / 96
    base = 90 + 40 * np.sin(3 * rows)
    for n in range(frames):
        time, lasts = n / float(rate), exposures[n % len(exposures)] * 1e-6
        lamp = 1 + amplitude * np.sinc(hz * lasts) * np.cos(
            2 * np.pi * hz * (time + readout * rows / float(rate))
        )
        scene = base + 100 * moving * np.sin(2 * np.pi * (0.7 * time + rows)) + chance.normal(0, 1, 96)
        scale = 1 if len(exposures) == 1 else (0.5, 1.4)[n % 2]
        luma = np.repeat(np.clip(scene * lamp * scale, 0, 255)[:, None], 64, axis=1).astype(np.uint8)
        frame = replace(grey_frame(), planes=(luma,))
        found = watch.see(frame, time + chance.normal(0, jitter)) or found
    return found


@pytest.mark.parametrize(
    ("hz", "rate"),
    [(100, 30), (100, NTSC), (100, 15), (100, 24), (100, 60), (120, 25), (120, 50), (120, Fraction(125, 9))],
)
def test_it_is_recognised_and_by_its_frequency(hz, rate):
    found = seen(hz, rate)
    assert found.hz == (hz,)
    assert 0.1 < found.depth < 0.3  # of what is above black
    assert f"{1000 / hz:.3g} ms" in str(found)


@pytest.mark.parametrize("exposures", [(1000.0,), (500.0, 4000.0)])
def test_of_cameras_that_alternate_and_of_those_that_do_not(exposures):
    assert seen(100, 30, exposures=exposures).hz == (100,)


def test_times_of_arrival_are_no_obstacle():
    assert seen(100, 30, jitter=0.004).hz == (100,)


@pytest.mark.parametrize("rate", [15, 24, 25, 30, NTSC, 50, 60])
def test_a_scene_that_moves_in_the_light_of_day_is_none(rate):
    assert seen(0, rate, amplitude=0.0, moving=0.3) is None


def test_an_exposure_of_whole_pulses_shows_none():
    assert seen(100, 30, exposures=(10_000.0, 20_000.0)) is None


def test_where_the_frame_rate_shows_both_alike_the_run_of_the_bands_tells():
    # 11 frames a second: 100 Hz runs as far down from frame to frame as 120 Hz runs up.
    assert seen(100, 11, exposures=(1000.0,)).hz == (100,)
    assert seen(120, 11, exposures=(1000.0,)).hz == (120,)


def test_a_picture_without_light_is_none():
    assert find_mains(np.arange(100) / 30, np.full((100, 32), 1e-3)) is None


def test_a_driven_camera_tells_it_once_and_keeps_clear_of_it(caplog):
    options = CameraOptions(
        backoff=(0.001, 0.002), exposures=(Exposure(time_us=2500), Exposure(time_us=12_000))
    )
    source, sensor = simulated(
        light=lambda seconds: -3.0, options=options, mains=100, rate=NTSC, latency=(1, 1), mixed=False
    )
    with source:
        list(islice(source, 500))
        assert "(100 Hz)" in source.status.mains
        over = source.control.exposures[1]
    assert over.time_us % 10_000 == pytest.approx(0, abs=1e-6)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert (
        "an exposure of 10 ms, or a multiple of it, avoids them. The brighter exposure is set so" in told[0]
    )
    taken = [exposure for exposure in list(sensor.truth.values())[-40:] if exposure is not None]
    assert all(exposure.time_us % 10_000 < 1e-6 for exposure in taken if exposure.time_us > 8000)


def test_exposures_on_the_beat_are_as_bright_as_they_can_be():
    limits = ExposureLimits((50.0, 33_000.0), (1.0, 8.0))
    controller = BracketController(limits, (Exposure(time_us=1000), Exposure(time_us=14_000)))
    wanted = controller.exposures
    controller.keep_to_beat(10_000)
    under, over = controller.exposures
    assert under == wanted[0], "far too short to be lengthened"
    assert over.time_us == 10_000
    assert over.ev == pytest.approx(wanted[1].ev), "the gain makes up for it"
    controller = BracketController(
        ExposureLimits((50.0, 9_000.0)), (Exposure(time_us=500), Exposure(time_us=8_500))
    )
    wanted = controller.exposures
    controller.keep_to_beat(10_000)
    assert controller.exposures == wanted, "no beat fits between two frames"


def test_exposures_that_are_held_stay_as_they_were_set():
    controller = BracketController(
        ExposureLimits((50.0, 33_000.0)), (Exposure(time_us=1000), Exposure(time_us=14_000)), auto=False
    )
    wanted = controller.exposures
    controller.keep_to_beat(10_000)
    assert controller.exposures == wanted


def test_an_exposure_between_two_beats_does_not_flap():
    controller = BracketController(
        ExposureLimits((50.0, 66_000.0)), (Exposure(time_us=1000), Exposure(time_us=14_000))
    )
    controller.keep_to_beat(10_000)
    chosen = set()
    for shift in (0.0, 0.1, -0.1, 0.05, 0.0):
        controller._ev = (controller._ev[0], np.log2(14_000) + shift)
        chosen.add(controller.exposures[1].time_us)
    assert len(chosen) == 1


@pytest.mark.parametrize("ripple", [0.3, 0.5])
@pytest.mark.parametrize(("hz", "rate"), [(100, 30), (100, NTSC), (120, 25), (100, 15)])
@pytest.mark.parametrize("latency", [(1, 1), (3, 3)])
def test_the_latency_is_measured_under_lamps_that_ripple_strongly(hz, rate, ripple, latency):
    source, sensor = simulated(mains=hz, ripple=ripple, rate=Fraction(rate), latency=latency, mixed=False)
    assert source.status.latency == latency
    for frame in islice(source, 60):
        truth = sensor.truth[frame.captured_at]
        under, over = (told.ev for told in source.control.exposures)
        assert frame.exposure.rank == int(truth.ev > (under + over) / 2)


def test_frames_that_show_both_exposures_are_told_apart_from_lamps_that_ripple():
    source, sensor = simulated(mains=100, ripple=0.3, latency=(2, 4), mixed=True, seed=1)
    torn = sum(sensor.truth[frame.captured_at] is None for frame in islice(source, 60))
    assert torn <= 1  # a cut in the last lines of a picture cannot be seen
