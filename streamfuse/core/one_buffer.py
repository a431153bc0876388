"""Planes that lie one after another in one buffer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfuse.core.frame import Plane


def empty_planes(like: Sequence[Plane]) -> tuple[Plane, ...]:
    """Make planes to be filled, of the shapes and the dtype of these, one after another in one buffer.

    So a publisher sends them as one piece; with every consumer else they are as good as any.
    """
    buffer = np.empty(sum(plane.size for plane in like), like[0].dtype)
    planes, begin = [], 0
    for plane in like:
        planes.append(buffer[begin : begin + plane.size].reshape(plane.shape))
        begin += plane.size
    return tuple(planes)


def in_one_buffer(planes: Sequence[Plane]) -> tuple[Plane, ...]:
    """Copy these planes so that they lie as `empty_planes` lays them."""
    copies = empty_planes(planes)
    for copy, plane in zip(copies, planes, strict=True):
        copy[...] = plane
    return copies
