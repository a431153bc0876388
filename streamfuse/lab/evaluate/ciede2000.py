"""CIEDE2000 colour difference, after Sharma, Wu and Dalal (Color Research and Application 30(1), 2005)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_D65 = np.array([0.95047, 1.0, 1.08883])
_SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def ciede2000(lab: npt.ArrayLike, reference: npt.ArrayLike) -> Array:
    """Colour difference dE00 with kL = kC = kH = 1; the numbers in the code are those of the paper.

    Args:
        lab, reference: (..., 3) L* in 0..100, a*, b*; shapes that broadcast.

    Returns:
        (...) float64, >= 0; about 1 is just noticeable.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(lab, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(reference, np.float64), -1, 0)
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _saturating(mean_chroma)  # equation 4 and 5: 1 + G
    c1, h1 = _polar(a1 * stretch, b1)
    c2, h2 = _polar(a2 * stretch, b2)
    grey = c1 * c2 == 0  # hue means nothing there

    turn = h2 - h1
    turn = np.where(turn > 180, turn - 360, np.where(turn < -180, turn + 360, turn))  # equation 10
    turn = np.where(grey, 0.0, turn)
    delta_l, delta_c = l2 - l1, c2 - c1
    delta_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))

    mean_l, c = (l1 + l2) / 2, (c1 + c2) / 2
    h = np.where(grey, h1 + h2, _mean_hue(h1, h2))
    t = (
        1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h) + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63)
    )  # equation 15
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c = 1 + 0.045 * c
    s_h = 1 + 0.015 * c * t
    rotation = -np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2)))) * 2 * _saturating(c)  # 16, 17, 21
    term_l, term_c, term_h = delta_l / s_l, delta_c / s_c, delta_h / s_h
    square = term_l**2 + term_c**2 + term_h**2 + rotation * term_c * term_h
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def srgb_to_lab(rgb: npt.ArrayLike) -> Array:
    """CIE L*a*b* (D65) of sRGB (IEC 61966-2-1) values.

    Args:
        rgb: (..., 3) R'G'B' in [0, 1].

    Returns:
        (..., 3) float64: L* in 0..100, a*, b*.
    """
    encoded = np.asarray(rgb, np.float64)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _SRGB_TO_XYZ.T / _D65
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _saturating(chroma: Array) -> Array:
    power = chroma**7
    return np.asarray(np.sqrt(power / (power + 25.0**7)))


def _polar(a: Array, b: Array) -> tuple[Array, Array]:
    return np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


def _mean_hue(h1: Array, h2: Array) -> Array:
    """Equation 14: the mean on the shorter arc, in [0, 360)."""
    total = h1 + h2
    far = np.where(total < 360, total + 360, total - 360)
    return np.asarray(np.where(np.abs(h1 - h2) <= 180, total, far) / 2)


def _cos(degrees: Array) -> Array:
    return np.asarray(np.cos(np.radians(degrees)))
