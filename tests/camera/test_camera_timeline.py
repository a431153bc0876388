"""Clocks of cameras that go wrong: the time stamps stay near the time that has really passed."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from fake_cameras import grey_frame

from streamfuse.camera.arrivals import ArrivalRate
from streamfuse.camera.timeline import CLOCK, Timeline

FRAME = grey_frame()
REAL = [n / 30 for n in range(3600)]  # two minutes


def stamped(told, arrived, period=1 / 30):
    """Our times, in seconds, of frames that tell these times and come at these."""
    timeline = Timeline(period)
    frames = [
        timeline.stamp(replace(FRAME, pts=None if t is None else round(t * 1e6), captured_at=a))
        for t, a in zip(told, arrived, strict=True)
    ]
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    return [float(frame.pts * CLOCK) for frame in frames]


def errors(told, arrived=None, real=REAL):
    times = stamped(told, [1e5 + t for t in arrived or real])
    return [at - t for at, t in zip(times, real, strict=True)]


def test_a_right_clock_is_kept_to_the_tick_whatever_the_network_does():
    chance = random.Random(1)
    arrived = [t + chance.uniform(0, 0.09) for t in REAL]
    assert max(map(abs, errors([7 + t for t in REAL], arrived))) < 2e-5


@pytest.mark.parametrize("speed", [1.05, 0.95, 1.001])
def test_a_clock_that_runs_wrong_by_some_percent_does_not_add_up(speed):
    found = errors([speed * t for t in REAL])
    assert max(map(abs, found)) < 0.5
    assert abs(found[-1] - found[1800]) < 0.1, "it has come to rest"


@pytest.mark.parametrize("speed", [0.6, 0.1])
def test_a_clock_that_is_far_too_slow_adds_up_to_seconds_at_most(speed):
    found = errors([speed * t for t in REAL])
    assert abs(found[-1]) < 5.5


@pytest.mark.parametrize("speed", [1.67, 3, 10])
def test_a_clock_that_is_far_too_fast_is_given_up_and_what_it_was_ahead_is_made_up_for(speed):
    found = errors([speed * t for t in REAL])
    assert max(map(abs, found)) < 30, "what a few seconds bring; then it is known"
    assert abs(found[-1]) < 0.2
    assert max(abs(b - a) for a, b in pairwise(found[-600:])) < 0.002, "frames have their distances again"


@pytest.mark.parametrize("seconds", [2, 6, 10])
def test_segments_of_a_playlist_that_come_whole_change_nothing(seconds):
    arrived = [seconds * (int(t / seconds) + 1) for t in REAL]
    assert max(map(abs, errors(REAL, arrived))) < 1e-4


@pytest.mark.parametrize("seconds", [3, 10])
def test_a_network_that_hangs_and_then_brings_all_changes_nothing(seconds):
    arrived = [max(t, 20 + seconds) if t >= 20 else t for t in REAL]
    assert max(map(abs, errors(REAL, arrived))) < 1e-4


@pytest.mark.parametrize("seconds", [3, 10])
def test_a_clock_that_stood_still_with_its_camera_is_put_right(seconds):
    real = [t if t < 20 else t + seconds for t in REAL]
    assert abs(errors(REAL, real, real)[-1]) < 0.2


def test_the_frames_that_a_server_has_kept_come_at_once_and_keep_their_distances():
    arrived = [max(4.0, t) for t in REAL]  # the first four seconds at once
    steps = [b - a for a, b in pairwise(stamped(REAL, arrived))]
    assert steps == pytest.approx([1 / 30] * len(steps), abs=1e-4)


def test_a_network_that_stops_for_a_moment_changes_nothing():
    arrived = [max(t, 21.5) if 20 <= t < 21.5 else t for t in REAL]
    assert max(map(abs, errors(REAL, arrived))) < 1e-4


def test_frames_without_a_time_have_that_of_their_arrival():
    arrived = [n / 15 + 0.01 * (n % 3) for n in range(278)]  # 18.5 s
    times = stamped([None] * len(arrived), arrived, period=1 / 25)
    assert times == pytest.approx(arrived, abs=1e-4)


def test_time_goes_on_over_connections_however_often():
    timeline = Timeline(1 / 30)
    arrived = 50.0
    for life in range(20):
        for n in range(60):
            arrived += 1 / 30
            frame = timeline.stamp(
                replace(FRAME, pts=round((900 * life + n / 25) * 1e6), captured_at=arrived)
            )
        timeline.restart()
        arrived += 5
    assert float(frame.pts * CLOCK) == pytest.approx(arrived - 5 - 50 - 1 / 30, abs=1.0)


@pytest.mark.parametrize(
    ("rate", "told"), [(15, 15), (14.9, 15), (29.97, 30), (12.5, Fraction(25, 2)), (0.5, Fraction(1, 2))]
)
def test_the_rate_of_arrival(rate, told):
    chance = random.Random(2)
    meter, number, found = ArrivalRate(), 0, None
    while found is None:
        found = meter.add(100 + (number + chance.uniform(0, 0.2)) / rate if number > 2 else 100 + 2 / rate)
        number += 1
    assert found == pytest.approx(told, rel=0.25 if rate < 1 else 0.035)
    assert number / rate < 12
