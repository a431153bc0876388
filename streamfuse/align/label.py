"""Labelling: which exposure of the cycle a frame has, by evidence and never by counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.align.evidence import Evidence, classes_of, distance, evidence_of, find_cycle, likeness
from streamfuse.errors import ExposureError, UsageError
from streamfuse.frame import Frame, LabelledFrame

WINDOW = 24  # frames that are held until the cycle is known
MAX_CYCLE = 5
_EXPECTED_BONUS = 0.25  # of the gap between exposures: by how much a frame may lie nearer to an unexpected exposure
_CUT_LIKENESS = 0.35  # rank correlation of thumbnails below which the scene has changed


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What is known of the exposures so far.

    Args:
        cycle: number of different exposures.
        order: their names as they appear from the first frame, such as ("under", "over"); ("under", "mid", "over");
            with more than three "exposure 1" (darkest) and so on.
        gap_ev: exposure difference between the darkest and the brightest in EV: by metadata, else a rough figure from
            the mean luma of the two (clipping makes it too small).
        confidence: 0..1, how clearly the exposures are apart: 1 = frame to frame changes inside an exposure are nothing
            against the difference between exposures.
        drops_detected: places where the order was broken: a frame lost or doubled.
        disagreements: frames whose metadata contradict their luma.
    """

    cycle: int
    order: tuple[str, ...]
    gap_ev: float
    confidence: float
    drops_detected: int
    disagreements: int
