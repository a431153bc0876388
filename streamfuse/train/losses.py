"""The training objective of LCNDR."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.evaluate.mef_ssim import MefSsim

TONE_CENTRE, TONE_SLACK = 0.47, 0.06  # the mean luma that a fused picture may have without a penalty


def range_loss(fused: Tensor) -> Tensor:
    """Mean of what leaves [0, 1]."""
    return (F.relu(fused - 1) + F.relu(-fused)).mean()


def tone_loss(fused: Tensor) -> Tensor:
    """Distance of each picture's mean from the middle, beyond the slack: MEF-SSIM does not see the mean."""
    return F.relu((fused.mean(dim=(1, 2, 3)) - TONE_CENTRE).abs() - TONE_SLACK).mean()


def label_loss(fused: Tensor, label: Tensor) -> Tensor:
    """L1 of 16x16 means (tone) and 1 - SSIM with a uniform 7x7 window (structure) to the label, (B, 1, H, W)."""
    tone = (F.avg_pool2d(fused, 16) - F.avg_pool2d(label, 16)).abs().mean()
    return 0.3 * tone + 0.1 * (1 - _ssim(fused, label))


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 7, stride=2)

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean()


def total_loss(fused: Tensor, target: MefSsim, label: Tensor | None) -> tuple[Tensor, dict[str, float]]:
    """Sum of all terms, and each by name.

    Args:
        fused: (B, 1, H, W), not clamped.
        target: prepared on the *clean* exposures, so that kept noise is punished.
        label: (B, 1, H, W) or None.
    """
    mef = 1 - target(fused).mean()
    leaving = 2 * range_loss(fused)
    tone = label_loss(fused, label) if label is not None else 0.2 * tone_loss(fused)
    loss = mef + leaving + tone
    return loss, {
        "mef": mef.item(),
        "range": leaving.item(),
        "tone": tone.item(),
        "loss": torch.Tensor.item(loss),
    }
