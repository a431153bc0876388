"""What a film in PQ tells a display of itself: static metadata of HDR10 (SMPTE ST 2086, CTA-861.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mastering:
    """The colours and the luminance that a film keeps within.

    Args:
        primaries: of the mastering display, an H.273 code point; its white is D65.
        peak: luminance in cd/m2 that no pixel exceeds in R, G or B: of the display, and as MaxCLL.
        black: luminance of the display's black, cd/m2.
        average: luminance that the mean of no picture exceeds (MaxFALL).
    """

    primaries: int
    peak: float
    average: float
    black: float = 1e-4
