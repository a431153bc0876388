"""Pictures of a live run for whoever looks: fused, the exposures, the weights; made when they are asked for."""

from __future__ import annotations

from functools import partial
from typing import get_args

import cv2
import numpy as np

from streamfuse.core.color import planes_to_rgb, to_8_bit
from streamfuse.core.frame import FusedFrame, Rgb, WeighedBracket
from streamfuse.core.latest import Latest, Made
from streamfuse.imaging.grid import resample
from streamfuse.runtime.live.status import View

# From the darkest exposure to the brightest: blue to orange, apart for colour-blind eyes too.
_DARK, _BRIGHT = np.array((40, 90, 200), np.float32), np.array((255, 170, 40), np.float32)


class ViewBoard:
    """Keeps the newest bracket and its fused frame; whoever asks for a picture makes it, in their own thread."""

    def __init__(self) -> None:
        self._newest: Latest[tuple[WeighedBracket, FusedFrame]] = Latest()
        self._drawn: dict[View, Made[tuple[WeighedBracket, FusedFrame], Rgb]] = {
            view: Made(self._newest, partial(_draw, view)) for view in get_args(View)
        }

    def show(self, weighed: WeighedBracket, fused: FusedFrame) -> None:
        """This is the newest now."""
        self._newest.put((weighed, fused))

    def picture(self, view: View, after: int = -1, timeout: float = 0.0) -> tuple[int, Rgb] | None:
        """Do what `LiveControl.picture` says."""
        return self._drawn[view].after(after, timeout)


def _draw(view: View, newest: tuple[WeighedBracket, FusedFrame]) -> Rgb:
    weighed, fused = newest
    exposures = weighed.aligned.exposures
    if view == "weights":
        return _weights(weighed, (fused.height, fused.width))
    planes = {"fused": fused.planes, "under": exposures[0], "over": exposures[-1]}[view]
    return to_8_bit(planes_to_rgb(planes, fused.bits, fused.subsampling, fused.color))


def _weights(weighed: WeighedBracket, size: tuple[int, int]) -> Rgb:
    """Tell where each exposure comes from: the finest weights as a mixture of two colours."""
    finest = weighed.maps.priors[0]
    rank = np.arange(len(finest), dtype=np.float32)[:, None, None] / max(1, len(finest) - 1)
    place = resample((finest * rank).sum(axis=0), size, coverage=weighed.maps.coverage)
    picture = _DARK + np.clip(place, 0, 1)[..., None] * (_BRIGHT - _DARK)
    return cv2.convertScaleAbs(picture)
