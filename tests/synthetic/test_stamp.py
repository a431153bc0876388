"""The time stamp that the simulated camera burns into its pictures."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import UsageError
from streamfuse.synthetic import stamp
from streamfuse.synthetic.sample_source import open_sample
from streamfuse.synthetic.stamp import MODULUS_MS, Stamp


def grey(width=160, height=90, bits=8):
    kind = np.uint8 if bits == 8 else np.uint16
    size = (height // 2, width // 2)
    return tuple(np.full(shape, 100 << (bits - 8), kind) for shape in ((height, width), size, size))


@settings(max_examples=30, deadline=None)
@given(
    moment=st.integers(0, MODULUS_MS - 1),
    rank=st.integers(0, 15),
    bits=st.sampled_from([8, 10, 16]),
    full=st.booleans(),
)
def test_what_is_burnt_is_read_in_noise(moment, rank, bits, full):
    color, before = ColorInfo(full_range=full), grey(bits=bits)
    planes = stamp.burn(before, Stamp(moment, rank), bits, (1, 1), color)
    assert (before[0] == before[0][0, 0]).all()
    noise = np.random.default_rng(0).integers(-20, 21, planes[0].shape) << (bits - 8)
    luma = np.clip(planes[0].astype(int) + noise, 0, (1 << bits) - 1).astype(planes[0].dtype)
    assert stamp.read(luma, bits, color) == Stamp(moment, rank)


def test_pictures_without_a_stamp_have_none():
    for luma in (*(np.full((90, 160), level, np.uint8) for level in (16, 128, 235)), grey(64, 48)[0]):
        assert stamp.read(luma, 8, ColorInfo()) is None


def test_a_bit_that_is_wrong_is_noticed():
    color = ColorInfo()
    luma = stamp.burn(grey(), Stamp(123456, 1), 8, (1, 1), color)[0].copy()
    luma[:8, 8:16] = 16 + 235 - luma[:8, 8:16]
    assert stamp.read(luma, 8, color) is None


def test_the_camera_burns_when_it_took_each_frame():
    with open_sample("sim:?size=160x90&rate=50&frames=6&stamp=on") as camera:
        for frame in camera:
            found = stamp.read(frame.luma, frame.bits, frame.color)
            assert found == Stamp(stamp.milliseconds(frame.captured_at), camera.rank(frame.index))
            assert stamp.age_ms(found, time.monotonic()) < 5000


def test_ages_pass_the_end_of_the_clock():
    assert stamp.age_ms(Stamp(MODULUS_MS - 5, 0), 0.010) == 15


def test_no_room_for_a_stamp():
    with pytest.raises(UsageError, match="128x16 or more"):
        open_sample("sample:?size=96x64&stamp=on")
