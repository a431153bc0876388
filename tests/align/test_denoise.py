from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from align_clips import FULL, exposed, grey_frame, scene

from streamfuse.align.aligner import Aligner
from streamfuse.align.denoise import RaisedNoise, denoised
from streamfuse.align.denoise_rows import filter_parts
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.frame import Bracket, Frame, Neighbours
from streamfuse.imaging.photometric import ratio_curve
from streamfuse.imaging.planes import map_planes, picture

SIGMA, GAP = 7.5e-4, 5.0  # the noise that a level of 1 stands for (two sigma)
CURVE = ratio_curve(GAP)


def dark_frame(noise: float, edge: bool = False) -> tuple[Frame, Frame]:
    """A frame in 8-bit colour of noise that is new in each pixel, and what it would be without."""
    light = np.dstack([scene(256, 160) * 0.004 + 0.004] * 3)
    if edge:
        light[:, 128:] *= 4.0
    frames = []
    for sigma in (noise, 0.0):
        linear = light + sigma * np.random.default_rng(0).standard_normal(light.shape, np.float32)
        codes = np.round(np.clip(linear, 0, 1) ** (1 / 2.2) * 65535).astype(np.uint16)
        planes = rgb_to_planes(codes, bits=8, subsampling=(1, 1), color=FULL)
        frames.append(Frame(planes, 8, (1, 1), FULL, 0, Fraction(1, 30), 0))
    return frames[0], frames[1]


def raised_of(frame: Frame) -> RaisedNoise:
    return RaisedNoise(picture(frame, (frame.width, frame.height)).brightened(CURVE), CURVE, 1.0)


def rms(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.square(one.astype(float) - other).mean()))


def test_noise_of_luma_and_chroma_is_halved_where_the_reference_stands_in() -> None:
    noisy, clean = dark_frame(SIGMA)
    mapped, wanted = map_planes(noisy, CURVE, True), map_planes(clean, CURVE, True)
    made = denoised(mapped, noisy, raised_of(noisy), np.zeros((160, 256), np.float32))
    for before, after, truth in zip(mapped, made, wanted, strict=True):
        assert rms(after, truth) < 0.6 * rms(before, truth)


@pytest.mark.parametrize("noise", [2 * SIGMA, 3 * SIGMA])
def test_what_noise_takes_from_the_mean_is_given_back(noise: float) -> None:
    # The mean of x ** (1 / 2.2) is less than that of x to this power: made frames would be darker than bright ones are.
    light = scene(256, 160) * 0.004 + 0.004
    random = np.random.default_rng(0).standard_normal(light.shape, np.float32)
    noisy, clean = (grey_frame(exposed(light + np.float32(sigma) * random, 0), 0) for sigma in (noise, 0.0))
    mapped, wanted = map_planes(noisy, CURVE, True)[0], map_planes(clean, CURVE, True)[0]
    level = RaisedNoise(raised_of(noisy).raised, CURVE, (noise / (2 * SIGMA)) ** 2)
    made = denoised((mapped,), noisy, level, np.zeros((160, 256), np.float32))[0]
    lost, left = (float(plane.mean()) - float(wanted.mean()) for plane in (mapped, made))
    assert lost < -0.3
    assert abs(left) < 0.5 * abs(lost)


def test_edges_stay_sharp() -> None:
    noisy, clean = dark_frame(SIGMA, edge=True)
    mapped, wanted = map_planes(noisy, CURVE, True), map_planes(clean, CURVE, True)
    made = denoised(mapped, noisy, raised_of(noisy), np.zeros((160, 256), np.float32))[0]
    step = [float(np.diff(plane[:, 127:129].astype(float)).mean()) for plane in (made, wanted[0])]
    assert step[0] > 0.85 * step[1] > 20


