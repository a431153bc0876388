"""Planes are warped and mixed as the formula says."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.imaging.warping import Moved, assemble


def scene(size, bits, seed):
    rng = np.random.default_rng(seed)
    values = cv2.resize(rng.random((9, 11), np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.rint(np.clip(values, 0, 1) * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def taps(part, cubic):
    """(offset, weight) of the pixels that a place between two of them is made from."""
    if not cubic:
        return [(0, 1 - part), (1, part)]
    outer = [-0.75 * d**3 + 3.75 * d**2 - 6 * d + 3 for d in (1 + part, 2 - part)]
    inner = [1.25 * d**3 - 2.25 * d**2 + 1 for d in (part, 1 - part)]
    return [(-1, outer[0]), (0, inner[0]), (1, inner[1]), (2, outer[1])]


def sampled(plane, where, cubic):
    """A plane at places (H, W, 2), its border repeated; float64."""
    base = np.floor(where)
    part = where - base
    total = np.zeros(where.shape[:2])
    for dx, a in taps(part[..., 0], cubic):
        for dy, b in taps(part[..., 1], cubic):
            x = np.clip(base[..., 0] + dx, 0, plane.shape[1] - 1).astype(int)
            y = np.clip(base[..., 1] + dy, 0, plane.shape[0] - 1).astype(int)
            total += a * b * plane[y, x]
    return total


def whole(own, sides, weight, share, cubic):
    """The formula, at once, in float64."""
    size = own.shape[::-1]
    seen = []
    for plane, flow in sides:
        scale = np.array([size[0] / flow.shape[1], size[1] / flow.shape[0]], np.float32)
        grid = np.dstack(
            np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
        )
        # Two lines at a time move alike.
        pairs = cv2.resize(flow * scale, (size[0], (size[1] + 1) // 2), interpolation=cv2.INTER_LINEAR)
        where = np.repeat(pairs, 2, axis=0)[: size[1]] + grid
        seen.append(sampled(plane.astype(float), where.astype(float), cubic))
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
    cubic=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_is_the_formula(size, working, bits, count, cubic, seed):
    rng = np.random.default_rng(seed)
    flows = [rng.normal(0, 1, (*working, 2)).astype(np.float32) for _ in range(count)]
    planes = [scene(size, bits, seed + n) for n in range(3)]
    weight = rng.random(working, np.float32) if count == 2 else None
    share = rng.random(working, np.float32)
    sides = list(zip(planes[1:], flows, strict=False))
    (ours,) = assemble(planes[:1], [Moved([p], f) for p, f in sides], weight, share, bits, cubic)
    top = (1 << bits) - 1
    wanted = np.clip(whole(planes[0], sides, weight, share, cubic), 0, top)
    assert ours.dtype == planes[0].dtype
    # half a code value of rounding, and places to 1/10000 of a pixel in float32
    assert np.abs(ours - wanted).max() <= 0.51 + top * 1e-4


def test_a_neighbour_that_did_not_move_and_has_all_the_share_is_taken_as_it_is():
    plane = scene((12, 16), 8, 0)
    (taken,) = assemble([np.zeros_like(plane)], [Moved([plane], None)], None, None, 8, False)
    assert taken is plane


@pytest.mark.parametrize(("share", "index"), [(0.0, 0), (1.0, 1)])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_one_sided_shares_pick_a_plane(share, index, bits):
    planes = [scene((40, 60), bits, n) for n in range(2)]
    part = np.full((10, 15), share, np.float32)
    (made,) = assemble(planes[:1], [Moved(planes[1:], None)], None, part, bits, False)
    np.testing.assert_array_equal(made, planes[index])


@pytest.mark.slow
def test_cubic_overshoot_stays_in_the_code_values():
    steps = (np.indices((48, 64))[1] // 8 % 2 * 1023).astype(np.uint16)
    flow = np.full((12, 16, 2), 0.13, np.float32)
    (made,) = assemble([steps], [Moved([steps], flow)], None, None, 10, cv2.INTER_CUBIC)
    assert made.max() <= 1023
