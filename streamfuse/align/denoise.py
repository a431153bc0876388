"""Noise of a dark reference that stands in for a brighter exposure, taken out where it would be seen.

A local Wiener filter (Lee 1980, "Digital image enhancement and noise filtering by use of local statistics"): a pixel is
drawn to the mean of the 3 x 3 pixels around it by the share of their variance that noise explains. How much noise there
is, `ghost.noise_level` and `IntensityMapping.noise` tell, so edges and what is well exposed stay as they are. Only
parts of the picture where the reference has a share are touched, so that it costs nothing where all can be aligned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.align.denoise_rows import Parts, filter_parts
from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import Frame, Map, Plane
from streamfuse.imaging.enlarging import two_columns
from streamfuse.imaging.photometric import GAMMA, IntensityMapping

SEEN = (
    0.003  # luma: standard deviation, times the share of the reference, from which on noise is worth the time
)
LEFT = 0.002  # luma: so much noise is left in, so that what has less stays bit for bit
# Noise is even in linear light, and the mean of its code values x ** (1 / gamma) lies below that of the mean light: by
# (gamma - 1) / 2 times variance / value (Jensen's inequality to the second order). Without this what is made of dark
# frames is darker than bright frames are, and the film alternates. The kernel's denominator makes it hold within a
# tenth down to light as weak as the noise, which cannot be less than black.
LIFT = (GAMMA - 1) / 2
CHROMA = 0.8  # variance of Cb and Cr / that of luma, for independent noise in R', G' and B'
_CELL = 32  # pixels at working size: the picture is treated in such cells
_STEP = 4  # every how many pixels it is asked whether there is noise
_FEW = 0.02  # share of a cell that has to need it
_WINDOW = (3, 3)


@dataclass(frozen=True, slots=True, eq=False)
class RaisedNoise:
    """What is known of a dark reference, at working size.

    Args:
        raised: its luma, brightened, (h, w).
        curve: between the two exposures.
        level: see `ghost.noise_level`.
    """

    raised: Map
    curve: IntensityMapping
    level: float

    def variance(self, zoom: float, step: int = 1) -> Map:
        """Of luma at full size; `zoom`: size of the frame / working size. Every `step`th pixel, from step / 2 on."""
        calm = cv2.blur(self.raised, _WINDOW)
        deviation = self.curve.noise(calm if step == 1 else _thinned(calm, step))
        return np.asarray(np.square(deviation) * np.float32(self.level * zoom * zoom), np.float32)


def denoised(mapped: Sequence[Plane], frame: Frame, noise: RaisedNoise, share: Map) -> tuple[Plane, ...]:
    """Planes of a reference that was brought to a brighter exposure, less its noise where it is used.

    Args:
        mapped: (H, W) and chroma, in the scale of the brighter exposure.
        frame: the reference.
        noise: of it.
        share: of the neighbours against it, (h, w) at working size.

    Returns:
        The planes themselves where there is nothing to do, else new ones.
    """
    zoom = frame.width / share.shape[1]
    needed = np.sqrt(noise.variance(zoom, _STEP)) * (1.0 - _thinned(share, _STEP)) > SEEN
    cells = list(_runs(needed, share.shape[:2]))
    if not cells:
        return tuple(mapped)
    variance = two_columns(np.maximum(noise.variance(zoom) - np.float32(LEFT**2), 0.0))[None]
    across, down = frame.subsampling
    limit = (1 << frame.bits) - 1
    black, white = luma_range(frame.bits, frame.color.full_range)
    chroma = CHROMA / (1 << (across + down)) * (2 * chroma_range(frame.bits, frame.color.full_range)[1]) ** 2
    made = tuple(plane.copy() for plane in mapped)
    kinds = ((white - black) ** 2, LIFT), (chroma, 0.0), (chroma, 0.0)
    for plane, out, (scale, lift) in zip(mapped, made, kinds, strict=False):
        parts = _parts(cells, plane, share.shape)
        levels = np.float32(scale), np.float32(black), np.float32(lift)
        filter_parts(plane, variance, *levels, parts, np.float32(limit), out)
    return made


Cells = tuple[int, int, int, int]  # top, bottom, left, right at working size


def _thinned(picture: Map, step: int) -> Map:
    """Give every `step`th pixel, from step / 2 on where there is so much."""
    rows, columns = (min(step // 2, size - 1) for size in picture.shape)
    return picture[rows::step, columns::step]


def _runs(needed: npt.NDArray[np.bool_], size: tuple[int, ...]) -> Iterator[Cells]:
    """Cells of a picture of this size that need it, those side by side as one; `needed` has every `_STEP`th pixel."""
    height, width = size
    rows, columns = -(-height // _CELL), -(-width // _CELL)
    padded = np.zeros((rows * (_CELL // _STEP), columns * (_CELL // _STEP)), np.float32)
    padded[: needed.shape[0], : needed.shape[1]] = needed
    flagged = cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA).reshape(rows, columns) > _FEW
    edges = np.diff(np.pad(flagged.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    for row, (starts, ends) in enumerate(zip(edges == 1, edges == -1, strict=True)):
        top, bottom = row * _CELL, min((row + 1) * _CELL, height)
        for left, right in zip(np.flatnonzero(starts), np.flatnonzero(ends), strict=True):
            yield top, bottom, int(left) * _CELL, min(int(right) * _CELL, width)


def _parts(cells: Sequence[Cells], plane: Plane, size: tuple[int, ...]) -> Parts:
    """(N, 4): cells in pixels of a plane, without those that have none."""
    zoom = np.array([plane.shape[0] / size[0]] * 2 + [plane.shape[1] / size[1]] * 2)
    found = np.rint(np.array(cells) * zoom).astype(np.int64)
    return found[(found[:, 1] > found[:, 0]) & (found[:, 3] > found[:, 2])]
