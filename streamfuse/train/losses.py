"""The training objective of LCNDR."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.evaluate.mef_ssim import MefSsim

TONE_CENTRE, TONE_SLACK = 0.47, 0.06  # the mean luma that a fused picture may have without a penalty
AREA = 32  # pixels a side over which the local tone is compared, beyond what MEF-SSIM's windows see
EXPOSEDNESS_SIGMA = 0.2  # of Mertens et al. (2007)


def range_loss(fused: Tensor) -> Tensor:
    """Mean of what leaves [0, 1]."""
    return (F.relu(fused - 1) + F.relu(-fused)).mean()


def tone_loss(fused: Tensor) -> Tensor:
    """Distance of each picture's mean from the middle, beyond the slack: MEF-SSIM does not see the mean."""
    return F.relu((fused.mean(dim=(1, 2, 3)) - TONE_CENTRE).abs() - TONE_SLACK).mean()


def exposedness_loss(fused: Tensor, exposures: Tensor) -> Tensor:
    """Distance of the local mean from the exposures' local means weighted by well-exposedness, beyond the slack.

    Without it nothing keeps the network from fusing a dark area darkly although one exposure shows it well.

    Args:
        fused: (B, 1, H, W).
        exposures: (B, N, H, W).
    """
    means = F.avg_pool2d(exposures, AREA)
    weights = torch.exp(-((means - 0.5) ** 2) / (2 * EXPOSEDNESS_SIGMA**2))
    wanted = (weights * means).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
    return F.relu((F.avg_pool2d(fused, AREA) - wanted).abs() - TONE_SLACK).mean()


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


def total_loss(
    fused: Tensor, exposures: Tensor, target: MefSsim, label: Tensor | None
) -> tuple[Tensor, dict[str, float]]:
    """Sum of all terms, and each by name.

    Args:
        fused: (B, 1, H, W), not clamped.
        exposures: (B, N, H, W), clean.
        target: prepared on `exposures`, so that kept noise is punished.
        label: (B, 1, H, W) or None.
    """
    mef = 1 - target(fused).mean()
    leaving = 2 * range_loss(fused)
    if label is not None:
        tone = label_loss(fused, label)
    else:
        tone = 0.2 * tone_loss(fused) + 0.4 * exposedness_loss(fused, exposures)
    loss = mef + leaving + tone
    terms = {"mef": mef, "range": leaving, "tone": tone, "loss": loss}
    return loss, {name: float(term.detach()) for name, term in terms.items()}
