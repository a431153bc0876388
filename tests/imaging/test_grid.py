"""Pictures, maps and flow fields on grids of different size."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.imaging.grid import resample, resample_flow, sampling_positions


def ramp(rows, columns, coverage=(1.0, 1.0)):
    """(rows, columns, 2): the place (x, y) in the picture, 0..1, that each pixel's centre shows."""
    x = (np.arange(columns) + 0.5) / columns * coverage[1]
    y = (np.arange(rows) + 0.5) / rows * coverage[0]
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


sides = st.integers(8, 60)


@given(rows=sides, columns=sides, to_rows=sides, to_columns=sides)
def test_every_pixel_keeps_its_place(rows, columns, to_rows, to_columns):
    found = resample(ramp(rows, columns), (to_rows, to_columns))
    wanted = ramp(to_rows, to_columns)
    # beyond the outermost pixel centres the field is repeated
    limits = [(0.5 / n, 1 - 0.5 / n) for n in (columns, rows)]
    for axis, (low, high) in enumerate(limits):
        np.testing.assert_allclose(found[..., axis], wanted[..., axis].clip(low, high), atol=4e-3)


def test_the_same_grid_is_passed_on():
    field = np.random.default_rng(0).random((7, 9), np.float32)
    assert resample(field, (7, 9)) is field
    np.testing.assert_array_equal(resample(field, (7, 9), coverage=(1.5, 1.0), to_coverage=(1.5, 1.0)), field)


@pytest.mark.parametrize("size", [(30, 50), (60, 100), (11, 13), (120, 200)])
def test_a_field_that_spans_more_than_the_picture_is_cut(size):
    padded = ramp(48, 80, (1.5, 1.25))
    found, wanted = resample(padded, size, coverage=(1.5, 1.25)), ramp(*size)
    np.testing.assert_allclose(found[2:, 2:], wanted[2:, 2:], atol=4e-3)


def test_a_grid_that_spans_more_repeats_the_border():
    found = resample(ramp(40, 40), (80, 40), to_coverage=(2.0, 1.0))
    np.testing.assert_allclose(found[1:39], ramp(40, 40)[1:39], atol=1e-5)
    np.testing.assert_allclose(found[40:, :, 1], 39.5 / 40, atol=1e-5)


@pytest.mark.parametrize("size", [(10, 16), (12, 16), (80, 128), (1, 1)])
def test_constants_stay_constant(size):
    np.testing.assert_allclose(resample(np.full((20, 32), 0.7, np.float32), size), 0.7, atol=1e-6)


def test_flow_counts_pixels_of_its_grid():
    flow = np.zeros((96, 160, 2), np.float32)
    flow[..., 0], flow[..., 1] = 8.0, -4.0
    small = resample_flow(flow, (12, 20))
    assert small.shape == (12, 20, 2)
    np.testing.assert_allclose(small[..., 0], 1.0, atol=1e-6)
    np.testing.assert_allclose(small[..., 1], -0.5, atol=1e-6)


@pytest.mark.parametrize(("size", "coverage"), [((18, 20), (1.5, 1.0)), ((12, 25), (1.0, 1.25))])
def test_flow_on_a_padded_grid(size, coverage):
    # 18 rows that span 1.5 times the picture: 8 picture rows each, padding included
    flow = np.full((96, 160, 2), 8.0, np.float32)
    padded = resample_flow(flow, size, to_coverage=coverage)
    np.testing.assert_allclose(padded, 1.0, atol=1e-6)


def test_following_the_flow_finds_what_moved():
    picture = cv2.GaussianBlur(np.random.default_rng(1).random((40, 50), np.float32), (0, 0), 2)
    moved = np.roll(picture, (3, 5), axis=(0, 1))  # what is at (x, y) here is at (x + 5, y + 3) there
    flow = np.zeros((40, 50, 2), np.float32)
    flow[..., 0], flow[..., 1] = 5, 3
    found = cv2.remap(moved, *sampling_positions(flow), cv2.INTER_LINEAR)
    np.testing.assert_allclose(found[:36, :44], picture[:36, :44], atol=1e-5)
