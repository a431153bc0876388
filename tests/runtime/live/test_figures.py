"""Rates and ages of the last moments."""

import pytest

from streamfuse.runtime.live import figures
from streamfuse.runtime.live.figures import AgeWindow, RateMeter


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(figures.time, "monotonic", lambda: now[0])
    return now


def test_a_steady_rate_is_right_after_the_first_second(clock):
    meter = RateMeter(5.0)
    assert meter.rate == 0.0
    seen = []
    for _ in range(100):
        meter.tick()
        seen.append(meter.rate)
        clock[0] += 0.1
    assert seen[12:] == pytest.approx([10.0] * 88, rel=0.03)
    assert meter.count == 100


def test_a_rate_falls_to_zero_when_nothing_comes(clock):
    meter = RateMeter(5.0)
    for _ in range(60):
        meter.tick()
        clock[0] += 0.1
    clock[0] += 2.5
    assert meter.rate == pytest.approx(5.0, rel=0.1)
    clock[0] += 10
    assert meter.rate == 0.0
    assert meter.count == 60


def test_percentiles_are_of_the_last_minute(clock):
    ages = AgeWindow(60.0)
    assert ages.percentiles_ms() == (0.0, 0.0, 0.0)
    ages.add(9.0)
    clock[0] += 61
    for number in range(1, 101):
        ages.add(number / 1000)
    assert ages.percentiles_ms() == pytest.approx((50.5, 95.05, 99.01), abs=0.1)
