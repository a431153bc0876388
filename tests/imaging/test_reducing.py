from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.imaging.reducing import reduced


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(768, 432), (640, 360), (480, 270), (333, 101), (1, 1), (1277, 719)])
def test_it_is_the_mean_over_the_extent_of_each_new_pixel(dtype: type, size: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).integers(0, 250, (719, 1277)).astype(dtype)
    wanted = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    made = reduced(plane, size)
    assert made.dtype == dtype
    assert made.shape == size[::-1]
    assert np.abs(made - wanted).max() <= 0.51


@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    parts=st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)),
    level=st.integers(0, 255),
)
def test_a_constant_stays_what_it_is(shape: tuple[int, int], parts: tuple[float, float], level: int) -> None:
    size = max(1, int(shape[1] * parts[0])), max(1, int(shape[0] * parts[1]))
    made = reduced(np.full(shape, level, np.uint8), size)
    assert made.shape == size[::-1]
    assert np.all(made == level)
