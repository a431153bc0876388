"""The training objective of LCNDR."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.train.train_config import Term

TONE_CENTRE, TONE_SLACK = 0.47, 0.06  # the mean luma that a fused picture may have without a penalty
AREA = 32  # pixels a side over which the local tone is compared, beyond what MEF-SSIM's windows see
EXPOSEDNESS_SIGMA = 0.2  # of Mertens et al. (2007)
CELL = 4  # pixels a side: contrast over a distance and frames are compared after averaging over such cells
DISTANCES = (3, 6, 12)  # cells


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


def contrast_loss(fused: Tensor, exposures: Tensor) -> Tensor:
    """How far differences between distant places leave what the exposures show: halos and reversed contrast.

    Between two places the fused picture may differ by anything from the smallest to the largest difference that an
    exposure has there, both taken with their sign.

    Args:
        fused: (B, 1, H, W).
        exposures: (B, N, H, W).
    """
    f, e = F.avg_pool2d(fused, CELL), F.avg_pool2d(exposures, CELL)
    terms = []
    for distance in DISTANCES:
        for dim in (2, 3):
            ours, theirs = _difference(f, distance, dim), _difference(e, distance, dim)
            above = F.relu(ours - theirs.amax(1, keepdim=True).clamp_min(0))
            below = F.relu(theirs.amin(1, keepdim=True).clamp_max(0) - ours)
            terms.append((above + below).mean())
    return torch.stack(terms).mean()


def gradient_loss(fused: Tensor, exposures: Tensor) -> Tensor:
    """Mean L1 distance of the fused gradient to the strongest gradient that an exposure has at each pixel.

    After the texture loss of SwinFusion (Ma et al., IEEE/CAA JAS 9(7), 2022), which compares magnitudes. Here the
    gradient, forward differences in x and y, keeps its sign, so that reversed edges cost too; it is taken whole from
    the exposure where it is longest, as by Paul et al. (J. Circuits, Systems and Computers 25(10), 2016). 0 for a
    picture that has the strongest gradient everywhere, whatever its mean.

    Args:
        fused: (B, 1, H, W).
        exposures: (B, N, H, W).
    """
    theirs = _gradient(exposures)
    strongest = theirs.square().sum(2, keepdim=True).argmax(1, keepdim=True)
    wanted = theirs.take_along_dim(strongest, 1)
    return (_gradient(fused) - wanted).abs().mean()


def _gradient(x: Tensor) -> Tensor:
    """(B, N, H, W) -> (B, N, 2, H - 1, W - 1): differences to the next pixel below and to the right."""
    here = x[..., :-1, :-1]
    return torch.stack([x[..., 1:, :-1] - here, x[..., :-1, 1:] - here], 2)


def _difference(x: Tensor, distance: int, dim: int) -> Tensor:
    length = x.shape[dim] - distance
    return x.narrow(dim, distance, length) - x.narrow(dim, 0, length)


def temporal_loss(fused: Tensor, again: Tensor, motion: Tensor | None = None) -> Tensor:
    """L1 between two neighbouring fused frames of a still scene, (B, 1, H, W) each, averaged over cells.

    Weights that follow the noise, or the exposure that happens to be sharp, flicker.

    Args:
        fused, again: (B, 1, H, W).
        motion: (B, 3, 3), homography from pixels (x, y, 1) of `fused` to those of `again`, or None where the camera is
            still. `again` is warped along it, and what has left the frame does not count.
    """
    if motion is None:
        return (F.avg_pool2d(fused, CELL) - F.avg_pool2d(again, CELL)).abs().mean()
    again, seen = _moved_back(again, motion)
    whole = 1 - F.max_pool2d(1 - seen, CELL)
    difference = (F.avg_pool2d(fused, CELL) - F.avg_pool2d(again, CELL)).abs()
    return (whole * difference).sum() / whole.sum().clamp_min(1)


def _moved_back(again: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """`again` where the first frame sees it, and 1 where it does, else 0; (B, 1, H, W) each."""
    height, width = again.shape[-2:]
    y = torch.arange(height, device=again.device, dtype=torch.float32)[:, None]
    x = torch.arange(width, device=again.device, dtype=torch.float32)
    # Written out: autocast would round the coordinates of a matrix product.
    column, row, scale = (
        line[:, 0, None, None] * x + line[:, 1, None, None] * y + line[:, 2, None, None]
        for line in motion.float().unbind(1)
    )
    column, row = column / scale, row / scale
    grid = torch.stack([2 * column / (width - 1) - 1, 2 * row / (height - 1) - 1], -1)
    seen = (grid.abs() <= 1).all(-1).to(again.dtype).unsqueeze(1)
    return F.grid_sample(again, grid, padding_mode="border", align_corners=True), seen


def label_loss(fused: Tensor, label: Tensor) -> Tensor:
    """L1 of 16x16 means (tone) and 1 - SSIM with a uniform 7x7 window (structure) to the label, (B, 1, H, W)."""
    tone = (F.avg_pool2d(fused, 16) - F.avg_pool2d(label, 16)).abs().mean()
    return 0.4 * tone + 0.15 * (1 - _ssim(fused, label))


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 7, stride=2)

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean()


def total_loss(
    fused: Tensor,
    exposures: Tensor,
    target: MefSsim,
    label: Tensor | None,
    again: Tensor | None = None,
    without: Collection[Term] = (),
    gradient: float = 0,
    motion: Tensor | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """Sum of the terms, and each by name (0 where it does not apply) beside the `loss`.

    Args:
        fused: (B, 1, H, W), not clamped.
        exposures: (B, N, H, W), clean.
        target: prepared on `exposures`, so that kept noise is punished.
        label: (B, 1, H, W) or None.
        again: the next fused frame of the same still scene, (B, 1, H, W), or None.
        without: terms that do not count (for ablation).
        gradient: weight of the gradient term; 0 leaves it out.
        motion: from `fused` to `again`, as `temporal_loss` takes it.
    """
    leaving = 2 * range_loss(fused)
    parts: dict[Term, Tensor] = {"mef": 1 - target(fused).mean()}
    if label is not None:
        parts["label"] = label_loss(fused, label)
    else:
        parts["tone"] = 0.2 * tone_loss(fused) + 0.25 * exposedness_loss(fused, exposures)
    parts["contrast"] = 0.25 * contrast_loss(fused, exposures)
    if gradient:
        parts["gradient"] = gradient * gradient_loss(fused, exposures)
    if again is not None:
        parts["temporal"] = 2 * temporal_loss(fused, again, motion)
    counted = [value for name, value in parts.items() if name not in without]
    loss = torch.stack([leaving, *counted]).sum()
    values = {name: float(parts[name].detach()) if name in parts else 0.0 for name in get_args(Term)}
    return loss, {"range": float(leaving.detach()), **values, "loss": float(loss.detach())}
