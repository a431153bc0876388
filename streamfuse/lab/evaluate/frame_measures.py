"""What is measured on each frame of a simulated clip: the one place where a measure of video is added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamfuse.lab.evaluate.metrics import Luma, Mask, error_percentile, psnr, ssim

PSNR_CAP = 100.0  # dB for pictures that are equal, so that means stay finite


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that a frame gets; of a clip, the mean over its frames counts.

    Args:
        heading: of its column in reports.
        says: what it tells, with its unit, for the line below the figures.
        of: (fused, oracle, moving) -> value: two lumas (H, W) in [0, 1], and the (H, W) mask of where things move.
            NaN where it cannot be told; such frames do not count.
        decimals: that are shown.
    """

    heading: str
    says: str
    of: Callable[[Luma, Luma, Mask], float]
    decimals: int = 2


MEASURES: Mapping[str, Measure] = {
    "psnr": Measure(
        "PSNR",
        "likeness to the fusion of exposures that were taken at the same instant, dB (more is better)",
        lambda fused, oracle, moving: min(psnr(fused, oracle), PSNR_CAP),
    ),
    "ssim": Measure(
        "SSIM",
        "the same by structure, 1 at most",
        lambda fused, oracle, moving: ssim(fused, oracle),
        4,
    ),
    "motion_psnr": Measure(
        "PSNR in motion",
        "PSNR where things move",
        lambda fused, oracle, moving: min(psnr(fused, oracle, mask=moving), PSNR_CAP),
    ),
    "motion_p99": Measure(
        "p99 error there",
        "what one pixel in a hundred is off by there, code values",
        lambda fused, oracle, moving: error_percentile(fused, oracle, mask=moving),
        1,
    ),
}
"""Name in `--json` -> measure."""
