"""Several arrays as one message part, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.zmq.joined import join, split


def planes(height=4, width=6, dtype=np.uint8):
    """Y', Cb and Cr in one buffer, with something before and after them."""
    luma, chroma = height * width, height * width // 4
    buffer = np.arange(3 + luma + 2 * chroma + 3).astype(dtype)
    y, cb, cr, _ = np.split(buffer[3:], [luma, luma + chroma, luma + 2 * chroma])
    shape = height // 2, width // 2
    return y.reshape(height, width), cb.reshape(shape), cr.reshape(shape)


def test_planes_of_one_buffer_are_joined_without_a_copy():
    for dtype in (np.uint8, np.uint16):
        made = planes(dtype=dtype)
        joined = join(made)
        assert joined.tobytes() == b"".join(plane.tobytes() for plane in made)
        assert np.shares_memory(joined, made[0])


def test_others_are_not():
    y, cb, cr = planes()
    assert join([y, cr, cb]) is None  # another order
    assert join([y, cr]) is None  # a gap
    assert join([y, cb.copy(), cr]) is None  # another buffer
    assert join([y[:, ::2], cb, cr]) is None
    assert join([y]) is None  # nothing to join
    assert join([]) is None


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5), st.binary(max_size=3))
def test_splitting_is_the_inverse_and_keeps_what_is_too_much(pieces, more):
    whole = b"".join(pieces) + more
    found = split(whole, [len(piece) for piece in pieces])
    assert b"".join(found) == whole
    assert [bytes(piece) for piece in found[:-1]] == pieces[:-1]
    assert bytes(found[-1]) == pieces[-1] + more
