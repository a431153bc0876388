"""Dense motion: what was moved is found, whatever the picture's size, in the time that the loops promise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.align.dense_search import MIN_SIDE, dense_flow
from streamfuse.align.patch_rows import FRAME, PATCH, densify
from streamfuse.align.refine_rows import constrain, refine
from streamfuse.core.frame import Map


def scene(height: int, width: int, seed: int = 0) -> Map:
    """Give texture of a few pixels, in code values."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.asarray((smooth - smooth.mean()) * 4 + 128, np.float32)


def moved(picture: Map, dx: float, dy: float) -> Map:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = picture.shape[1], picture.shape[0]
    return np.asarray(
        cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


@settings(max_examples=15, deadline=None)
@given(st.floats(-9, 9), st.floats(-6, 6), st.sampled_from([(96, 160), (97, 161), (120, 75)]))
def test_a_shift_is_found_to_a_tenth_of_a_pixel(dx: float, dy: float, size: tuple[int, int]) -> None:
    picture = scene(*size)
    flow = dense_flow(picture, moved(picture, dx, dy), 5, 8)
    assert flow.shape == (*size, 2)
    assert flow.dtype == np.float32
    inner = flow[14:-14, 14:-14]
    assert np.abs(np.median(inner.reshape(-1, 2), 0) - (dx, dy)).max() < 0.1
    assert np.quantile(np.abs(inner - np.array([dx, dy], np.float32)), 0.9) < 0.25


def test_a_motion_that_turns_is_found_where_it_is() -> None:
    picture = scene(120, 200)
    matrix = cv2.getRotationMatrix2D((100, 60), 2.0, 1.0)
    turned = np.asarray(cv2.warpAffine(picture, matrix, (200, 120), flags=cv2.INTER_CUBIC), np.float32)
    places = np.dstack(np.meshgrid(np.arange(200.0), np.arange(120.0)))
    right = cv2.transform(places, matrix) - places
    found = dense_flow(picture, turned, 5, 8)
    assert np.abs(found - right)[16:-16, 16:-16].mean() < 0.1


@pytest.mark.parametrize("level", [0.0, 128.0, 255.0])
def test_nothing_to_follow_is_no_motion(level: float) -> None:
    flat = np.full((40, 64), level, np.float32)
    assert not dense_flow(flat, flat, 5, 8).any()
    assert np.abs(dense_flow(flat, flat + 1, 5, 8)).max() < 1e-3


@pytest.mark.parametrize("size", [(MIN_SIDE, MIN_SIDE), (17, 33), (16, 200), (203, 16)])
def test_small_and_odd_pictures_have_finite_motion(size: tuple[int, int]) -> None:
    picture = scene(*size)
    flow = dense_flow(picture, moved(picture, 1.0, 0.0), 3, 4)
    assert flow.shape == (*size, 2)
    assert np.isfinite(flow).all()


def test_it_is_as_good_as_opencvs() -> None:
    picture = scene(160, 256, seed=3)
    rng = np.random.default_rng(4)
    true = cv2.resize(
        rng.uniform(-3, 3, (4, 6, 2)).astype(np.float32), (256, 160), interpolation=cv2.INTER_CUBIC
    )
    places = np.dstack(np.meshgrid(np.arange(256, dtype=np.float32), np.arange(160, dtype=np.float32)))
    # `picture` is what the target shows along `true`.
    source = np.asarray(cv2.remap(picture, places + true, None, cv2.INTER_CUBIC), np.float32)
    noisy = [
        np.clip(one + rng.normal(0, 3, one.shape), 0, 255).astype(np.float32) for one in (source, picture)
    ]
    theirs = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    theirs.setFinestScale(0)
    there = theirs.calc(noisy[0].astype(np.uint8), noisy[1].astype(np.uint8), None)
    inner = np.s_[12:-12, 12:-12]
    ours, reference = (
        float(np.abs(one - true)[inner].mean()) for one in (dense_flow(noisy[0], noisy[1], 5, 16), there)
    )
    assert ours < 1.05 * reference


def test_patches_of_one_motion_make_a_field_of_that_motion() -> None:
    framed = np.pad(scene(30, 45), FRAME, mode="edge")
    counts = [-(-(size - PATCH) // 4) + 1 for size in (30, 45)]
    patches = np.stack([np.full(counts, 1.5, np.float32), np.full(counts, -0.5, np.float32)])
    field = np.empty((2, 30, 45), np.float32)
    densify(framed, framed, patches, field)
    np.testing.assert_allclose(field[0], 1.5, rtol=1e-5)
    np.testing.assert_allclose(field[1], -0.5, rtol=1e-5)


@pytest.mark.parametrize("size", [(24, 32), (23, 33)])
def test_refinement_leaves_what_is_right_and_mends_what_is_not(size: tuple[int, int]) -> None:
    picture = scene(*size)
    terms = np.empty((size[0], 2, 9, (size[1] + 1) // 2), np.float32)
    constrain(picture, picture, terms)
    field = np.zeros((2, *size), np.float32)
    refine(terms, field, 3)
    assert not field.any()
    constrain(picture, moved(picture, 0.5, 0.0), terms)
    refine(terms, field, 10)
    assert abs(float(np.median(field[0])) - 0.5) < 0.1
    assert abs(float(np.median(field[1]))) < 0.1
