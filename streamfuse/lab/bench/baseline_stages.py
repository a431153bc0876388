"""What else turns an alternating video into a fused one, as stages: each frame with the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Frame, FusedFrame, Plane
from streamfuse.core.protocols import Stage
from streamfuse.lab.evaluate.metrics import warp

Bgr = npt.NDArray[np.uint8]  # (H, W, 3)


class PassOn(Stage[Frame, FusedFrame]):
    """Decode + encode alone: what comes in goes out."""

    def push(self, item: Frame) -> Iterable[FusedFrame]:
        """Give one for one."""
        yield FusedFrame.of(item)


class _Pairwise(Stage[Frame, FusedFrame]):
    """Aligns the frame before to each frame and fuses both with OpenCV's MergeMertens; 8 bit, 4:2:0, even sizes."""

    def __init__(self) -> None:
        self._merge = cv2.createMergeMertens(1, 1, 1)
        self._before: tuple[Plane, Bgr] | None = None

    def push(self, item: Frame) -> Iterable[FusedFrame]:
        """Give one for one but for the first."""
        stacked = np.concatenate([plane.reshape(-1) for plane in item.planes])
        bgr = cv2.cvtColor(stacked.reshape(-1, item.width), cv2.COLOR_YUV2BGR_I420)
        before, self._before = self._before, (item.luma, bgr)
        if before is None:
            return
        fused = self._merge.process([bgr, self._align(item.luma, *before)])
        coded = cv2.cvtColor(cv2.convertScaleAbs(cv2.max(fused, 0), alpha=255), cv2.COLOR_BGR2YUV_I420)
        chroma = coded[item.height :].reshape(2, item.height // 2, item.width // 2)
        yield FusedFrame.of(item, (coded[: item.height], chroma[0], chroma[1]))

    def _align(self, luma: Plane, other_luma: Plane, other: Bgr) -> Bgr:
        raise NotImplementedError


class MtbMertens(_Pairwise):
    """One translation by median threshold bitmaps, then MergeMertens."""

    def __init__(self) -> None:
        super().__init__()
        self._mtb = cv2.createAlignMTB()

    def _align(self, luma: Plane, other_luma: Plane, other: Bgr) -> Bgr:
        return np.asarray(self._mtb.shiftMat(other, self._mtb.calculateShift(luma, other_luma)), np.uint8)


class DisMertens(_Pairwise):
    """Dense flow (DIS, medium) after matching the means of luma, then MergeMertens."""

    def __init__(self) -> None:
        super().__init__()
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def _align(self, luma: Plane, other_luma: Plane, other: Bgr) -> Bgr:
        means = [float(plane.mean()) for plane in (luma, other_luma)]
        matched = [
            cv2.convertScaleAbs(plane, alpha=max(means) / mean)
            for plane, mean in zip((luma, other_luma), means, strict=True)
        ]
        return warp(other, self._dis.calc(*matched, None), cv2.INTER_CUBIC)


ALONE = "decode + encode"
MTB = "AlignMTB + MergeMertens"
DIS = "DIS matched + MergeMertens"
BASELINE_STAGES: Mapping[str, type[Stage[Frame, FusedFrame]]] = MappingProxyType(
    {ALONE: PassOn, MTB: MtbMertens, DIS: DisMertens}
)
