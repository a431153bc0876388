"""Transfer functions and colour spaces of high dynamic range: PQ, HLG, the roll-off to a display's peak, primaries.

Sources: SMPTE ST 2084 and ITU-R BT.2100 (PQ, HLG), ITU-R BT.2390 section 5.4.1 (EETF), ITU-R BT.2408 (reference
white), ITU-T H.273 (code points and chromaticities). All arithmetic is float64; compiled loops look up tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]  # (3, 3), for columns of R, G, B
Xy = tuple[float, float]
HdrTransfer = Literal["hlg", "pq"]

PQ_PEAK = 10_000.0  # cd/m2 at signal 1 (ST 2084)
REFERENCE_WHITE = 203.0  # cd/m2 of diffuse white (BT.2408 table 1); 58 % of PQ, 75 % of HLG
HLG_WHITE_SIGNAL = 0.75  # of diffuse white (BT.2408 table 1)

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_MIN_ROLL_OFF = 1e-6  # of the signal: below it there is nothing between the knee and the peak to bend
_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * float(np.log(4 * _A))

BT709, BT2020, P3_D65 = 1, 9, 12  # of H.273, ColourPrimaries
# Of cameras, which H.273 does not know: numbers of our own, that stay within the program.
S_GAMUT3_CINE, V_GAMUT, CINEMA_GAMUT, ARRI_WIDE_GAMUT_3, ARRI_WIDE_GAMUT_4, D_GAMUT = range(1001, 1007)
D65: Xy = (0.3127, 0.3290)
CHROMATICITIES: Mapping[int, tuple[Xy, Xy, Xy]] = MappingProxyType(
    {
        BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
        5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),  # BT.601, 625 lines
        6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),  # BT.601, 525 lines
        7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),  # SMPTE 240M
        BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
        P3_D65: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
        # As the documents in `camera_logs` tell.
        S_GAMUT3_CINE: ((0.766, 0.275), (0.225, 0.800), (0.089, -0.087)),
        V_GAMUT: ((0.730, 0.280), (0.165, 0.840), (0.100, -0.030)),
        CINEMA_GAMUT: ((0.740, 0.270), (0.170, 1.140), (0.080, -0.100)),
        ARRI_WIDE_GAMUT_3: ((0.6840, 0.3130), (0.2210, 0.8480), (0.0861, -0.1020)),
        ARRI_WIDE_GAMUT_4: ((0.7347, 0.2653), (0.1424, 0.8576), (0.0991, -0.0308)),
        D_GAMUT: ((0.710, 0.310), (0.210, 0.880), (0.090, -0.080)),
    }
)
"""Red, green and blue of the primaries with a white of D65, by their code point."""


def pq_encode(nits: Levels) -> Levels:
    """Signal in [0, 1] of luminance in [0, 10000] cd/m2: the inverse EOTF of ST 2084."""
    y = np.clip(nits / PQ_PEAK, 0, 1) ** _M1
    return ((_C1 + _C2 * y) / (1 + _C3 * y)) ** _M2


def pq_decode(signal: Levels) -> Levels:
    """Luminance in cd/m2 of a signal in [0, 1]: the EOTF of ST 2084."""
    root = np.clip(signal, 0, 1) ** (1 / _M2)
    return PQ_PEAK * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def hlg_encode(light: Levels) -> Levels:
    """Signal in [0, 1] of scene light in [0, 1]: the HLG OETF of BT.2100 table 5."""
    e = np.clip(light, 0, 1)
    logarithm = _A * np.log(np.maximum(12 * e - _B, 1e-12)) + _C
    return np.where(e <= 1 / 12, np.sqrt(3 * e), logarithm)


def hlg_decode(signal: Levels) -> Levels:
    """Scene light in [0, 1] of a signal in [0, 1]: the inverse of the HLG OETF."""
    s = np.clip(signal, 0, 1)
    return np.where(s <= 0.5, s * s / 3, (np.exp((s - _C) / _A) + _B) / 12)


HLG_WHITE = float(hlg_decode(np.array(HLG_WHITE_SIGNAL)))
"""Scene light of diffuse white in HLG: 0.265."""
GREY_CARD = 0.18  # of diffuse white
HLG_GREY = float(hlg_decode(np.array(GREY_CARD ** (1 / 2.2)))) / HLG_WHITE
"""Share of diffuse white that HLG codes as ordinary video codes a grey card, 46 %: 0.27.

An ordinary screen, which takes HLG for its own gamma, shows it as grey, and an HDR display of 1000 cd/m2 at 41 cd/m2,
about as PQ shows the grey card (37).
"""


def rolled_off(nits: Levels, source_peak: float, peak: float) -> Levels:
    """Luminance brought below a display's peak by the EETF of BT.2390, black at 0; below its knee it stays as it is.

    Args:
        nits: in [0, source_peak], cd/m2.
        source_peak: the most that occurs; where it is `peak` at most, nothing changes.
        peak: of the display.
    """
    top = float(pq_encode(np.array(source_peak)))
    most = float(pq_encode(np.array(peak))) / top
    if most > 1 - _MIN_ROLL_OFF:
        return np.minimum(nits, peak)
    knee = max(1.5 * most - 0.5, 0.0)
    signal = np.minimum(pq_encode(nits) / top, 1.0)
    t = (np.maximum(signal, knee) - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    )
    return np.where(signal < knee, nits, pq_decode(spline * top))


def to_xyz(primaries: int) -> Matrix:
    """Matrix from linear R, G, B of these primaries to CIE XYZ, white having Y = 1; unknown ones are BT.709's."""
    return xyz_of(CHROMATICITIES.get(primaries, CHROMATICITIES[BT709]), D65)


def xyz_of(primaries: tuple[Xy, Xy, Xy], white: Xy) -> Matrix:
    """Matrix from linear R, G, B of primaries and a white to CIE XYZ, white having Y = 1."""
    columns = np.array([tristimulus(xy) for xy in primaries]).T
    return np.asarray(columns * np.linalg.solve(columns, tristimulus(white)), np.float64)


def between_primaries(source: int, target: int) -> Matrix:
    """Matrix from linear R, G, B of one set of primaries to that of another."""
    return np.asarray(np.linalg.solve(to_xyz(target), to_xyz(source)), np.float64)


def tristimulus(xy: Xy) -> Levels:
    """CIE XYZ of a chromaticity, with Y = 1."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])
