"""Transfer functions of cameras that code light logarithmically, undone, and the primaries that go with them.

All give scene light that is 0.18 for a grey card and 0.9 for a white one, of a signal that is the code value of 10 bit
divided by 1023; of ARRI it is what the range of the file makes of it. The formulas are those the makers publish:

- S-Log3: Sony, "Technical Summary for S-Gamut3.Cine/S-Log3 and S-Gamut3/S-Log3" (2014); S-Gamut3.Cine is taken.
- V-Log: Panasonic, "V-Log/V-Gamut Reference Manual" (2014).
- Canon Log 3: Canon, "Canon Log Gamma Curves" (2018, v1.2); its light is times 0.9. Cinema Gamut.
- LogC3: ARRI, "ALEXA Log C Curve: Usage in VFX" (2017), the curve of SUP 3.x for EI 800. ARRI Wide Gamut 3.
- LogC4: ARRI, "ARRI LogC4 Logarithmic Color Space Specification" (2022). ARRI Wide Gamut 4.
- D-Log: DJI, "White Paper on D-Log and D-Gamut of DJI Cinema Color System" (2017).
- F-Log2: Fujifilm, "F-Log2 Data Sheet" (2022). Its gamut is that of BT.2020.

HLG and PQ stand beside them: scene light by the inverse of HLG's OETF, and what PQ says a display shows, both in units
of diffuse white (BT.2408).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from streamfuse.core.values import SceneTransfer
from streamfuse.imaging import hdr_transfer
from streamfuse.imaging.hdr_transfer import Levels


@dataclass(frozen=True, slots=True)
class SceneCurve:
    """How a signal tells scene light.

    Args:
        decode: scene light of a signal in [0, 1]; it rises, and is a little below 0 at 0.
        primaries: code point in `hdr_transfer.CHROMATICITIES`; None: those of the file.
        by_range: the signal is what the range of the file makes of code values; else they count from 0 to 1023.
        name: for messages.
    """

    decode: Callable[[Levels], Levels]
    primaries: int | None
    by_range: bool
    name: str


def slog3(signal: Levels) -> Levels:
    """Scene light of S-Log3."""
    code = signal * 1023
    low = (code - 95) * 0.01125 / (171.2102946929 - 95)
    return np.where(code >= 171.2102946929, 10 ** ((code - 420) / 261.5) * (0.18 + 0.01) - 0.01, low)


def vlog(signal: Levels) -> Levels:
    """Scene light of V-Log."""
    return np.where(signal < 0.181, (signal - 0.125) / 5.6, 10 ** ((signal - 0.598206) / 0.241514) - 0.00873)


def clog3(signal: Levels) -> Levels:
    """Scene light of Canon Log 3."""
    low = -(10 ** ((0.12783901 - signal) / 0.36726845) - 1) / 14.98325
    middle = (signal - 0.12512219) / 1.9754798
    high = (10 ** ((signal - 0.12240537) / 0.36726845) - 1) / 14.98325
    return 0.9 * np.where(signal < 0.097465473, low, np.where(signal <= 0.15277891, middle, high))


def logc3(signal: Levels) -> Levels:
    """Scene light of LogC3 at EI 800."""
    cut, a, b, c, d, e, f = 0.010591, 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809
    return np.where(signal > e * cut + f, (10 ** ((signal - d) / c) - b) / a, (signal - f) / e)


def logc4(signal: Levels) -> Levels:
    """Scene light of LogC4."""
    a, b, c = (2**18 - 16) / 117.45, (1023 - 95) / 1023, 95 / 1023
    return (2 ** (14 * (signal - c) / b + 6) - 64) / a  # its line is for signals below 0 only


def dlog(signal: Levels) -> Levels:
    """Scene light of D-Log."""
    high = (10 ** (3.89616 * signal - 2.27752) - 0.0108) / 0.9892
    return np.where(signal <= 0.14, (signal - 0.0929) / 6.025, high)


def flog2(signal: Levels) -> Levels:
    """Scene light of F-Log2."""
    a, b, c, d, e, f, cut = 5.555556, 0.064829, 0.245281, 0.384316, 8.799461, 0.092864, 0.100686685370811
    return np.where(signal >= cut, 10 ** ((signal - d) / c) / a - b / a, (signal - f) / e)


def _hlg(signal: Levels) -> Levels:
    return hdr_transfer.hlg_decode(signal) / hdr_transfer.HLG_WHITE


def _pq(signal: Levels) -> Levels:
    return hdr_transfer.pq_decode(signal) / hdr_transfer.REFERENCE_WHITE


CURVES: Mapping[SceneTransfer, SceneCurve] = MappingProxyType(
    {
        "slog3": SceneCurve(slog3, hdr_transfer.S_GAMUT3_CINE, False, "S-Log3"),
        "vlog": SceneCurve(vlog, hdr_transfer.V_GAMUT, False, "V-Log"),
        "clog3": SceneCurve(clog3, hdr_transfer.CINEMA_GAMUT, False, "Canon Log 3"),
        "logc3": SceneCurve(logc3, hdr_transfer.ARRI_WIDE_GAMUT_3, True, "LogC3"),
        "logc4": SceneCurve(logc4, hdr_transfer.ARRI_WIDE_GAMUT_4, True, "LogC4"),
        "dlog": SceneCurve(dlog, hdr_transfer.D_GAMUT, False, "D-Log"),
        "flog2": SceneCurve(flog2, hdr_transfer.BT2020, False, "F-Log2"),
        "hlg": SceneCurve(_hlg, None, True, "HLG"),
        "pq": SceneCurve(_pq, None, True, "PQ"),
    }
)
OF_TAG: Mapping[int, SceneTransfer] = MappingProxyType({16: "pq", 18: "hlg"})
"""The curve that a file's own tag (H.273, TransferCharacteristics) names."""
