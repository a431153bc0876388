"""What a look is: a few numbers and a LUT, and the looks that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from streamfuse.core.values import LOOKS
from streamfuse.errors import UsageError


@dataclass(frozen=True, slots=True)
class Look:
    """How a fused picture is graded; each number is in -1..1, and 0 leaves the picture as the network made it.

    Args:
        brightness: in EV; black stays black and white stays white, so that nothing clips.
        contrast: of the mid-tones, which goes at the cost of the ends.
        saturation: -1 is grey; colours that have no room left gain nothing, and keep their hue.
        highlights: below 0 the bright parts get darker and richer in contrast, above 0 brighter.
        shadows: above 0 the dark parts get brighter, below 0 darker.
        detail: local contrast, finer than about a fiftieth of the height.
        lut: a .cube file, which comes last.

    Raises:
        UsageError: a number out of its range.

    Example:
        >>> import numpy as np, streamfuse
        >>> ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
        >>> streamfuse.fuse_pair(ramp // 4, ramp, fuser="mertens", look=Look(contrast=0.3)).shape
        (64, 64)
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    highlights: float = 0.0
    shadows: float = 0.0
    detail: float = 0.0
    lut: Path | None = None

    def __post_init__(self) -> None:
        for name, value in self.numbers.items():
            if not -1.0 <= value <= 1.0:
                raise UsageError(f"{name} {value} is out of range: a look's numbers are from -1 to 1.")

    @classmethod
    def named(cls, name: str) -> Self:
        """Give one of the looks that ship: off, natural, vivid or flat.

        Raises:
            UsageError: there is no such look.
        """
        if name not in LOOKS:
            raise UsageError(f"There is no look {name!r}: choose from {', '.join(LOOKS)}.")
        numbers: Mapping[str, Any] = LOOKS[name]
        return cls(**numbers)

    @property
    def numbers(self) -> Mapping[str, float]:
        """Give all but the LUT, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "lut"}

    @property
    def active(self) -> bool:
        """Tell whether it changes anything at all."""
        return self.lut is not None or any(self.numbers.values())
