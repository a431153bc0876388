"""Large pictures in little memory: the network's own scale in one piece, the finer bands in strips of lines.

Above the network's scale every band uses the network's finest maps, and what a pixel of a band becomes depends on a
few lines around it. So strips with a margin of one cell of those maps give, to rounding, the picture that
`streamfuse.fusion.stage.fuse_planes` gives in one piece.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import FusionMaps, Map, Plane
from streamfuse.fusion.blend import enlarge, fuse_band
from streamfuse.fusion.blend_pair import upon
from streamfuse.fusion.fuser import FusionMethod, LcndrFuser
from streamfuse.fusion.luma import normalise
from streamfuse.fusion.stage import Planes, blend_planes, fuse_planes

Rows = Callable[
    [int, int], Planes
]  # (first, end) -> these lines of one exposure: (Y,) or (Y, Cb, Cr) at 4:4:4

STRIP_PIXELS = (
    1_000_000  # float32 planes of 4 MB each stay near the caches: three times faster than in one piece
)
Item = TypeVar("Item")
Result = TypeVar("Result")
_FINEST = 3  # the maps that lie at a quarter of the network's scale: the bands 0 to 2


def fuse_strips(
    fuser: FusionMethod,
    exposures: Sequence[Rows],
    size: tuple[int, int],
    bits: int,
    color: ColorInfo,
    *,
    strip_pixels: int = STRIP_PIXELS,
    workers: int = 1,
) -> Iterator[tuple[int, Planes]]:
    """Fuse N >= 2 exposures of one instant, in any order, from top to bottom.

    Fusers other than LCNDR, and pictures that its network sees whole, come in one piece.

    Args:
        fuser: any.
        exposures: a reader of lines per exposure; it is called twice for each line, and for margins, by any thread.
        size: (H, W).
        bits, color: as in `Frame`.
        strip_pixels: about how many pixels to hold as float32 at a time, by each worker.
        workers: strips that are made at a time; the picture does not depend on it.

    Yields:
        (first line, fused planes of that and the following lines).
    """
    height, width = size
    extra = fuser.octaves(size) if isinstance(fuser, LcndrFuser) else 0
    if not isinstance(fuser, LcndrFuser) or extra <= 0 or height * width <= strip_pixels:
        yield 0, fuse_planes(fuser, [rows(0, height) for rows in exposures], bits, color)
        return
    grid = _Grid(height, width, extra, 1 << (extra + len(fuser.exponents)))
    lines = max(grid.multiple, strip_pixels // width // grid.multiple * grid.multiple)
    pieces = [(rows, first) for rows in exposures for first in range(0, height, lines)]

    def shrink(piece: tuple[Rows, int]) -> Map:
        rows, first = piece
        return _shrink(rows(first, min(first + lines, height))[0], grid, bits, color)

    parts = list(_in_order(shrink, pieces, workers))
    each = len(parts) // len(exposures)
    small = [np.concatenate(parts[n * each : (n + 1) * each]) for n in range(len(exposures))]
    order = sorted(range(len(small)), key=lambda n: float(small[n].mean()))
    stack = [small[n] for n in order]
    maps = fuser.weigh_small(stack, size)
    base = fuser.blend(stack, maps)
    strip = max(grid.cell, strip_pixels // width // grid.cell * grid.cell)

    def fuse(first: int) -> tuple[int, Planes]:
        end = min(first + strip, height)
        top, bottom = max(first - grid.cell, 0), min(end + grid.cell, height)
        part = _Strip(fuser, grid, maps, base, top)
        read = [exposures[n](top, bottom) for n in order]
        planes = blend_planes(part, read, part.maps(bottom), bits, color)
        return first, tuple(plane[first - top : end - top] for plane in planes)

    yield from _in_order(fuse, range(0, height, strip), workers)


def _in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Give the results of `work`, in the order of the items; at most `workers` + 1 of them are there at a time."""
    if workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers, "strip") as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True, slots=True)
class _Grid:
    """The picture, and what it is padded to: `multiple` lines and columns, the coarsest pixel of the pyramid."""

    height: int
    width: int
    extra: int  # octaves down to the network's scale
    multiple: int

    @property
    def cell(self) -> int:
        """Lines of the picture per line of the network's finest maps."""
        return 4 << self.extra

    def pad(self, luma: Map, lines: int) -> Map:
        """Repeat the last column up to the padded width, and the last line up to `lines` in all."""
        below, right = lines - luma.shape[0], -self.width % self.multiple
        padded = cv2.copyMakeBorder(luma, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return np.asarray(padded, np.float32)


def _shrink(plane: Plane, grid: _Grid, bits: int, color: ColorInfo) -> Map:
    """Lines of luma at the network's scale, padded as the blend pads: means of 2**extra x 2**extra pixels."""
    luma = normalise(plane, bits, color)
    padded = grid.pad(luma, -(-luma.shape[0] // grid.multiple) * grid.multiple)
    size = (padded.shape[1] >> grid.extra, padded.shape[0] >> grid.extra)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.float32)


class _Strip:
    """A fuser for the lines from `top` (a multiple of the cell) on: the finer bands upon the fused coarse picture."""

    def __init__(self, fuser: LcndrFuser, grid: _Grid, maps: FusionMaps, base: Map, top: int) -> None:
        self.name, self.device = fuser.name, fuser.device
        self._exponent = fuser.exponents[0]
        self._grid, self._maps, self._base, self._top = grid, maps, base, top

    def maps(self, bottom: int) -> FusionMaps:
        """Give the finest maps for the lines up to `bottom`."""
        cell = self._grid.cell
        first, end = self._top // cell, self._end(bottom)
        columns = self._maps.priors[0].shape[2] * cell
        coverage = ((end - first) * cell / (bottom - self._top), columns / self._grid.width)
        priors = tuple(p[:, first:end] for p in self._maps.priors[:_FINEST])
        return FusionMaps(priors, tuple(g[first:end] for g in self._maps.gains), coverage)

    def _end(self, bottom: int) -> int:
        """Cells down to the line `bottom`, and below the picture one more where it is padded by that much."""
        return min(
            -(-bottom // self._grid.cell) + (bottom == self._grid.height), self._maps.priors[0].shape[1]
        )

    def weigh(self, lumas: Sequence[Map]) -> FusionMaps:
        """The weights of a strip are a part of the whole picture's."""
        return self.maps(self._top + lumas[0].shape[0])

    def blend(self, lumas: Sequence[Map], maps: FusionMaps) -> Map:
        """Give the strip of the whole picture's blend; a cell at each inner border is not to be used."""
        grid = self._grid
        end = self._end(self._top + lumas[0].shape[0]) * grid.cell
        current = [grid.pad(y, end - self._top) for y in lumas]
        picture = self._base[self._top >> grid.extra : end >> grid.extra]
        height, width = lumas[0].shape
        if len(lumas) == 2:
            return upon(picture, current, maps, self._exponent, grid.extra)[:height, :width]
        bands: list[Map] = []
        for _ in range(grid.extra):
            finer = current
            current = [
                np.asarray(
                    cv2.resize(y, (y.shape[1] // 2, y.shape[0] // 2), interpolation=cv2.INTER_AREA),
                    np.float32,
                )
                for y in finer
            ]
            band = fuse_band(finer, current, maps.priors[0], self._exponent)
            if maps.gains:
                cv2.multiply(band, enlarge(maps.gains[0], band), dst=band)
            bands.append(band)
        for band in reversed(bands):
            picture = np.asarray(cv2.add(enlarge(picture, band), band, dst=band), np.float32)
        return picture[:height, :width]
