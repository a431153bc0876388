"""Which of two exposures a frame has: by its metadata, else by its brightness."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import luma_range
from streamfuse.core.frame import Frame

Bands = npt.NDArray[np.float32]

_BANDS = 16
_MAX_EV = 32.0  # log2 of microseconds times gain: more than an hour
_VISIBLE = 0.02  # share of white by which a band has to differ between the exposures to tell anything
_ENOUGH = 3  # bands that have to tell something
_AGREEING = (
    0.8  # share of the evidence that has to point to one exposure: a rolling shutter cuts pictures in two
)


def is_told(frame: Frame) -> bool:
    """Tell whether the camera's metadata tell the exposure of this frame."""
    return frame.exposure is not None and frame.exposure.ev is not None


def evidence(frame: Frame) -> Bands:
    """(16,) numbers in 0..1 that grow with the exposure.

    The exposure itself (EV / 32) where metadata tell it; else the mean luma of horizontal strips from top to bottom, as
    a share of white.
    """
    if frame.exposure is not None and frame.exposure.ev is not None:
        return np.full(_BANDS, frame.exposure.ev / _MAX_EV, np.float32)
    # Strips, because a sensor that is read line by line can change its exposure in the middle of a picture.
    means = cv2.resize(frame.luma, (4, _BANDS), interpolation=cv2.INTER_AREA).mean(axis=1, dtype=np.float32)
    black, white = luma_range(frame.bits, frame.color.full_range)
    return np.clip((means - black) / (white - black), 0, 1).astype(np.float32)


def visible(under: Bands, over: Bands) -> bool:
    """Tell whether the second is clearly the brighter one, so that frames can be told apart."""
    return bool((over - under > _VISIBLE).sum() >= _ENOUGH)


def judge(seen: Bands, under: Bands, over: Bands) -> int | None:
    """Give the exposure (0 = under) whose last frame this one is nearer to.

    None where it shows both, one above the other, or where the two cannot be told apart.
    """
    gap = over - under
    telling = gap > _VISIBLE
    if telling.sum() < _ENOUGH:
        return None
    weight = gap[telling] / gap[telling].sum()
    places = (seen - under)[telling] / gap[
        telling
    ]  # 0 = like under, 1 = like over; beyond if the light changed
    rank = int((places * weight).sum() > 0.5)
    agreeing = float(weight[(places > 0.5) == bool(rank)].sum())
    return rank if agreeing >= _AGREEING else None
