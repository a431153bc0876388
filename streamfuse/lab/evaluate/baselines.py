"""What a user does without streamfuse: pair neighbouring frames, align them or not, MergeMertens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Rgb
from streamfuse.lab.evaluate.metrics import dense_flow, warp
from streamfuse.lab.evaluate.radiance_clips import GAMMA, luminance


@dataclass(frozen=True, slots=True, eq=False)
class Exposed:
    """A picture and its exposure in EV."""

    rgb: Rgb
    ev: float


BaselineAligner = Callable[[Exposed, Exposed], Rgb]  # (reference, other) -> other in the reference's geometry
BaselineFuse = Callable[
    [Sequence[Rgb]], npt.NDArray[np.float32]
]  # exposures, darkest first -> (H, W) luma in [0, 1]


def as_taken(reference: Exposed, other: Exposed) -> Rgb:
    """Naive pairing: the other frame as it is."""
    del reference
    return other.rgb


def align_mtb(reference: Exposed, other: Exposed) -> Rgb:
    """Move the whole picture by one translation, found by median threshold bitmaps (Ward 2003)."""
    # OpenCV crashes, or answers nonsense, where the coarsest level of its pyramid is under 4 pixels
    levels = int(np.log2(max(min(reference.rgb.shape[:2]) / 4, 1))) + 1
    aligner = cv2.createAlignMTB(max_bits=min(levels, 6))
    shift = aligner.calculateShift(_grey(reference.rgb), _grey(other.rgb))
    return np.asarray(aligner.shiftMat(other.rgb, shift), np.uint8)


def dis_matched(reference: Exposed, other: Exposed) -> Rgb:
    """Dense flow (DIS, medium preset) after bringing the darker picture to the brighter one's exposure."""
    brightest = max(reference.ev, other.ev)
    scaled = [_grey(_brighten(picture.rgb, brightest - picture.ev)) for picture in (reference, other)]
    return warp(other.rgb, dense_flow(*scaled), cv2.INTER_CUBIC)


BASELINES: Mapping[str, BaselineAligner] = MappingProxyType(
    {
        "naive + MergeMertens": as_taken,
        "AlignMTB + MergeMertens": align_mtb,
        "DIS matched + MergeMertens": dis_matched,
    }
)


def merge_mertens(exposures: Sequence[Rgb]) -> npt.NDArray[np.float32]:
    """OpenCV's exposure fusion; (H, W) BT.709 luma of the result, clipped to [0, 1].

    All three measures weigh 1, as in the paper: OpenCV's default leaves well-exposedness out.
    """
    fused = cv2.createMergeMertens(1, 1, 1).process([np.ascontiguousarray(rgb) for rgb in exposures])
    return luminance(np.clip(fused, 0, 1))


def _brighten(rgb: Rgb, ev: float) -> Rgb:
    """Give the picture as `ev` more exposure would have given it: linear light times 2^ev, clipped."""
    if ev == 0:
        return rgb
    codes = np.arange(256) / 255
    table = np.clip(codes**GAMMA * 2**ev, 0, 1) ** (1 / GAMMA)
    return np.asarray(cv2.LUT(rgb, np.round(table * 255).astype(np.uint8)), np.uint8)


def _grey(rgb: Rgb) -> npt.NDArray[np.uint8]:
    return np.round(luminance(rgb)).astype(np.uint8)
