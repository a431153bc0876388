"""Footage of cameras that code light logarithmically, and HLG and PQ, as footage with an ordinary transfer function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

import numpy as np
import numpy.typing as npt

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame, Plane
from streamfuse.core.protocols import Source, SourceWrapper
from streamfuse.imaging.camera_logs import SceneCurve
from streamfuse.imaging.photometric import GAMMA

GAMMA_22 = 4  # of H.273: what the frames are tagged with
_LOOK = 6  # frames that tell where the camera clips
_MIN_PEAK = 0.5  # signal below which nothing clips, whatever the first frames show
_EVERY = 4  # pixel of them, across and down
_TENTHS = 99.99  # percentile: a few pixels beyond it may be dead ones


class SceneLight(SourceWrapper):
    """Gives the frames of a source with R'G'B' = (scene light / peak) ** (1 / 2.2), 16 bit and full range.

    The peak is the light at which the camera clips: curves reach further than sensors do, and what takes the exposures
    together has to know where they end. It is the brightest that the first frames show.

    Args:
        source: closed with this one.
        curve: what its code values mean.
    """

    def __init__(self, source: Source, curve: SceneCurve) -> None:
        super().__init__(source)
        self._curve = curve
        primaries = source.info.color.primaries if curve.primaries is None else curve.primaries
        self._color = ColorInfo(matrix=9, primaries=primaries, transfer=GAMMA_22, full_range=True)
        self.info = replace(source.info, bits=16, color=self._color)

    def __iter__(self) -> Iterator[Frame]:
        frames = iter(self._source)
        first = list(islice(frames, _LOOK))
        if not first:
            return
        top = max(
            float(np.percentile(_coded(frame, self._curve)[::_EVERY, ::_EVERY], _TENTHS)) for frame in first
        )
        table = self._table(top)
        while first:  # none is kept longer than it is needed
            yield self._made(first.pop(0), table)
        for frame in chain(frames):
            yield self._made(frame, table)

    def _table(self, top: float) -> npt.NDArray[np.uint16]:
        """Give the new R', G' or B' of each coded one, if those of `top` are the largest."""
        codes = np.arange(65536, dtype=np.float64)
        # Code values of 10 bit lie in the upper bits of 16.
        signal = codes / 65535 if self._curve.by_range else codes / 64 / 1023
        light = np.maximum(self._curve.decode(signal), 0.0)
        peak = float(np.interp(max(top, _MIN_PEAK * 65535), codes, light))
        return np.asarray(np.rint(65535 * np.minimum(light / peak, 1.0) ** (1 / GAMMA)), np.uint16)

    def _made(self, frame: Frame, table: npt.NDArray[np.uint16]) -> Frame:
        rgb = np.take(table, _coded(frame, self._curve))
        subsampling = frame.subsampling if len(frame.planes) > 1 else (0, 0)
        planes = rgb_to_planes(rgb, bits=16, subsampling=subsampling, color=self._color)
        kept = planes[: len(frame.planes)]
        return replace(frame, planes=kept, bits=16, color=self._color)


def _coded(frame: Frame, curve: SceneCurve) -> npt.NDArray[np.uint16]:
    """(H, W, 3) R'G'B' of 16 bit as coded."""
    planes = tuple(plane.astype(np.uint16) << np.uint16(16 - frame.bits) for plane in frame.planes)
    color = frame.color
    if not curve.by_range and not color.full_range:
        # Code values count from 0 whatever the range, while chroma is scaled by it: 876 of luma beside 896.
        planes = (planes[0], *(_scaled(plane, 876 / 896) for plane in planes[1:]))
        color = replace(color, full_range=True)
    return np.asarray(planes_to_rgb(planes, 16, frame.subsampling, color), np.uint16)


def _scaled(chroma: Plane, factor: float) -> Plane:
    moved = (chroma.astype(np.float32) - np.float32(32768)) * np.float32(factor) + np.float32(32768)
    return np.asarray(np.rint(moved), np.uint16)
