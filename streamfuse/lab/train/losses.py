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
WINDOW = 9  # pixels a side over which contrast in highlights and shadows is compared
KEPT = 0.75  # share of the log contrast of the exposure that alone knows a place, below which it costs
LIT = 0.68  # share of the brightness of the bright exposure in shadows, below which it costs
BRIGHTEST = 0.95  # luma beyond which a highlight begins to be lost
MIN_SHARE = 0.01  # share of a batch: fewer highlights or shadows than that count less
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
    """Tell how far differences between distant places leave what the exposures show: halos and reversed contrast.

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


def highlights_loss(fused: Tensor, exposures: Tensor) -> Tensor:
    """Give what is lost where all exposures but the darkest are white: contrast, and what is white itself.

    Contrast is the slope of ln fused on ln darkest over a window, which is 1 for the darkest exposure itself at any
    brightness; what is beyond `KEPT` is enough. It counts by the contrast that there is to keep.

    Args:
        fused: (B, 1, H, W).
        exposures: (B, N, H, W), N >= 2.
    """
    ordered = exposures.sort(1).values
    darkest, next_one = ordered[:, :1], ordered[:, 1:2]
    place = _rising(next_one, 0.93, 0.98) * _rising(darkest, 0.1, 0.16) * _rising(-darkest, -0.95, -0.88)
    white = (place * F.relu(fused - BRIGHTEST)).mean() / (place.mean() + MIN_SHARE) / (1 - BRIGHTEST)

    ours, theirs = fused.clamp_min(0.02).log(), darkest.clamp_min(0.02).log()
    variance = (_window(theirs * theirs) - _window(theirs).square()).clamp_min(0)
    slope = (_window(ours * theirs) - _window(ours) * _window(theirs)) / (variance + 1e-5)
    whole = 1 - F.max_pool2d(1 - place, WINDOW, stride=2)
    counted = whole * _rising(variance.sqrt(), 0.004, 0.015)
    lost = (counted * F.relu(KEPT - slope)).mean() / (counted.mean() + MIN_SHARE)
    return lost + white


def shadows_loss(fused: Tensor, exposures: Tensor) -> Tensor:
    """Tell how far shadows, where all exposures but the brightest are black, are darker than `LIT` of the brightest.

    Args:
        fused: (B, 1, H, W).
        exposures: (B, N, H, W), N >= 2.
    """
    ordered = F.avg_pool2d(exposures, CELL).sort(1).values
    brightest, next_one = ordered[:, -1:], ordered[:, -2:-1]
    place = (
        _rising(-next_one, -0.08, -0.05) * _rising(brightest, 0.05, 0.08) * _rising(-brightest, -0.85, -0.78)
    )
    lacking = F.relu(LIT - F.avg_pool2d(fused, CELL) / brightest.clamp_min(0.05))
    return (place * lacking).mean() / (place.mean() + MIN_SHARE)


def _rising(x: Tensor, start: float, end: float) -> Tensor:
    """0 up to `start`, 1 from `end` on."""
    return ((x - start) * (1 / (end - start))).clamp(0, 1)


def _window(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, WINDOW, stride=2)


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
    extremes: float = 0,
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
        extremes: weight of the terms for highlights and shadows; 0 leaves them out.
    """
    leaving = 2 * range_loss(fused)
    parts: dict[Term, Tensor] = {"mef": 1 - target(fused).mean()}
    if label is not None:
        parts["label"] = label_loss(fused, label)
    else:
        parts["tone"] = 0.2 * tone_loss(fused) + 0.25 * exposedness_loss(fused, exposures)
    parts["contrast"] = 0.5 * contrast_loss(fused, exposures)
    if gradient:
        parts["gradient"] = gradient * gradient_loss(fused, exposures)
    if extremes:
        parts["highlights"] = extremes * highlights_loss(fused, exposures)
        parts["shadows"] = extremes * shadows_loss(fused, exposures)
    if again is not None:
        parts["temporal"] = 2 * temporal_loss(fused, again, motion)
    counted = [value for name, value in parts.items() if name not in without]
    loss = torch.stack([leaving, *counted]).sum()
    values = {name: float(parts[name].detach()) if name in parts else 0.0 for name in get_args(Term)}
    return loss, {"range": float(leaving.detach()), **values, "loss": float(loss.detach())}
