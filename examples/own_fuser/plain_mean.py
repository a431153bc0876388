"""A fuser in a package of its own: pip install ./examples/own_fuser, then streamfuse fuse CLIP -o OUT --fuser mean

It weighs the exposures by how far a place of each is from black and white. Replace `weigh` by what your network says.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.core.frame import FusionMaps, Map

LONG_SIDE = 160  # pixels of the maps


class PlainMean:
    """A weighted mean of the exposures, pixel by pixel.

    Args:
        device: as the user named it; here it is the CPU, whatever was asked for.
    """

    name = "mean"

    def __init__(self, device: str) -> None:
        self.device = "cpu"

    def weigh(self, lumas: Sequence[Map]) -> FusionMaps:
        """Weigh each exposure by its distance from black and white, at a small size."""
        height, width = lumas[0].shape
        scale = min(1.0, LONG_SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.stack([cv2.resize(luma, size, interpolation=cv2.INTER_AREA) for luma in lumas])
        weights = 0.51 - np.abs(small - 0.5)
        return FusionMaps(((weights / weights.sum(axis=0)).astype(np.float32),))

    def blend(self, lumas: Sequence[Map], maps: FusionMaps) -> Map:
        """Sum the exposures by these weights, brought up to full size."""
        height, width = lumas[0].shape
        fused = np.zeros((height, width), np.float32)
        for luma, weight in zip(lumas, maps.priors[0], strict=True):
            fused += luma * cv2.resize(weight, (width, height), interpolation=cv2.INTER_LINEAR)
        return fused


def make(device: str) -> PlainMean:
    """Give the fuser; streamfuse calls this once for a run."""
    return PlainMean(device)
