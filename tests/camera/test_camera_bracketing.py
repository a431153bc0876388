"""Cameras that obey late are driven so that no frame gets a wrong label."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import islice, pairwise

import pytest
from fake_cameras import QUICK, simulated

from streamfuse.camera import CameraOptions
from streamfuse.camera.camera_source import CameraSource
from streamfuse.core.frame import Exposure
from streamfuse.errors import CameraError, UsageError
from streamfuse.synthetic.simulated_camera import (
    SimulatedCamera,
    SimulatedSensor,
    SimulatedSettings,
    parse_simulated,
)


def labels(source, sensor, count, taken=None):
    """Take frames; (wrong, in transition) among them, by what the sensor really did."""
    wrong = mixed = 0
    ranks = []
    for frame in islice(taken or source, count):
        truth = sensor.truth[frame.captured_at]
        ranks.append(frame.exposure.rank)
        if truth is None:
            mixed += 1
            continue
        under, over = (told.ev for told in source.control.exposures)
        wrong += frame.exposure.rank != int(truth.ev > (under + over) / 2)
    assert source.status.reconnects or all(a != b for a, b in pairwise(ranks))
    return wrong, mixed


def test_a_camera_of_constant_latency_alternates_at_its_full_rate():
    source, sensor = simulated(latency=(4, 4), mixed=False)
    assert source.status.latency == (4, 4)
    before = source.status.discarded
    assert labels(source, sensor, 100) == (0, 0)
    assert source.status.discarded - before < 10
    assert source.info.rate == 30


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "manners",
    [
        {"latency": (3, 3)},
        {"latency": (2, 6)},
        {"latency": (2, 6), "skip": 0.1, "lost": 0.02, "drift": 1.0, "jitter": 0.3},
        {"latency": (4, 4), "skip": 0.05, "lost": 0.05, "drift": 1.0, "mixed": False},
        {"latency": (2, 6), "skip": 0.1, "metadata": True, "jitter": 0.2},
    ],
)
def test_no_wrong_label_whatever_the_manners(manners, seed):
    source, sensor = simulated(seed=seed, **manners)
    wrong, mixed = labels(source, sensor, 40)
    assert wrong == 0
    assert mixed <= 1  # a cut in the last lines of a picture cannot be seen


@pytest.mark.parametrize("step", [-4.0, -2.0, 2.0, 4.0])
def test_no_wrong_label_when_the_light_is_switched(step):
    source, sensor = simulated(lambda seconds: step * (int(seconds / 6) % 2), latency=(3, 3), mixed=False)
    assert labels(source, sensor, 300) == (0, 0)


def test_a_camera_that_says_its_exposure_is_believed():
    source, _ = simulated(latency=(3, 3), metadata=True)
    for frame in islice(source, 20):
        assert frame.exposure.time_us is not None
        assert frame.exposure.rank in (0, 1)


def test_frames_carry_what_they_were_taken_with():
    source, sensor = simulated(latency=(3, 3), mixed=False)
    for frame in islice(source, 200):
        truth = sensor.truth[frame.captured_at]
        assert frame.exposure.ev == pytest.approx(truth.ev, abs=0.6)


def test_in_the_dark_it_goes_on_and_in_the_light_it_measures_again():
    source, sensor = simulated(lambda seconds: -14.0 * (4 < seconds < 12), latency=(3, 3), mixed=False)
    notes = [source.status.error for _ in islice(source, 500)]
    assert any(note and "uncover" in note for note in notes)
    assert notes[-1] is None
    assert labels(source, sensor, 50) == (0, 0)


def test_a_camera_that_ignores_its_exposure():
    with pytest.raises(CameraError, match="changes nothing in its picture"):
        simulated(skip=0.999)


def test_a_covered_lens_at_the_start():
    with pytest.raises(CameraError, match="uncover the lens"):
        simulated(lambda seconds: -20.0)


def test_unplugged_again_and_again():
    source, sensor = simulated(latency=(3, 3), mixed=False, disconnect=8.0)
    assert labels(source, sensor, 500)[0] == 0
    assert source.status.reconnects >= 2
    assert source.status.error is None


@pytest.mark.slow
def test_a_consumer_that_stalls_gets_no_wrong_label():
    sensor = SimulatedSensor(SimulatedSettings(width=48, height=32, rate=Fraction(60), mixed=False))
    with CameraSource(lambda: SimulatedCamera(sensor), CameraOptions(backoff=QUICK)) as source:
        taken = slowly(source, every=9, seconds=0.08)
        wrong, _ = labels(source, sensor, 120, taken)
    assert wrong == 0


def slowly(source, every, seconds):
    for number, frame in enumerate(source):
        if number % every == 0:
            time.sleep(seconds)
        yield frame


def test_what_comes_by_itself_is_only_consumed():
    source, sensor = simulated(options=CameraOptions(drive=False, backoff=QUICK))
    exposures = {sensor.truth[frame.captured_at] for frame in islice(source, 20)}
    assert len(exposures) == 1
    assert source.control is None
    assert source.status.exposures == ()


def test_given_exposures_stay_without_auto():
    given = (Exposure(time_us=400, gain=1.0), Exposure(time_us=6400, gain=1.0))
    source, _ = simulated(options=CameraOptions(exposures=given, auto=False, backoff=QUICK))
    list(islice(source, 50))
    for told, wanted in zip(source.status.exposures, given, strict=True):
        assert told == pytest.approx((wanted.time_us, 1.0))


def test_a_user_who_leaps_is_followed_without_wrong_labels():
    source, sensor = simulated(latency=(3, 3), mixed=False)
    list(islice(source, 10))
    source.control.set("manual", bias_ev=2.0)
    list(islice(source, 4))  # still those of before
    assert labels(source, sensor, 40) == (0, 0)
    source.control.set("manual", bias_ev=-1.0, gap_ev=5.0)
    list(islice(source, 4))
    assert labels(source, sensor, 40) == (0, 0)
    under, over = source.control.exposures
    assert over.ev - under.ev == pytest.approx(5.0)


def test_it_is_exposed_as_the_scene_asks():
    source, _ = simulated(latency=(3, 3), mixed=False)
    frames = list(islice(source, 300))[-2:]
    under, over = sorted(frames, key=lambda frame: frame.exposure.rank)
    white = 235
    assert (under.luma >= white - 4).mean() < 0.01
    assert (over.luma < 24).mean() < 0.3


@pytest.mark.parametrize(
    "spec", ["simcam:?lateness=3", "simcam:?latency=0", "simcam:?skip=2", "simcam:?size=x"]
)
def test_settings_that_do_not_fit(spec):
    with pytest.raises(UsageError):
        parse_simulated(spec)


def test_settings_that_fit():
    settings = parse_simulated("simcam:?size=64x48&latency=2-6&skip=0.05&jitter=0.2&disconnect=9&metadata=on")
    assert settings.latency == (2, 6)
    assert (settings.width, settings.height, settings.metadata, settings.disconnect) == (64, 48, True, 9)
