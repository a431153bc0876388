"""Tone and colour of Y'CbCr planes by a look: one pass over luma, one over chroma, by tables.

Tone is one curve for the whole picture, made of curves that each keep black and white where they are and rise
everywhere: brightness in linear light, then highlights and shadows, then contrast. Chroma follows luma as if R', G' and
B' had been multiplied alike, which keeps the hue, and is held where one of them would leave 0..1. Codes are rounded
by a fixed pattern of thresholds, so that a smooth gradient stays one; a value that is a code stays that code.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.core.frame import Map, Plane
from streamfuse.core.one_buffer import empty_planes
from streamfuse.look.dither import for_planes
from streamfuse.look.look import Look
from streamfuse.look.tone_rows import ChromaCoding, LumaCoding, detailed_luma, toned_chroma, toned_luma

Values = npt.NDArray[np.float64]

_GAMMA = 2.2  # of a display: what takes luma to light, for brightness
# How much the curves bend at 1: the flattest slope of each is then 0.1, the steepest 1.9.
_CONTRAST, _ENDS = 0.45, 0.9
_DETAIL = 0.6  # of the difference to the surroundings
_SURROUNDINGS = 180  # lines of the reduced picture, and the blur there in pixels
_BLUR = 2.0


def tone_curve(look: Look, luma: Values) -> Values:
    """Give the luma that a look makes of luma in 0..1 (black..white); it rises, and is the identity beyond the ends.

    Brightness is x g / (1 + x (g - 1)) of linear light x with g = 2^EV: g times at black, white stays, and the
    opposite EV undoes it. Shadows add a share of v (1 - v)^3, highlights the same from white down, contrast a share of
    4 v (1 - v) (v - 1/2).
    """
    v = np.clip(luma, 0.0, 1.0)
    beyond = luma - v
    if look.brightness:
        gain, light = 2.0**look.brightness, v**_GAMMA
        v = (light * gain / (1.0 + light * (gain - 1.0))) ** (1 / _GAMMA)
    if look.shadows or look.highlights:
        v = v + _ENDS * (look.shadows * v * (1.0 - v) ** 3 + look.highlights * (1.0 - v) * v**3)
    if look.contrast:
        v = v + _CONTRAST * look.contrast * 4.0 * v * (1.0 - v) * (v - 0.5)
    return v + beyond


class Toner:
    """The numbers of a look, for pictures of one kind.

    Args:
        look: its LUT is not looked at.
        bits, color: as in `Frame`.
        height: of the luma, which decides on the matrix where the tags do not.
        to_bits: depth of the result, 8..16.
    """

    def __init__(self, look: Look, bits: int, color: ColorInfo, height: int, to_bits: int) -> None:
        self._detail = bool(look.detail)
        self._like = np.zeros((), np.uint8 if to_bits == 8 else np.uint16)
        black, white = luma_range(bits, color.full_range)
        to_black, to_white = luma_range(to_bits, color.full_range)
        top, to_top = (1 << bits) - 1, (1 << to_bits) - 1
        before = (np.arange(top + 1, dtype=np.float64) - black) / (white - black)
        after = tone_curve(look, before)
        codes = np.clip(to_black + (to_white - to_black) * after, 0, to_top)
        self._codes = np.append(codes, codes[-1]).astype(np.float32)  # one more, to interpolate to
        self._luma = LumaCoding(
            np.float32(black), np.float32(white - black), np.float32(top), np.float32(_DETAIL * look.detail)
        )
        self._tone = np.stack([before, after], 1).astype(np.float32)
        neutral, half = chroma_range(bits, color.full_range)
        to_neutral, to_half = chroma_range(to_bits, color.full_range)
        kr, kb = color.luma_coefficients(height)
        red, blue, kg = 2 * (1 - kr), 2 * (1 - kb), 1 - kr - kb
        numbers = (
            neutral, 0.5 / half, to_neutral, 2 * to_half, to_top,
            red, blue, red * kr / kg, blue * kb / kg, look.saturation,
        )  # fmt: skip
        self._chroma = ChromaCoding(*(np.float32(number) for number in numbers))

    def __call__(self, planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
        """New planes of depth `to_bits`, (Y,) or (Y, Cb, Cr) as they are given."""
        luma, *chroma = (np.ascontiguousarray(plane) for plane in planes)
        out = empty_planes([np.broadcast_to(self._like, plane.shape) for plane in planes])
        for_y, for_cb, for_cr = for_planes(luma.shape[1])
        if self._detail:
            detailed_luma(luma, _surroundings(luma), self._codes, self._luma, for_y, out[0])
        else:
            toned_luma(luma, self._codes, for_y, out[0])
        if chroma:
            cb, cr = chroma
            toned_chroma(luma, cb, cr, self._tone, self._chroma, for_cb, for_cr, out[1], out[2])
        return out


def _surroundings(luma: Plane) -> Map:
    """(H, W) codes, blurred as far at every size of the picture."""
    height, width = luma.shape
    step = max(1, round(min(height, width) / _SURROUNDINGS))
    size = max(1, width // step), max(1, height // step)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    blurred = cv2.GaussianBlur(small, (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
