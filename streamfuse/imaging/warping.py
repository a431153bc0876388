"""Planes of one size, warped and mixed in one pass over their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel
from streamfuse.imaging.enlarging import bring_up, lines_kept, places, two_columns
from streamfuse.imaging.warp_rows import BLOCK, LINES, find_runs, read_lines, split, store

_ZERO, _ONE = np.float32(0), np.float32(1)


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Planes of a neighbour, all of one size, and where they have moved.

    Args:
        planes: (H, W) each.
        flow: of the reference towards it, (h, w, 2) of a reduced size; None = take it as it is.
    """

    planes: Sequence[Plane]
    flow: Map | None


def assemble(
    own: Sequence[Plane],
    sides: Sequence[Moved],
    weight: Map | None,
    share: Map | None,
    bits: int,
    cubic: bool,
) -> tuple[Plane, ...]:
    """share x (weight x sides[0] + (1 - weight) x sides[1]) + (1 - share) x own, rounded, plane by plane.

    Args:
        own: what takes over where the neighbours have no share, (H, W) each.
        sides: one or two neighbours; they are seen from where the flow starts.
        weight: of the first of two, (h, w) float32 in [0, 1] of a reduced size.
        share: of the neighbours, likewise; None = all of it.
        bits: depth of the planes.
        cubic: interpolate with a cubic, else bilinear.
    """
    if len(sides) == 1 and sides[0].flow is None and share is None:
        return tuple(sides[0].planes)
    height, width = own[0].shape
    some = next((field for field in (share, weight) if field is not None), np.ones((1, 1), np.float32))
    share = two_columns(np.ones_like(some) if share is None else share)
    if len(sides) == 2:
        weight = two_columns(np.full_like(some, 0.5) if weight is None else weight)
    out = np.empty((len(own), height, width), own[0].dtype)
    _assemble(
        _two(own),
        (_two(sides[0].planes), _two(sides[-1].planes)),
        np.concatenate([_shifts(side.flow, (width, height)) for side in sides]),
        (share, share if weight is None else weight),
        cubic,
        np.float32((1 << bits) - 1),
        out,
    )
    return tuple(out)


def _two(planes: Sequence[Plane]) -> tuple[Plane, Plane]:
    """Give one plane or two as two: luma and chroma have one type then, for which the loops are compiled once."""
    first, last = (np.require(plane, requirements=["C", "W"]) for plane in (planes[0], planes[-1]))
    return first, last


def _shifts(flow: Map | None, size: tuple[int, int]) -> Map:
    """Give a flow field as dx and dy (2, h, w), in pixels of a plane of `size` (width, height)."""
    if flow is None:
        return np.zeros((2, 1, 2), np.float32)
    field = two_columns(flow)
    shifts = np.empty((2, *field.shape[:2]), np.float32)
    np.multiply(field[..., 0], np.float32(size[0] / flow.shape[1]), out=shifts[0])
    np.multiply(field[..., 1], np.float32(size[1] / flow.shape[0]), out=shifts[1])
    return shifts


@kernel
def _assemble(
    own: tuple[Plane, Plane],
    neighbours: tuple[tuple[Plane, Plane], tuple[Plane, Plane]],
    shifts: Map,
    maps: tuple[Map, Map],
    cubic: bool,
    high: np.float32,
    out: Plane,
) -> None:
    """Do as `assemble`, for one or two sides. Two lines at a time move by what lies between them.

    Args:
        own: (H, W) each.
        neighbours: the planes of both sides, likewise.
        shifts: dx and dy of each side, (2 sides, h, w), in pixels of a plane.
        maps: share, and weight if there are two sides, (h', w').
        cubic, high: interpolation and largest value.
        out: (P, H, W).
    """
    height, width = out.shape[1:]
    pairs = (height + 1) // 2
    count = shifts.shape[0] // 2
    motion, motion_places = np.empty((2 * count, width), np.float32), places((pairs, width), shifts.shape)
    parts_of, mix_places = np.empty((2, count, width), np.float32), places(out.shape, maps[0].shape)
    motion_kept, mix_kept = (lines_kept(shifts.shape[0], width), lines_kept(count, width))
    x, y_here = np.arange(width).astype(np.float32), np.empty(width, np.float32)
    whole = np.empty((count, 2, width), np.int32)
    part, used = np.zeros((count, 2, width + BLOCK), np.float32), np.zeros((count, width), np.float32)
    seen = np.empty((count, 2, width + BLOCK), np.float32)
    runs, number = np.empty((2, width + BLOCK), np.int32), np.empty(2, np.int64)
    patch = np.empty((LINES, width + 2 * BLOCK), out.dtype)
    change = np.zeros(-(-width // BLOCK) * BLOCK, np.uint8)
    for pair in range(pairs):
        first, end = 2 * pair, min(2 * pair + 2, height)
        bring_up(shifts, pair, motion_places, motion_kept, motion)
        y_here[:] = np.float32(first)
        used[:] = _ZERO
        for y in range(first, end):
            bring_up(maps, y, mix_places, mix_kept, parts_of[y - first])
            for k in range(count):
                _add_use(parts_of[y - first], k, used[k])
        for k in range(count):
            split(motion[2 * k], x, np.float32(width - 1), whole[k, 0], part[k, 0])
            split(motion[2 * k + 1], y_here, np.float32(height - 1), whole[k, 1], part[k, 1])
            number[k] = find_runs(whole[k, 0], whole[k, 1], used[k], change, runs[k])
        for plane in range(out.shape[0]):
            for k in range(count):
                moved = runs[k, : number[k] + 1]
                there = neighbours[k][plane]
                read_lines(there, first, whole[k], part[k], used[k], moved, cubic, patch, seen[k])
            for y in range(first, end):
                parts, mixed = parts_of[y - first], seen[0, y - first, :width]
                if count == 2:
                    _weigh(mixed, seen[1, y - first], parts[1])
                store(mixed, own[plane][y], parts[0], high, out[plane, y])


@kernel
def _add_use(parts: Map, side: int, out: Map) -> None:
    """Add the share of a side in the result, from the share of all sides and the weight of the first."""
    share = parts[0]
    weight = parts[len(parts) - 1]
    if len(parts) == 1:
        for i in range(len(out)):
            out[i] += share[i]
    elif side == 0:
        for i in range(len(out)):
            out[i] += share[i] * weight[i]
    else:
        for i in range(len(out)):
            out[i] += share[i] * (_ONE - weight[i])


@kernel
def _weigh(first: Map, second: Map, weight: Map) -> None:
    """first = weight x first + (1 - weight) x second."""
    for i in range(len(first)):
        first[i] = second[i] + weight[i] * (first[i] - second[i])
