"""Strips give what the whole planes give: positions, warps and mixtures."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.align import warping
from streamfuse.align.flow import full_size_map
from streamfuse.align.warping import Moved, assemble


def scene(size, bits, seed):
    rng = np.random.default_rng(seed)
    values = cv2.resize(rng.random((9, 11), np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.rint(np.clip(values, 0, 1) * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def whole(own, sides, weight, share, interpolation):
    """The formula, at once, in float64."""
    size = own.shape[::-1]
    seen = []
    for plane, flow in sides:
        scale = size[0] / flow.shape[1], size[1] / flow.shape[0]
        where = full_size_map(flow, size, scale)
        seen.append(
            cv2.remap(plane, where, None, interpolation, borderMode=cv2.BORDER_REPLICATE).astype(float)
        )
    mixed = seen[0]
    if weight is not None:
        w = cv2.resize(weight, size)
        mixed = w * seen[0] + (1 - w) * seen[1]
    s = cv2.resize(share, size)
    return s * mixed + (1 - s) * own


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(20, 120), st.integers(20, 120)),
    working=st.tuples(st.integers(5, 20), st.integers(5, 20)),
    bits=st.sampled_from([8, 10, 16]),
    count=st.sampled_from([1, 2]),
    strip=st.sampled_from([1, 400, 1 << 20]),
    seed=st.integers(0, 1000),
)
def test_strips_make_no_difference(size, working, bits, count, strip, seed):
    rng = np.random.default_rng(seed)
    flows = [rng.normal(0, 1, (*working, 2)).astype(np.float32) for _ in range(count)]
    planes = [scene(size, bits, seed + n) for n in range(3)]
    weight = rng.random(working, np.float32) if count == 2 else None
    share = rng.random(working, np.float32)
    sides = list(zip(planes[1:], flows, strict=False))
    before, warping._STRIP_PIXELS = warping._STRIP_PIXELS, strip
    try:
        (ours,) = assemble(
            planes[:1], [Moved([p], f) for p, f in sides], weight, share, bits, cv2.INTER_LINEAR
        )
    finally:
        warping._STRIP_PIXELS = before
    wanted = whole(planes[0], sides, weight, share, cv2.INTER_LINEAR)
    assert ours.dtype == planes[0].dtype
    # a warp position on a rounding step of 1/32 pixel may fall to either side of it
    steep = max(float(np.abs(np.diff(p.astype(float), axis=a)).max()) for p in planes for a in (0, 1))
    assert np.abs(ours - wanted).max() <= 1.51 + steep / 16


def test_a_neighbour_that_did_not_move_and_has_all_the_share_is_taken_as_it_is():
    plane = scene((12, 16), 8, 0)
    (taken,) = assemble([np.zeros_like(plane)], [Moved([plane], None)], None, None, 8, cv2.INTER_LINEAR)
    assert taken is plane


@pytest.mark.parametrize(("share", "index"), [(0.0, 0), (1.0, 1)])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_one_sided_shares_pick_a_plane(share, index, bits):
    planes = [scene((40, 60), bits, n) for n in range(2)]
    part = np.full((10, 15), share, np.float32)
    (made,) = assemble(planes[:1], [Moved(planes[1:], None)], None, part, bits, cv2.INTER_LINEAR)
    np.testing.assert_array_equal(made, planes[index])


def test_cubic_overshoot_stays_in_the_code_values():
    steps = (np.indices((48, 64))[1] // 8 % 2 * 1023).astype(np.uint16)
    flow = np.full((12, 16, 2), 0.13, np.float32)
    (made,) = assemble([steps], [Moved([steps], flow)], None, None, 10, cv2.INTER_CUBIC)
    assert made.max() <= 1023
