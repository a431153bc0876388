"""Damping of flicker: what it removes, what it leaves, and that it depends on a few frames only."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import FusedFrame
from streamfuse.temporal.flicker import Deflicker
from streamfuse.zmq.joined import join


def scene(seed=0, shape=(72, 96)):
    noise = np.random.default_rng(seed).random(shape, np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    return cv2.normalize(blurred, None, 0.15, 0.7, cv2.NORM_MINMAX)


def frame(luma, index, bits=8):
    top = (1 << bits) - 1
    plane = np.rint(np.clip(luma, 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)
    grey = np.full((36, 48), 1 << (bits - 1), plane.dtype)
    return FusedFrame(
        (plane, grey + 10, grey), bits, (1, 1), ColorInfo(1, 1, 1, True), index, Fraction(1, 30), index
    )


def run(frames):
    stage = Deflicker()
    out = [item for one in frames for item in stage.push(one)]
    return [*out, *stage.flush()]


def jumps(frames):
    means = np.array([one.luma.mean() for one in frames])[3:-3]
    return np.abs(means[1:-1] - (means[:-2] + means[2:]) / 2).mean() / means.mean()


@pytest.mark.parametrize("bits", [8, 10])
def test_ripple_of_lamps_is_damped(bits):
    light = 1 + 0.05 * np.sin(2 * np.pi * np.arange(30) / 3)
    frames = [frame(scene() * gain, i, bits) for i, gain in enumerate(light)]
    out = run(frames)
    assert [one.index for one in out] == list(range(30))
    assert jumps(out) < 0.15 * jumps(frames)


def test_ripple_is_damped_while_things_move():
    light = 1 + 0.05 * np.sin(2 * np.pi * np.arange(24) / 3)
    frames = [frame(np.roll(scene(), 3 * i, axis=1) * gain, i) for i, gain in enumerate(light)]
    assert jumps(run(frames)) < 0.35 * jumps(frames)


def test_a_steady_scene_and_a_steady_change_are_left_alone():
    still = [frame(scene(), i) for i in range(8)]
    assert all(a is b for a, b in zip(run(still), still, strict=True))
    fade = [frame(scene() * 0.97**i, i) for i in range(20)]
    for before, after in zip(fade, run(fade), strict=True):
        assert np.abs(before.luma.astype(int) - after.luma).mean() < 0.6


def test_nothing_leaks_across_a_cut():
    frames = [frame(scene(0), i) for i in range(5)] + [frame(0.4 * scene(1), i) for i in range(5, 10)]
    assert all(a is b for a, b in zip(run(frames), frames, strict=True))


def test_white_stays_white():
    light = [1.0, 1.05, 1.0, 0.95] * 3
    frames = [frame(np.maximum(scene() * gain, np.eye(72, 96)), i) for i, gain in enumerate(light)]
    assert all((np.diag(one.luma) == 255).all() for one in run(frames))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 8), st.integers(1, 9))
def test_a_segment_with_run_in_equals_the_whole(start, length):
    light = np.random.default_rng(1).normal(1, 0.04, 20)
    frames = [frame(scene(shape=(36, 48)) * gain, i) for i, gain in enumerate(light)]
    for one in frames:
        assert one.planes[0].shape == (36, 48)
    whole = run(frames)
    first, end = max(0, start - Deflicker.delay), min(20, start + length + Deflicker.delay)
    part = run(frames[first:end])[start - first : start - first + length]
    for a, b in zip(part, whole[start : start + length], strict=True):
        np.testing.assert_array_equal(a.luma, b.luma)


def test_few_frames_come_out_all_the_same():
    for count in range(6):
        assert len(run([frame(scene(), i) for i in range(count)])) == count


@pytest.mark.parametrize("bits", [8, 10])
def test_planes_that_are_changed_lie_one_after_another(bits):
    """So they are published as one message part."""
    light = 1 + 0.05 * np.sin(2 * np.pi * np.arange(12) / 3)
    out = run([frame(scene() * gain, index, bits) for index, gain in enumerate(light)])
    changed = [one for one in out if "flicker_gain" in one.stats]
    assert changed
    assert all(join(one.planes) is not None for one in changed)
