"""The alignment's arithmetic on the CPU: NumPy, OpenCV and compiled loops; the reference for every other backend."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from streamfuse.align import balance, dominant, fill, ghost
from streamfuse.align import flow as motion
from streamfuse.align.denoise import RaisedNoise, denoised
from streamfuse.align.operations import Operations, Shares, Side
from streamfuse.align.policy import AlignSettings
from streamfuse.align.second_look import SecondLook
from streamfuse.align.synthesis import synthesise
from streamfuse.core.frame import Frame, Map, Plane
from streamfuse.imaging import photometric
from streamfuse.imaging import planes as pixels
from streamfuse.imaging.photometric import IntensityMapping, Levels
from streamfuse.imaging.planes import WorkingPicture

Planes = tuple[Plane, ...]
_TELLS_ENOUGH = (
    0.5  # share of a picture that is well posed, from which on it alone tells the motion of the camera
)


@dataclass(frozen=True, slots=True, eq=False)
class FramePicture:
    """A frame, and the same at working size."""

    frame: Frame
    small: WorkingPicture


CpuSide = Side[FramePicture, Map, Map]


class CpuOperations(Operations[FramePicture, Map, Map, IntensityMapping, Planes]):
    """`Operations` on maps (h, w) float32 and fields (h, w, 2) float32.

    Whole frames are mapped, and the last flow is found, in threads of its own, beside what the caller does.

    Args:
        settings: of the alignment.
    """

    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings
        effort = (motion.CAREFUL if settings.careful else motion.SETTINGS)[settings.preset]
        self._cubic = effort.cubic
        self._grid = effort.grid
        how = effort.refinements, effort.descents, self._grid
        # Two of them, for they are used at once.
        self._across = [motion.FlowEstimator(settings.mode, effort.finest_scale, *how) for _ in range(2)]
        # Where the exposures cannot be matched little detail is to be seen: a coarser flow does.
        self._along = motion.FlowEstimator(settings.mode, min(effort.finest_scale + 1, 2), *how)
        self._closely = motion.FlowEstimator(settings.mode, 1, *how[:2])
        self.executor: Executor = ThreadPoolExecutor(2, "streamfuse-align")

    def picture(self, frame: Frame) -> FramePicture:
        size = motion.working_size(frame.width, frame.height, self._settings.preset, self._settings.coarse)
        return FramePicture(frame, pixels.picture(frame, size))

    def histogram(self, picture: FramePicture) -> Levels:
        return photometric.histogram([picture.small.green])

    def blocks(self, picture: FramePicture) -> balance.Blocks | None:
        return balance.blocks(picture.small)

    def tone(self, curve: IntensityMapping) -> IntensityMapping:
        return curve

    def luma(self, picture: FramePicture) -> Map:
        return picture.small.luma

    def brightened(self, picture: FramePicture, tone: IntensityMapping) -> Map:
        return picture.small.brightened(tone)

    def nothing(self, picture: FramePicture) -> Map:
        return np.zeros_like(picture.small.luma)

    def times(self, one: Map, other: Map) -> Map:
        return one * other

    # Motion

    def matched(self, source: Map, targets: Sequence[Map]) -> _Matched:
        # The last one is found beside all the others, for it is most of the work.
        last = self.executor.submit(self._across[1], source, targets[-1])
        return _Matched([self._across[0](source, target) for target in targets[:-1]], last)

    def moved(self, source: FramePicture, target: FramePicture) -> Map:
        # The square root spends the 8 bits that flow works on where a dark frame has its detail.
        return self._along(np.sqrt(source.small.luma), np.sqrt(target.small.luma))

    def scaled(self, flow: Map, factor: float) -> Map:
        return flow * np.float32(factor)

    def halfway(self, flow: Map, part: float) -> Sequence[Map]:
        return motion.halfway(flow, part)

    def on_grid(self, luma: Map) -> Map:
        return luma if self._grid == 1 else motion.halved(luma)

    def usable(self, luma: Map, tone: IntensityMapping) -> Map:
        return motion.usable(luma, tone, self._grid)

    def combined(
        self, across: Sequence[Map], along: Sequence[Map], share: Map, lumas: tuple[Map, Map] | None
    ) -> Sequence[Map]:
        return motion.combined(across, along, share, lumas, self._grid)

    def reconsidered(
        self, reference: Map, neighbours: Sequence[Map], across: Sequence[Map], flows: Sequence[Map],
        pictures: Sequence[FramePicture],
    ) -> Sequence[Map]:  # fmt: skip
        # What is looked at again is cut out of the pictures.
        look = SecondLook(reference, neighbours, [picture.small.luma for picture in pictures], self._grid)
        return look.again(flows, across, self._closely)

    def steadied(
        self, reference: Map, neighbours: Sequence[Map], across: Sequence[Map], dense: Sequence[Map], share: Map,
        lumas: tuple[Map, Map] | None,
    ) -> Sequence[Map]:  # fmt: skip
        fields, sure = across, share
        if self._settings.careful and float(share.mean()) < _TELLS_ENOUGH:
            # A reference that clips nearly everywhere tells little: the frames around it do, as they move evenly.
            fields, sure = dense, np.ones_like(share)
        found = [dominant.dominant_motion(flow, sure, self._grid) for flow in fields]
        camera = [flow for flow in found if flow is not None]
        if len(camera) < len(found):
            return dense
        return dominant.preferred(reference, neighbours, dense, camera, lumas, self._grid)

    # What comes from where

    def compared(
        self, here: Map, pictures: Sequence[FramePicture], there: Sequence[Map], flows: Sequence[Map | None],
        tone: IntensityMapping, brighter: bool,
    ) -> list[CpuSide]:  # fmt: skip
        sides = []
        for picture, luma, flow in zip(pictures, there, flows, strict=True):
            seen = _along(luma, flow)
            own = None if brighter or len(pictures) == 1 else _along(picture.small.luma, flow)
            dark, bright = (here, seen) if brighter else (seen, here)
            deviation = ghost.deviation(dark, bright, tone)
            sides.append(Side(picture, flow, deviation, ghost.squared_error(here, seen), seen, own))
        return sides

    def trust(self, sides: Sequence[CpuSide]) -> Map:
        return ghost.trust_map([side.deviation for side in sides])

    def brighter_share(
        self, reference: FramePicture, raised: Map, sides: Sequence[CpuSide], tone: IntensityMapping
    ) -> Map:
        zoom = reference.frame.width / reference.small.luma.shape[1]
        errors = [side.error for side in sides]
        return ghost.brighter_share(raised, errors, tone, zoom)

    def darker_share(self, reference: FramePicture) -> Map:
        return ghost.darker_share(reference.small)

    # Whole frames

    def taken(self, picture: FramePicture) -> Planes:
        return picture.frame.planes

    def mapped(self, reference: FramePicture, tone: IntensityMapping, brighter: bool) -> Future[Planes]:
        return self.executor.submit(pixels.map_planes, reference.frame, tone, brighter)

    def denoised(
        self,
        mapped: Planes,
        reference: FramePicture,
        raised: Map,
        sides: Sequence[CpuSide],
        tone: IntensityMapping,
        share: Map,
    ) -> Planes:
        errors = [side.error for side in sides]
        level = ghost.noise_level(raised, errors, tone) if errors else ghost.USUAL_NOISE
        return denoised(mapped, reference.frame, RaisedNoise(raised, tone, level), share)

    def filled(
        self,
        mapped: Planes,
        reference: FramePicture,
        sides: Sequence[CpuSide],
        tone: IntensityMapping,
        trust: Map,
    ) -> Planes:
        own = reference.small.rgb
        if own is None:
            return mapped
        shares = fill.unknown(own, trust)
        if max(cv2.norm(share, cv2.NORM_INF) for share in shares) < fill.MIN_SHARE:
            return mapped
        size = max(1, trust.shape[1] // fill.REDUCED), max(1, trust.shape[0] // fill.REDUCED)
        colours = []
        for side in sides:
            rgb = side.picture.small.rgb
            assert rgb is not None
            colours.append(_along(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), side.flow))
        return pixels.added(mapped, fill.lacking(own, shares, colours, tone), reference.frame)

    def synthesised(
        self, reference: FramePicture, mapped: Planes, sides: Sequence[CpuSide], shares: Shares[Map]
    ) -> Planes:
        weight = None
        if len(sides) == 2:
            before, after = sides
            own = None
            if before.own is not None and after.own is not None:
                own = ghost.apart(before.own, after.own)
            apart = ghost.apart(before.luma, after.luma)
            weight = ghost.side_weights(before.deviation, after.deviation, apart, own)
        moved = [(side.picture.frame, side.flow) for side in sides]
        cubic = self._cubic or (self._settings.careful and len(sides) == 1)
        how = reference.frame.bits, cubic, self.executor
        return synthesise(mapped, moved, weight, shares, *how)


class _Matched:
    """Fields of which the last one is still on its way."""

    def __init__(self, first: list[Map], last: Future[Map]) -> None:
        self._first, self._last = first, last

    def result(self) -> list[Map]:
        """Wait for it."""
        return [*self._first, self._last.result()]


def _along(luma: Map, flow: Map | None) -> Map:
    """Give a picture at working size as seen from where the flow starts."""
    return luma if flow is None else motion.warp(luma, motion.rescaled(flow, (luma.shape[1], luma.shape[0])))
