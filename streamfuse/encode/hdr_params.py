"""The metadata of HDR10 as the encoders take it: they write it into the stream, in front of every keyframe."""

from __future__ import annotations

from streamfuse.core.mastering import Mastering
from streamfuse.imaging.hdr_transfer import CHROMATICITIES, D65

_LUMINANCE_UNIT, _XY_UNIT = 1e-4, 2e-5  # cd/m2, CIE x and y, of ST 2086


def x265_params(mastering: Mastering) -> str:
    """For `x265-params`: whole numbers in the units of ST 2086."""
    places = "".join(
        f"{name}({round(x / _XY_UNIT)},{round(y / _XY_UNIT)})" for name, (x, y) in _places(mastering)
    )
    most, least = (round(level / _LUMINANCE_UNIT) for level in (mastering.peak, mastering.black))
    light = f"{round(mastering.peak)},{round(mastering.average)}"
    return f"master-display={places}L({most},{least}):max-cll={light}"


def svtav1_params(mastering: Mastering) -> str:
    """For `svtav1-params`: plain numbers."""
    places = "".join(f"{name}({x:g},{y:g})" for name, (x, y) in _places(mastering))
    light = f"{round(mastering.peak)},{round(mastering.average)}"
    return f"mastering-display={places}L({mastering.peak:g},{mastering.black:g}):content-light={light}"


def _places(mastering: Mastering) -> list[tuple[str, tuple[float, float]]]:
    red, green, blue = CHROMATICITIES[mastering.primaries]
    return [("G", green), ("B", blue), ("R", red), ("WP", D65)]
