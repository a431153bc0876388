"""How the code values of a picture stand for luma and chroma, as the numbers that kernels take."""

from __future__ import annotations

from dataclasses import dataclass

from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range


@dataclass(frozen=True, slots=True)
class Coding:
    """Of one picture format.

    Args:
        black: code of luma 0.
        luma_range: codes from luma 0 to luma 1.
        neutral: code of chroma 0.
        chroma_half: codes from chroma 0 to chroma 0.5.
        top: the largest code.
        kr, kb: luma coefficients.
    """

    black: float
    luma_range: float
    neutral: float
    chroma_half: float
    top: float
    kr: float
    kb: float

    @property
    def scale(self) -> float:
        """Luma per code."""
        return 1.0 / self.luma_range

    @property
    def offset(self) -> float:
        """Luma of code 0: normalised luma is code x scale + offset, clipped to [0, 1]."""
        return -self.black / self.luma_range


def coding(bits: int, color: ColorInfo, height: int) -> Coding:
    """Give the coding of a picture of `height` lines; the other arguments as in `Frame`."""
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    kr, kb = color.luma_coefficients(height)
    return Coding(
        float(black), float(white - black), float(neutral), float(half), float((1 << bits) - 1), kr, kb
    )
