"""Networks of others, re-built with random weights from what is published: for their cost, not for quality."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamfuse.core.frame import Rgb
from streamfuse.lab.evaluate.still_measures import grey

_LOW_SIDE = 128  # pixels of the short side at which MEF-Net weighs
_RADIUS, _EPSILON = 1, 1e-4  # of its guided filter


class ReleasedLcndr(nn.Module):
    """About the layers of the LCNDR code that was released: 32 to 96 channels at full size, attention at 1/8.

    Per pixel and pair some 150 thousand multiplications and additions; the output is that of random weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 32, 3, padding=1)
        self.path = nn.Sequential(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 96, 3, padding=1))
        self.gate = nn.Sequential(nn.Conv2d(32, 96, 1), nn.Sigmoid())
        self.query, self.value = nn.Conv2d(32, 8, 1), nn.Conv2d(32, 32, 1)
        self.out = nn.Conv2d(224, 1, 3, padding=1)

    def forward(self, exposures: Tensor) -> Tensor:
        """(N, 1, H, W) -> (1, 1, H, W): the weighted mean of the exposures."""
        x = F.relu(self.enter(exposures))
        gated = self.gate(x.mean((2, 3), keepdim=True)) * F.pad(x, (0, 0, 0, 0, 0, 64))
        small = F.avg_pool2d(x, 8)
        query, value = (part.flatten(2).transpose(1, 2) for part in (self.query(small), self.value(small)))
        mixed = F.scaled_dot_product_attention(query, query, value).transpose(1, 2).reshape(small.shape)
        attended = F.interpolate(mixed, size=x.shape[-2:], mode="nearest")
        weight = torch.sigmoid(self.out(torch.cat([self.path(x), gated, attended], 1)))
        return (weight * exposures).sum(0, keepdim=True) / weight.sum(0, keepdim=True)


class GuidedWeights(nn.Module):
    """A context network of seven dilated layers of 24 channels, as in MEF-Net."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, dilation in enumerate((1, 2, 4, 8, 16, 1)):
            layers += [
                nn.Conv2d(24 if number else 1, 24, 3, padding=dilation, dilation=dilation),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(24, 1, 1))

    def forward(self, exposures: Tensor) -> Tensor:
        """(N, 1, h, w) -> weights of the same shape, summing to 1 over N."""
        out: Tensor = torch.softmax(self.layers(exposures), 0)
        return out


def released_lcndr(exposures: Sequence[Rgb]) -> Rgb:
    """Fuses the luma with `ReleasedLcndr`."""
    torch.manual_seed(0)
    with torch.inference_mode():
        fused = ReleasedLcndr()(torch.from_numpy(np.stack([grey(rgb) for rgb in exposures]))[:, None])[
            0, 0
        ].numpy()
    return np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)


def guided_fusion(exposures: Sequence[Rgb]) -> Rgb:
    """Weights at low resolution, brought up by a fast guided filter (He and Sun 2015), for the luma."""
    torch.manual_seed(0)
    lumas = [grey(rgb) for rgb in exposures]
    height, width = lumas[0].shape
    scale = _LOW_SIDE / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(luma, size, interpolation=cv2.INTER_AREA) for luma in lumas]
    with torch.inference_mode():
        weights = GuidedWeights()(torch.from_numpy(np.stack(small))[:, None])[:, 0].numpy()
    raised = [_guided(luma, low, weight) for luma, low, weight in zip(lumas, small, weights, strict=True)]
    total = np.maximum(sum(np.abs(weight) for weight in raised), 1e-6)
    fused = sum(np.abs(weight) * luma for weight, luma in zip(raised, lumas, strict=True)) / total
    return np.asarray(np.rint(np.clip(fused, 0, 1) * 255), np.uint8)


def _guided(
    luma: npt.NDArray[np.float32], low: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    window = (2 * _RADIUS + 1,) * 2
    mean_low, mean_weight = cv2.blur(low, window), cv2.blur(weight, window)
    variance = cv2.blur(low * low, window) - mean_low**2
    slope = (cv2.blur(low * weight, window) - mean_low * mean_weight) / (variance + _EPSILON)
    offset = mean_weight - slope * mean_low
    size = luma.shape[::-1]
    return np.asarray(
        cv2.resize(cv2.blur(slope, window), size) * luma + cv2.resize(cv2.blur(offset, window), size),
        np.float32,
    )