def test_what_the_neighbours_show_is_not_touched() -> None:
    noisy, _ = dark_frame(SIGMA)
    mapped = map_planes(noisy, CURVE, True)
    share = np.ones((160, 256), np.float32)
    assert all(
        one is other
        for one, other in zip(mapped, denoised(mapped, noisy, raised_of(noisy), share), strict=True)
    )
    share[32:64, 64:96] = 0.0
    for plane, made in zip(mapped, denoised(mapped, noisy, raised_of(noisy), share), strict=True):
        scale = 160 // plane.shape[0]
        changed = np.argwhere(plane != made) * scale
        assert len(changed)
        assert changed.min(0).tolist() >= [32, 64]
        assert changed.max(0).tolist() <= [63, 95]


def test_parts_make_no_difference() -> None:
    noisy, _ = dark_frame(SIGMA)
    mapped = map_planes(noisy, CURVE, True)
    share = np.zeros((160, 256), np.float32)
    whole = denoised(mapped, noisy, raised_of(noisy), share)
    share[:, :96] = share[64:, :] = 1.0
    part = denoised(mapped, noisy, raised_of(noisy), share)
    for one, other in zip(whole, part, strict=True):
        scale = 160 // one.shape[0]
        rows, columns = slice(0, 64 // scale), slice(96 // scale, None)
        assert np.abs(one[rows, columns].astype(int) - other[rows, columns]).max() <= 1


@pytest.mark.parametrize("lift", [0.0, 0.6])
@pytest.mark.parametrize("size", [(97, 130), (64, 66), (3, 40), (1, 33)])
def test_the_loops_do_what_the_formula_says(size: tuple[int, int], lift: float) -> None:
    random = np.random.default_rng(1)
    plane = random.integers(0, 1024, size).astype(np.uint16)
    height, width = size
    shape = (max(height // 4, 1), width // 4)
    variance = cv2.GaussianBlur(random.random(shape, np.float32), (0, 0), 3) * 0.2
    variance[:, : width // 16] = 0.0
    parts = np.array([[0, height, 0, width // 2], [height // 3, height, width // 2, width]])
    out = plane.copy()
    levels = np.float32(1023**2), np.float32(64), np.float32(lift)
    filter_parts(plane, variance[None], *levels, parts, np.float32(1023), out)

    values = plane.astype(np.float32)
    noise = cv2.resize(variance, (width, height)) * np.float32(1023**2)
    mean = cv2.blur(values, (3, 3))
    spread = cv2.blur(values * values, (3, 3)) - mean * mean
    kept = np.where(noise > 0, np.maximum(spread - noise, 0) / np.maximum(spread, 1e-3), 1)
    value = np.maximum(mean - 64, 0)
    rest = mean * (1 - kept) + lift * noise * value / (value**2 + 2 * noise + 1e-3)
    smooth = cv2.blur(rest, (3, 3)) + cv2.blur(kept, (3, 3)) * values
    wanted = np.clip(np.floor(smooth + 0.5), 0, 1023)
    wanted[: height // 3, width // 2 :] = plane[: height // 3, width // 2 :]
    assert np.abs(out - wanted).max() <= 3
    assert np.mean(out != wanted) < 0.03


def test_what_is_well_exposed_stays_bit_for_bit() -> None:
    frame = grey_frame(exposed(scene(128, 96) * 0.5 + 0.2, 0), 0)
    curve = ratio_curve(0.5)
    mapped = map_planes(frame, curve, True)
    noise = RaisedNoise(picture(frame, (128, 96)).brightened(curve), curve, 0.1)
    np.testing.assert_array_equal(
        denoised(mapped, frame, noise, np.zeros((96, 128), np.float32))[0], mapped[0]
    )


@pytest.mark.parametrize("denoise", [True, False])
def test_an_exposure_that_nobody_has_taken(denoise: bool) -> None:
    noisy, _ = dark_frame(4 * SIGMA)
    other, _ = dark_frame(4 * SIGMA)
    (made,) = Aligner(denoise=denoise).push(Bracket(noisy, 0, 3, {1: Neighbours(None, other)}))
    curve = ratio_curve(made.gaps_ev[2])
    same = np.array_equal(made.exposures[2][0], map_planes(noisy, curve, True)[0])
    assert same is not denoise
