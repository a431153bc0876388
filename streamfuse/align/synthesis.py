"""Synthesis: the planes of a missing exposure, from its neighbours warped to the reference and the reference itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamfuse.align.flow import full_size_map
from streamfuse.align.ghost import side_weights
from streamfuse.frame import Frame, Map, Plane

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Side:
    """A neighbour that holds the missing exposure.

    Args:
        frame: the neighbour.
        flow: of the reference towards it, (h, w, 2) at working size; None = take it as it is.
        deviation: from the reference once it is warped, (h, w), see `ghost.deviation`.
        error: the same as `ghost.squared_error`, in the brighter exposure's scale.
    """

    frame: Frame
    flow: Map | None
    deviation: Map
    error: Map


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of each pixel comes from the neighbours, 0..1 at working size; None = all of it."""

    luma: Map | None
    chroma: Map | None


def synthesise(
    reference: Frame, mapped: Sequence[Plane], sides: Sequence[Side], shares: Shares, interpolation: int
) -> tuple[Plane, ...]:
    """Planes like the reference's, of another exposure.

    Args:
        reference: the frame of this instant.
        mapped: its planes in the scale of the missing exposure.
        sides: one or two neighbours.
        shares: of the neighbours against `mapped`.
        interpolation: of `cv2.remap` for luma; chroma is bilinear.
    """
    weight = side_weights(sides[0].deviation, sides[1].deviation) if len(sides) == 2 else None
    places = [_places(reference, side) for side in sides]
    planes = []
    for index, own in enumerate(mapped):
        how = interpolation if index == 0 else cv2.INTER_LINEAR
        warped = [
            _warp_plane(side.frame, index, where[min(index, 1)], how)
            for side, where in zip(sides, places, strict=True)
        ]
        plane = warped[0] if weight is None else _blend(warped[0], warped[1], weight)
        share = shares.luma if index == 0 else shares.chroma
        planes.append(plane if share is None else _blend(plane, own, share))
    return tuple(planes)


def enlarged(working: Map, size: Size) -> Map:
    """A map at working size, at `size` (width, height)."""
    return np.asarray(cv2.resize(working, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _places(reference: Frame, side: Side) -> tuple[Map | None, Map | None]:
    """Where to read luma and chroma of a neighbour; None = at the same place."""
    if side.flow is None:
        return None, None
    height, width = side.flow.shape[:2]
    scale = (reference.width / width, reference.height / height)
    luma = full_size_map(side.flow, (reference.width, reference.height), scale)
    if len(reference.planes) == 1 or reference.subsampling == (0, 0):
        return luma, luma
    across, down = reference.subsampling
    rows, columns = reference.planes[1].shape
    return luma, full_size_map(side.flow, (columns, rows), (scale[0] / (1 << across), scale[1] / (1 << down)))


def _warp_plane(frame: Frame, index: int, where: Map | None, interpolation: int) -> Plane:
    plane = frame.planes[index]
    if where is None:
        return plane
    moved = cv2.remap(plane, where, None, interpolation, borderMode=cv2.BORDER_REPLICATE)
    limit = (1 << frame.bits) - 1
    if limit < np.iinfo(plane.dtype).max:  # cubic interpolation overshoots
        moved = np.minimum(moved, np.array(limit, plane.dtype))
    return np.asarray(moved, plane.dtype)


def _blend(first: Plane, second: Plane, weight: Map) -> Plane:
    """Weight x first + (1 - weight) x second, rounded; the weight comes at working size."""
    share = enlarged(weight, (first.shape[1], first.shape[0]))
    # Not cv2.blendLinear: it rounds every half down, which is a quarter of a code value where two sides are averaged.
    difference = cv2.subtract(first, second, dtype=cv2.CV_32F)
    cv2.multiply(difference, share, dst=difference)
    return np.asarray(cv2.add(second, difference, dtype=_DEPTHS[first.dtype]))


_DEPTHS = {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U}
