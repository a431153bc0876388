"""How code values are meant: the colour description of ITU-T H.273, and the ranges of luma and chroma."""

from __future__ import annotations

from dataclasses import dataclass

UNSPECIFIED = 2  # of ITU-T H.273: "unknown, decide by the application"
# H.273 MatrixCoefficients -> (Kr, Kb)
_LUMA_COEFFICIENTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@dataclass(frozen=True, slots=True)
class ColorInfo:
    """Colour description: ITU-T H.273 code points, and the range of the code values."""

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    def luma_coefficients(self, height: int) -> tuple[float, float]:
        """Give (Kr, Kb); an unspecified matrix is BT.709 from 720 lines up and BT.601 below, as players assume."""
        fallback = 1 if height >= 720 else 6
        return _LUMA_COEFFICIENTS.get(self.matrix, _LUMA_COEFFICIENTS[fallback])

    @property
    def is_hdr(self) -> bool:
        """Tell whether the transfer function is PQ or HLG."""
        return self.transfer in (16, 18)


def luma_range(bits: int, full_range: bool) -> tuple[int, int]:
    """Give (black, white) code values of luma at this bit depth."""
    if full_range:
        return 0, (1 << bits) - 1
    return 16 << (bits - 8), 235 << (bits - 8)


def chroma_range(bits: int, full_range: bool) -> tuple[int, float]:
    """Give (neutral code value, code values from neutral to the largest chroma 0.5) at this bit depth."""
    neutral = 128 << (bits - 8)
    return neutral, (((1 << bits) - 1) / 2 if full_range else float(112 << (bits - 8)))
