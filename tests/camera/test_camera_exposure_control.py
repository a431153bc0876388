"""The bracket controller comes to rest in its useful ranges, whatever the scene, the camera and the light."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.camera.camera_protocol import ExposureLimits
from streamfuse.camera.exposure_control import BracketController, Reading, read
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import UsageError

LIMITS = ExposureLimits((50.0, 33_000.0), (1.0, 8.0))
UPDATES = 60


class Scene:
    """Highlights and shadows of known radiance, seen through a tone curve."""

    def __init__(self, highlights_ev, contrast_ev, gamma=2.2, noise=0.0, seed=0):
        self.highlights, self.shadows = highlights_ev, highlights_ev - contrast_ev
        self.gamma, self.noise = gamma, noise
        self._random = np.random.default_rng(seed)

    def level(self, radiance_ev, exposure):
        linear = min(2.0 ** (radiance_ev + exposure.ev), 1.0)
        noisy = linear ** (1 / self.gamma) + self.noise * self._random.standard_normal()
        return float(np.clip(noisy, 0, 1))

    def seen(self, exposure):
        return Reading(self.level(self.highlights, exposure), self.level(self.shadows, exposure))


def run(controller, scene, updates=UPDATES):
    """Exposures (EV) after each update."""
    history = []
    for _ in range(updates):
        under, over = controller.exposures
        controller.update(scene.seen(under), scene.seen(over))
        history.append(tuple(told.ev for told in controller.exposures))
    return history


scenes = st.builds(
    Scene,
    st.floats(-16, -4),
    st.floats(1, 14),
    gamma=st.floats(1.0, 3.0),
    noise=st.sampled_from([0.0, 0.005]),
    seed=st.integers(0, 99),
)
limits = st.builds(
    lambda low, span, gain: ExposureLimits((2.0**low, 2.0 ** (low + span)), (1.0, gain)),
    st.floats(3, 8),
    st.floats(2, 10),
    st.sampled_from([1.0, 16.0]),
)


@settings(max_examples=80)
@given(scenes, limits, st.floats(-2, 18), st.sampled_from([None, 2.0, 3.5]))
def test_it_converges_inside_the_range_and_never_oscillates(scene, limits, found, gap):
    controller = BracketController(limits, found=Exposure(time_us=2.0**found, gain=1.0), gap_ev=gap)
    history = run(controller, scene, 120)
    low, high = limits.ev
    for under, over in history:
        assert low - 1e-6 <= under < over <= high + 1e-6
    if not scene.noise:
        assert len(set(history[-20:])) == 1
    for rank in (0, 1):
        path = [exposures[rank] for exposures in history[60:]]
        assert max(path) - min(path) < 0.6


@settings(max_examples=50)
@given(st.floats(-13, -9), st.floats(5, 7), st.floats(1.5, 2.6))
def test_what_can_be_had_is_had(highlights, contrast, gamma):
    scene = Scene(highlights, contrast, gamma)
    controller = BracketController(LIMITS)
    run(controller, scene)
    under, over = controller.exposures
    assert scene.seen(under).highlights <= 0.92
    assert scene.seen(under).highlights >= 0.6 or over.ev - under.ev == pytest.approx(
        1.5
    )  # no nearer to over
    assert scene.seen(over).shadows >= 0.1


@given(scenes)
def test_steps_are_limited(scene):
    controller = BracketController(LIMITS)
    history = [tuple(told.ev for told in controller.exposures), *run(controller, scene)]
    steps = np.abs(np.diff(history, axis=0))
    assert steps.max() <= 0.5 + 1e-6


def test_nothing_moves_inside_the_bands():
    controller = BracketController(LIMITS)
    before = controller.exposures
    assert not controller.update(Reading(0.7, 0.0), Reading(1.0, 0.2))
    assert controller.exposures == before


@pytest.mark.parametrize("change", [-3.0, 3.0])
def test_it_follows_the_light(change):
    controller = BracketController(LIMITS)
    first = run(controller, Scene(-10, 9))[-1]
    then = run(controller, Scene(-10 + change, 9))[-1]
    for before, after in zip(first, then, strict=True):
        assert np.sign(after - before) == -np.sign(change)


def test_where_the_least_gap_is_in_the_way_the_dark_frame_gives_way():
    scene = Scene(-10, 2)
    controller = BracketController(LIMITS)
    run(controller, scene)
    under, over = controller.exposures
    assert over.ev - under.ev == pytest.approx(1.5)
    assert 0.1 <= scene.seen(over).shadows <= 0.3


@given(scenes, st.floats(1.5, 6))
def test_a_fixed_gap_is_kept(scene, gap):
    controller = BracketController(LIMITS, gap_ev=gap)
    for under, over in run(controller, scene):
        assert over - under == pytest.approx(gap, abs=1e-3)


def test_manual_holds_and_is_shifted_by_its_bias():
    controller = BracketController(LIMITS)
    run(controller, Scene(-10, 6))
    held = [told.ev for told in controller.exposures]
    controller.set("manual")
    assert [told.ev for told in controller.exposures] == pytest.approx(held)
    for bias in (1.0, -0.5, 1.0):  # counted from what was held, not added up
        controller.set("manual", bias_ev=bias)
        assert [told.ev for told in controller.exposures] == pytest.approx([ev + bias for ev in held])
    run(controller, Scene(-6, 6))
    assert [told.ev for told in controller.exposures] == pytest.approx([ev + 1 for ev in held])
    controller.set("auto")
    run(controller, Scene(-6, 6))
    assert [told.ev for told in controller.exposures] != pytest.approx([ev + 1 for ev in held], abs=0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        ("auto", 0.0, 9.0),
        ("auto", 0.0, 0.5),
        ("manual", 7.0, None),
        ("manual", float("nan"), None),
        ("night", 0, None),
    ],
)
def test_what_cannot_be_set_is_refused(wrong):
    controller = BracketController(LIMITS)
    before = controller.exposures
    with pytest.raises(UsageError):
        controller.set(*wrong)
    assert controller.exposures == before


def test_a_camera_with_hardly_any_range_is_refused():
    with pytest.raises(UsageError, match=r"1\.0 EV"):
        BracketController(ExposureLimits((1000, 2000)))


@given(st.floats(5, 20), st.integers(0, 1))
def test_time_comes_before_gain(ev, rank):
    told = LIMITS.exposure(ev, rank)
    assert told.rank == rank
    assert LIMITS.time_us[0] <= told.time_us <= LIMITS.time_us[1]
    assert 1 <= told.gain <= 8
    assert told.gain == 1 or told.time_us == LIMITS.time_us[1]
    low, high = LIMITS.ev
    assert told.ev == pytest.approx(min(max(ev, low), high), abs=1e-6)


@given(st.floats(5, 20))
def test_times_are_those_that_the_camera_can_do(ev):
    limits = ExposureLimits((300.0, 33_333.0), step_us=100.0)
    time_us = limits.exposure(ev).time_us
    assert time_us % 100 == 0
    assert 300 <= time_us <= 33_300


@pytest.mark.parametrize(("bits", "full"), [(8, True), (8, False), (10, False), (16, True)])
def test_readings_are_shares_of_white(bits, full):
    black, white = (0, (1 << bits) - 1) if full else (16 << (bits - 8), 235 << (bits - 8))
    luma = np.full((200, 300), (black + white) // 2, np.uint8 if bits == 8 else np.uint16)
    luma[:20], luma[-20:] = black, white
    frame = Frame((luma,), bits, (0, 0), ColorInfo(full_range=full), 0, Fraction(1), 0)
    assert read(frame) == pytest.approx((1.0, 0.0), abs=0.01)
