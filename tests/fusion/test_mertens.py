"""The classical fuser against OpenCV's, and what must hold for any exposure fusion."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.fusion.mertens import blend_pyramid, mertens_weights


def fuse(lumas):
    return blend_pyramid(lumas, mertens_weights(lumas))


def exposures(seed, shape=(37, 50), count=2):
    rng = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(rng.random(shape).astype(np.float32), (0, 0), 2)
    scene = (scene - scene.min()) / (np.ptp(scene) + 1e-6) * 4
    return [np.clip(scene * 2.0 ** (rank - 2), 0, 1).astype(np.float32) for rank in range(count)]


@pytest.mark.parametrize("shape", [(64, 64), (37, 50), (33, 2), (5, 7)])
def test_equals_opencv_on_grey_pictures(shape):
    # textured everywhere: in flat areas OpenCV's weights are those of rounding errors
    scene = np.random.default_rng(1).uniform(20, 120, shape)
    codes = [np.round(scene * gain).astype(np.uint8) for gain in (0.5, 2.0)]
    # OpenCV multiplies the well-exposedness of three (here equal) channels: the exponent 1/3 undoes that
    theirs = cv2.createMergeMertens(1, 0, 1 / 3).process([cv2.merge([code] * 3) for code in codes])
    ours = fuse([code.astype(np.float32) / 255 for code in codes])
    np.testing.assert_allclose(ours, np.clip(theirs[..., 1], 0, 1), atol=2e-3)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_constant_pictures_stay_constant(value):
    fused = fuse([np.full((21, 34), value, np.float32)] * 3)
    np.testing.assert_allclose(fused, value, atol=1e-6)


def test_flat_exposures_are_weighted_by_well_exposedness_not_nan():
    fused = fuse([np.full((8, 8), 0.0, np.float32), np.full((8, 8), 1.0, np.float32)])
    np.testing.assert_allclose(fused, 0.5, atol=1e-5)


def test_order_of_the_exposures_does_not_matter():
    lumas = exposures(2, count=3)
    np.testing.assert_allclose(fuse(lumas), fuse(lumas[::-1]), atol=1e-5)


def test_bit_depths_agree():
    lumas = exposures(3)
    by_bits = {}
    for bits in (8, 10, 16):
        # code values that all depths can hold exactly, so that only the handling of the depth differs
        codes = [np.round(luma * 255) * ((1 << bits) - 1) / 255 for luma in lumas]
        by_bits[bits] = fuse([(code / ((1 << bits) - 1)).astype(np.float32) for code in codes])
    np.testing.assert_allclose(by_bits[8], by_bits[10], atol=5e-4)
    np.testing.assert_allclose(by_bits[8], by_bits[16], atol=5e-4)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 20), width=st.integers(1, 20), count=st.integers(1, 4), seed=st.integers(0, 1 << 30)
)
def test_any_size_gives_normal_weights_and_a_picture_in_range(height, width, count, seed):
    lumas = [p.astype(np.float32) for p in np.random.default_rng(seed).random((count, height, width))]
    weights = mertens_weights(lumas)
    assert weights.shape == (count, height, width)
    assert weights.dtype == np.float32
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    fused = blend_pyramid(lumas, weights)
    assert fused.shape == (height, width)
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1


def test_takes_the_detail_from_the_exposure_that_has_it():
    detail = (np.indices((32, 32)).sum(axis=0) % 2).astype(np.float32) * 0.4 + 0.3
    fused = fuse([detail, np.ones((32, 32), np.float32)])
    assert fused[8:-8, 8:-8].std() > 0.9 * detail.std()


@pytest.mark.parametrize(
    "lumas",
    [
        [],
        [np.zeros((4, 4), np.uint8)],
        [np.zeros((4, 4), np.float32), np.zeros((4, 5), np.float32)],
        [np.zeros((0, 4), np.float32)],
    ],
)
def test_refuses_what_it_cannot_fuse(lumas):
    with pytest.raises(ValueError, match="exposure fusion"):
        mertens_weights(lumas)


def test_refuses_weights_of_another_shape():
    with pytest.raises(ValueError, match="weights"):
        blend_pyramid(exposures(4), np.ones((2, 3, 3), np.float32))
