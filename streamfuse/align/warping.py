"""Planes of one size, warped and mixed in one pass over their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamfuse.align.enlarging import blended, look_up, stretch, two_columns
from streamfuse.align.warp_rows import MARGIN, find_runs, read_line, split, store
from streamfuse.frame import Map, Plane
from streamfuse.jit import kernel

_ONE = np.float32(1)


@dataclass(frozen=True, slots=True)
class Moved:
    """Planes of a neighbour, all of one size, and where they have moved.

    Args:
        planes: (H, W) each.
        flow: of the reference towards it, (h, w, 2) at working size; None = take it as it is.
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
        weight: of the first of two, (h, w) float32 in [0, 1] at working size.
        share: of the neighbours, likewise; None = all of it.
        bits: depth of the planes.
        cubic: interpolate with a cubic, else bilinear.
    """
    if len(sides) == 1 and sides[0].flow is None and share is None:
        return tuple(sides[0].planes)
    fields = [*(side.flow for side in sides), weight, share]
    working = next(field.shape[:2] for field in fields if field is not None)
    flows = [np.zeros((*working, 2), np.float32) if side.flow is None else side.flow for side in sides]
    ones = np.ones(working, np.float32)
    stacks = [np.stack([_with_margin(plane) for plane in side.planes]) for side in sides]
    out = np.empty((len(own), *own[0].shape), own[0].dtype)
    _assemble(
        tuple(own),
        (stacks[0], stacks[-1]),
        (two_columns(flows[0]), two_columns(flows[-1])),
        two_columns(ones if weight is None else weight),
        two_columns(ones if share is None else share),
        len(sides),
        cubic,
        np.float32((1 << bits) - 1),
        out,
    )
    return tuple(out)


def _with_margin(plane: Plane) -> Plane:
    return np.asarray(
        cv2.copyMakeBorder(plane, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE), plane.dtype
    )


@kernel
def _assemble(
    own: tuple[Plane, ...],
    stacks: tuple[Plane, Plane],
    flows: tuple[Map, Map],
    weight: Map,
    share: Map,
    count: int,
    cubic: bool,
    high: np.float32,
    out: Plane,
) -> None:
    """As `assemble`: `stacks` (P, H + margins, W + margins), `out` (P, H, W), `count` of the sides are used."""
    height, width = out.shape[1:]
    rows, columns = share.shape
    index, part = look_up(width, columns)
    row_index, row_part = look_up(height, rows)
    scale = np.float32(width / columns), np.float32(height / rows)
    kept = np.empty((6, 2, width), np.float32)  # lines of the working grid, as long as the plane's: 2 of each field
    held = np.full(2, -1)
    fields = np.empty((6, width), np.float32)  # dx and dy of both sides, weight, share
    x, y_here = np.arange(width).astype(np.float32), np.empty(width, np.float32)
    across, down = np.empty((2, width), np.int32), np.empty((2, width), np.int32)
    parts = np.empty((2, 2, width), np.float32)
    used = np.empty((2, width), np.float32)
    runs, change, number = np.empty((2, width + 1), np.int32), np.empty(width, np.uint8), np.empty(2, np.int64)
    seen = np.empty((2, width), np.float32)
    for y in range(height):
        first = np.int64(row_index[y])
        second = min(first + 1, rows - 1)
        for row in (first, second):
            slot = row % 2
            if held[slot] != row:
                held[slot] = row
                for k in range(count):
                    for c in range(2):
                        line = flows[k][row].reshape(-1)[c:]
                        stretch(line, 2, index, part, scale[c], kept[2 * k + c, slot])
                if count == 2:
                    stretch(weight[row], 1, index, part, _ONE, kept[4, slot])
                stretch(share[row], 1, index, part, _ONE, kept[5, slot])
        for field in range(6):
            if count == 2 or field < 2 or field == 5:
                lines = kept[field]
                blended(lines[first % 2], lines[second % 2], row_part[y], fields[field])
        y_here[:] = np.float32(y)
        for k in range(count):
            split(fields[2 * k], x, np.float32(width - 1), across[k], parts[k, 0])
            split(fields[2 * k + 1], y_here, np.float32(height - 1), down[k], parts[k, 1])
            _use(fields[4], fields[5], k, count, used[k])
            number[k] = find_runs(across[k], down[k], used[k], change, runs[k])
        for plane in range(len(own)):
            for k in range(count):
                read_line(
                    stacks[k][plane],
                    y,
                    across[k],
                    down[k],
                    parts[k],
                    used[k],
                    runs[k],
                    number[k],
                    cubic,
                    seen[k],
                )
            if count == 2:
                _weigh(seen[0], seen[1], fields[4])
            store(seen[0], own[plane][y], fields[5], high, out[plane, y])


@kernel
def _use(weight: Map, share: Map, side: int, count: int, out: Map) -> None:
    """Share of a side in the result."""
    if count == 1:
        out[:] = share
    elif side == 0:
        for i in range(len(out)):
            out[i] = share[i] * weight[i]
    else:
        for i in range(len(out)):
            out[i] = share[i] * (_ONE - weight[i])


@kernel
def _weigh(first: Map, second: Map, weight: Map) -> None:
    """first = weight x first + (1 - weight) x second."""
    for i in range(len(first)):
        first[i] = second[i] + weight[i] * (first[i] - second[i])
