"""Dominant motion: the camera's, as a homography, for the pixels that it explains as well as dense flow does.

A camera that turns, or looks at something flat or far away, moves the whole background by one homography. Fitted to
all pixels whose motion is well posed, it is more exact than dense flow in noise, and it reaches into clipped areas.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.align.flow import coordinates, halved, mixed, warp
from streamfuse.core.frame import Map
from streamfuse.imaging.picture_rows import ramp

_STEP = 8  # working pixels from one sample of the flow field to the next, at least
_MAX_COUNT = 2000  # samples, about
_MIN_COUNT = 60  # samples
_SURE = 0.5  # share of well-posed pixels around a sample that is used
_INLIER = 1.0  # working pixels from the homography
_DOMINANT = 0.4  # share of the samples that have to be inliers
_WINDOW = (7, 7)  # pixels, at half of the working size, over which errors are pooled
_UNSEEN = np.float32(1 / 255**2)  # squared error that does not show
_WORSE = np.float32(1.5)  # times the error of dense flow: from there on dense flow is right
_WORSE_PER_PIXEL = np.float32(
    0.15
)  # less than that by which the two differ: much of it is an object that moves
_FARTHEST = 4.0  # pixels of difference beyond which that grows no more


def dominant_motion(flow: Map, share: Map, grid: int = 1) -> Map | None:
    """Give the homography that most of a flow field follows, as a flow field of the same shape; None if there is none.

    Args:
        flow: (h, w, 2), in pixels.
        share: how well posed it is, (h, w), 0..1.
        grid: working pixels per pixel of these.
    """
    places = coordinates(*share.shape)
    step = max(_STEP // grid, round(np.sqrt(share.size / _MAX_COUNT)))
    samples = slice(step // 2, None, step)
    sure = share[samples, samples] > _SURE
    if np.count_nonzero(sure) < _MIN_COUNT:
        return None
    source = places[samples, samples][sure]
    target = source + flow[samples, samples][sure]
    homography, inliers = cv2.findHomography(source, target, cv2.RANSAC, _INLIER / grid, None, 200, 0.999)
    if homography is None or inliers.mean() < _DOMINANT:
        return None
    moved = cv2.perspectiveTransform(places.reshape(-1, 1, 2), homography).reshape(places.shape)
    field = np.asarray(moved - places, np.float32)
    # Far from the samples a poor homography can run off to infinity.
    return field if float(np.abs(field).max()) < max(share.shape) else None


def preferred(
    reference: Map,
    neighbours: Sequence[Map],
    dense: Sequence[Map],
    dominant: Sequence[Map],
    lumas: tuple[Map, Map] | None,
    grid: int = 1,
) -> list[Map]:
    """Flow fields that follow the homographies wherever these explain the pictures as well as dense flow.

    Args:
        reference: luma (h, w).
        neighbours: one or two, in the same scale of exposure.
        dense: flow of the reference towards each.
        dominant: the same by homographies.
        lumas: of the two neighbours, where there are two, in their own scale: what is clipped in the reference shows
            only there.
        grid: working pixels per pixel of all these.
    """
    small = halved if grid == 1 else _as_it_is
    here, there = small(reference), [small(luma) for luma in neighbours]
    scale = np.float32(here.shape[0] / reference.shape[0])
    flows, homographies = ([small(flow) * scale for flow in fields] for fields in (dense, dominant))
    between: Map = np.zeros_like(here)
    if lumas is not None:
        # The root brings out the shadows of dark frames.
        one, other = (cv2.sqrt(small(luma)) for luma in lumas)
        between = _ratio(
            (warp(one, homographies[0]), warp(other, homographies[1])),
            (warp(one, flows[0]), warp(other, flows[1])),
        )
    size = (reference.shape[1], reference.shape[0])
    out = []
    for number, luma in enumerate(there):
        ratio = _ratio((here, warp(luma, homographies[number])), (here, warp(luma, flows[number])))
        apart = np.minimum(_length(homographies[number] - flows[number]) * np.float32(2), _FARTHEST)
        limit = _WORSE - _WORSE_PER_PIXEL * apart
        share = cv2.blur(ramp(cv2.max(ratio, between) - limit, 0.0, -0.25), (3, 3))
        whole = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
        out.append(mixed(dominant[number], dense[number], whole))
    return out


def _as_it_is(picture: Map) -> Map:
    return picture


def _ratio(pair: tuple[Map, Map], against: tuple[Map, Map]) -> Map:
    """Squared error of a pair of pictures / that of another pair, around each pixel."""
    return _error(*pair) / (_error(*against) + _UNSEEN)


def _error(one: Map, other: Map) -> Map:
    difference = cv2.subtract(one, other)
    return np.asarray(cv2.blur(cv2.multiply(difference, difference), _WINDOW), np.float32)


def _length(vectors: Map) -> Map:
    return np.asarray(cv2.magnitude(vectors[..., 0], vectors[..., 1]), np.float32)
