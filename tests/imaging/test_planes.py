from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from align_clips import FULL

from streamfuse.align.aligner import Aligner
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Bracket, Frame, Neighbours
from streamfuse.imaging.photometric import ratio_curve
from streamfuse.imaging.planes import map_planes, picture


def colourful(width: int, height: int, dx: float, ev: float) -> Frame:
    """A scene with saturated colours, moved right by dx pixels, its R, G and B clipped as a sensor does."""
    noise = np.random.default_rng(1).random((height, width + 48, 3), np.float32)
    linear = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4.0), None, 0.004, 0.4, cv2.NORM_MINMAX)
    move = np.array([[1, 0, dx - 24], [0, 1, 0]], np.float32)
    moved = cv2.warpAffine(linear, move, (width, height), flags=cv2.INTER_CUBIC)
    rgb = np.clip(moved * np.float32(2.0**ev), 0, 1) ** np.float32(1 / 2.2)
    color = ColorInfo(1, 1, 1, full_range=False)
    coded = rgb_to_planes(np.round(rgb * 65535).astype(np.uint16), bits=8, subsampling=(1, 1), color=color)
    return Frame(coded, 8, (1, 1), color, 0, Fraction(1, 30), 0)


def deviation(one: Frame, plane: int, truth: Frame) -> float:
    return float(np.abs(one.planes[plane].astype(float) - truth.planes[plane]).mean())


def test_saturated_colours_clip_where_a_sensor_clips_them() -> None:
    dark, bright = colourful(96, 64, 0, 0), colourful(96, 64, 0, 3)
    mapped = map_planes(dark, ratio_curve(3.0), to_brighter=True)
    difference = [mapped[n].astype(float) - bright.planes[n] for n in range(3)]
    assert abs(difference[0].mean()) < 0.4
    assert max(np.abs(d).mean() for d in difference) < 1.5
    raised = picture(dark, (96, 64)).brightened(ratio_curve(3.0))
    assert np.abs(raised - picture(bright, (96, 64)).luma).mean() < 0.01


def test_green_and_peak_of_a_picture() -> None:
    frame = colourful(32, 24, 0, 1)
    seen = picture(frame, (32, 24))
    assert seen.rgb is not None
    np.testing.assert_array_equal(seen.green, seen.rgb[..., 1])
    np.testing.assert_array_equal(seen.peak, seen.rgb.max(axis=2))
    grey = picture(Frame(frame.planes[:1], 8, (0, 0), frame.color, 0, Fraction(1), 0), (32, 24))
    assert grey.green is grey.luma is grey.peak


@pytest.mark.parametrize(
    "width", [470, 235]
)  # chroma of widths that are no multiple of 4 lies in strided planes
@pytest.mark.parametrize("strided", [True, False])
def test_aligned_chroma_is_where_the_truth_has_it(width: int, strided: bool) -> None:
    frames = [colourful(width, 80, 6.0 * index, ev) for index, ev in enumerate((3.0, 0.0, 3.0))]
    frames = [
        Frame(_padded(f.planes) if strided else f.planes, 8, (1, 1), f.color, n, f.time_base, n)
        for n, f in enumerate(frames)
    ]
    bracket = Bracket(frames[1], 0, 2, {1: Neighbours(frames[0], frames[2])})
    aligned = next(iter(Aligner().push(bracket)))
    truth = colourful(width, 80, 6.0, 3.0)
    made = Frame(aligned.exposures[1], 8, (1, 1), truth.color, 1, truth.time_base, 1)
    for plane in (1, 2):
        assert made.planes[plane].shape == truth.planes[plane].shape
        assert deviation(made, plane, truth) < 1.0
        assert deviation(frames[0], plane, truth) > 1.2


def _padded(planes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The same planes as views of wider memory, as decoders give them."""
    wide = [np.pad(plane, ((0, 0), (0, 64 - plane.shape[1] % 32))) for plane in planes]
    return tuple(memory[:, : plane.shape[1]] for memory, plane in zip(wide, planes, strict=True))


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("full_range", [True, False])
def test_planes_scale_in_luma_and_chroma(bits: int, full_range: bool) -> None:
    unit = 1 << (bits - 8)
    black, white = (0, 256 * unit - 1) if full_range else (16 * unit, 235 * unit)
    dtype = np.uint8 if bits == 8 else np.uint16
    y = np.full((5, 7), round(black + 0.2 * (white - black)), dtype)
    cb, cr = np.full((3, 4), 128 * unit + 10 * unit, dtype), np.full((3, 4), 128 * unit - 8 * unit, dtype)
    frame = Frame((y, cb, cr), bits, (1, 1), ColorInfo(1, 1, 1, full_range), 0, Fraction(1), 0)
    factor = 2 ** (2.2 / 2.2)  # 2.2 EV: twice the code value
    brighter = map_planes(frame, ratio_curve(2.2), to_brighter=True)
    assert [p.dtype for p in brighter] == [dtype] * 3
    assert int(brighter[0][0, 0]) == pytest.approx(black + 0.2 * factor * (white - black), abs=1.5 * unit)
    assert int(brighter[1][0, 0]) - 128 * unit == pytest.approx(10 * factor * unit, abs=1.5 * unit)
    assert int(brighter[2][0, 0]) - 128 * unit == pytest.approx(-8 * factor * unit, abs=1.5 * unit)
    darker = map_planes(frame, ratio_curve(2.2), to_brighter=False)
    assert int(darker[1][0, 0]) - 128 * unit == pytest.approx(5 * unit, abs=1.5 * unit)


def test_clipped_luma_loses_its_colour() -> None:
    planes = (np.full((4, 4), 200, np.uint8), np.full((4, 4), 150, np.uint8), np.full((4, 4), 100, np.uint8))
    frame = Frame(planes, 8, (0, 0), FULL, 0, Fraction(1), 0)
    bright = map_planes(frame, ratio_curve(4.0), to_brighter=True)
    assert [int(plane[0, 0]) for plane in bright] == [255, 128, 128]
