"""Looking at one picture on grids of different size: flow fields, weight maps, planes.

Grids share the picture's top-left corner, pixel centres lie at half-integers, and a grid may span more than the
picture (maps of a padded picture): its `coverage` is (rows, columns) spanned, in units of the picture's own size.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamfuse.core.frame import Map

Coverage = tuple[float, float]
WHOLE: Coverage = (1.0, 1.0)


def resample(
    field: Map, size: tuple[int, int], *, coverage: Coverage = WHOLE, to_coverage: Coverage = WHOLE
) -> Map:
    """Bilinear look-up of a field (h, w) or (h, w, C) on another grid; beyond its border the field is repeated.

    Args:
        field: float32 values (not displacements: those also need scaling, see `resample_flow`).
        size: (rows, columns) of the new grid.
        coverage, to_coverage: what the field's grid and the new grid span.
    """
    rows, columns = size
    if field.shape[:2] == size and coverage == to_coverage:
        return field
    step_y = to_coverage[0] / rows * field.shape[0] / coverage[0]
    step_x = to_coverage[1] / columns * field.shape[1] / coverage[1]
    where = np.array([[step_x, 0, 0.5 * step_x - 0.5], [0, step_y, 0.5 * step_y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(field, where, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


def resample_flow(flow: Map, size: tuple[int, int], *, to_coverage: Coverage = WHOLE) -> Map:
    """Give a flow field (h, w, 2), in pixels of its own grid, on another grid, in pixels of that grid."""
    scale = (
        size[1] / to_coverage[1] / flow.shape[1],
        size[0] / to_coverage[0] / flow.shape[0],
    )
    return resample(flow, size, to_coverage=to_coverage) * np.array(scale, np.float32)


def sampling_positions(flow: Map) -> tuple[Map, Map]:
    """(x, y) maps for `cv2.remap` that follow a flow field (h, w, 2) given in pixels of its grid."""
    rows, columns = flow.shape[:2]
    x = np.arange(columns, dtype=np.float32)[None, :] + flow[..., 0]
    y = np.arange(rows, dtype=np.float32)[:, None] + flow[..., 1]
    return x, y
