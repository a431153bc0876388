"""Pictures of a live run for whoever looks: fused, the exposures, the weights; made when they are asked for."""

from __future__ import annotations

import threading
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import FusedFrame, WeighedBracket
from streamfuse.imaging.grid import resample
from streamfuse.runtime.live.status import Picture, View

# From the darkest exposure to the brightest: blue to orange, apart for colour-blind eyes too.
_DARK, _BRIGHT = np.array((40, 90, 200), np.float32), np.array((255, 170, 40), np.float32)


class ViewBoard:
    """Keeps the newest bracket and its fused frame; whoever asks for a picture makes it, in their own thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = -1
        self._newest: tuple[WeighedBracket, FusedFrame] | None = None
        self._made: dict[View, tuple[int, Picture]] = {}
        self._making: dict[View, threading.Lock] = {
            view: threading.Lock() for view in ("fused", "under", "over", "weights")
        }

    def show(self, weighed: WeighedBracket, fused: FusedFrame) -> None:
        """This is the newest now."""
        with self._changed:
            self._number += 1
            self._newest = weighed, fused
            self._changed.notify_all()

    def picture(self, view: View, after: int = -1, timeout: float = 0.0) -> tuple[int, Picture] | None:
        """As `LiveControl.picture`."""
        until = time.monotonic() + timeout
        with self._changed:
            while self._newest is None or self._number <= after:
                if not self._changed.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                    return None
            number, (weighed, fused) = self._number, self._newest
        with self._making[view]:
            made = self._made.get(view)
            if made is None or made[0] < number:
                made = self._made[view] = number, _draw(view, weighed, fused)
            return made if made[0] > after else None


def _draw(view: View, weighed: WeighedBracket, fused: FusedFrame) -> Picture:
    exposures = weighed.aligned.exposures
    if view == "weights":
        return _weights(weighed, (fused.height, fused.width))
    planes = {"fused": fused.planes, "under": exposures[0], "over": exposures[-1]}[view]
    return _eight_bit(planes_to_rgb(planes, fused.bits, fused.subsampling, fused.color))


def _weights(weighed: WeighedBracket, size: tuple[int, int]) -> Picture:
    """Where each exposure comes from: the finest weights as a mixture of two colours."""
    finest = weighed.maps.priors[0]
    rank = np.arange(len(finest), dtype=np.float32)[:, None, None] / max(1, len(finest) - 1)
    place = resample((finest * rank).sum(axis=0), size, coverage=weighed.maps.coverage)
    picture = _DARK + np.clip(place, 0, 1)[..., None] * (_BRIGHT - _DARK)
    return cv2.convertScaleAbs(picture)


def _eight_bit(rgb: npt.NDArray[Any]) -> Picture:
    return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)
