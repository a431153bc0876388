"""White balance as an augmentation: the luma that the same pictures have after gains on their channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

LUMA_601 = np.array([0.114, 0.587, 0.299], np.float32)  # of B'G'R', as in JPEG
LUMINANCE_709 = np.array([0.0722, 0.7152, 0.2126], np.float32)  # of linear BGR


@dataclass(frozen=True, slots=True)
class WhiteBalance:
    """Random gains of blue and red against green, on gamma-coded values; how many for what is the caller's.

    Args:
        amount: largest |log gain| that all exposures of a stack have in common.
        difference: largest |log gain| by which each exposure differs from the others, as automatic white balance does.
    """

    amount: float = 0.0
    difference: float = 0.0

    @property
    def needs_colour(self) -> bool:
        """Tell whether gains other than 1 are drawn."""
        return self.amount > 0 or self.difference > 0

    def gains(self, count: int, rng: np.random.Generator) -> Array:
        """(count + 1, 3), of B'G'R' for each exposure, and at last what they have in common, for a label.

        The smallest of the three is 1, as in a camera: what is clipped stays white.
        """
        logs = np.zeros((count + 1, 3))
        logs[:, ::2] = rng.uniform(-self.amount, self.amount, 2)
        logs[:-1, ::2] += rng.uniform(-self.difference, self.difference, (count, 2))
        return np.exp(logs - logs.min(axis=1, keepdims=True)).astype(np.float32)


def balanced_luma(pictures: Array, gains: Array) -> Array:
    """Luma (K, H, W) of B'G'R' pictures (K, H, W, 3) in [0, 1] after gains (K, 3), each channel clipped at 1."""
    return np.stack([np.minimum(p * g, 1) @ LUMA_601 for p, g in zip(pictures, gains, strict=True)])


def balanced_luminance(radiance: Array, gains: Array, gamma: float) -> Array:
    """Luminance (K, H, W) of linear BGR (H, W, 3) after gains (K, 3) on gamma-coded values; nothing is clipped."""
    return np.stack([radiance @ (LUMINANCE_709 * gain**gamma) for gain in gains]).astype(np.float32)
