"""Radiance tone-mapped for ordinary screens: what a camera with more range would have shown, beside the fusers.

`radiance` is one curve for the whole film: the exposures are merged into light (`fusion.radiance`), of which what lies
above the display's white is rolled off by the EETF of ITU-R BT.2390, section 5.4.1, and coded by the transfer function
that the exposures came in. It keeps the contrast of the scene, and its shadows as dark as they are.

`radiance-local` compresses the differences between parts of the picture first, and keeps those within them (Durand and
Dorsey, SIGGRAPH 2002): log luminance is a base, which is multiplied by `COMPRESSION`, and the rest. The base is the
guided filter of the picture by itself (He, Sun and Tang, ECCV 2010), found at a reduced size (He and Sun 2015), so that
it follows edges without halos. Nothing is measured on the picture: it cannot breathe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.core.frame import AlignedBracket, FusedFrame, Map, Plane
from streamfuse.core.turns import Turn
from streamfuse.fusion import radiance_rows as rows
from streamfuse.fusion.radiance import HdrTarget, RadianceStage, Rendering, merged_of
from streamfuse.fusion.stage import untrusted_share
from streamfuse.imaging import hdr_transfer, photometric
from streamfuse.imaging.hdr_transfer import REFERENCE_WHITE
from streamfuse.imaging.photometric import Transfer

PEAK = REFERENCE_WHITE  # cd/m2 of the white of an ordinary screen beside HDR (BT.2408)
COMPRESSION = 0.7  # of the base, in EV from diffuse white
_LONG_SIDE = 480  # at which the base is found
_RADIUS = 1 / 24  # of the long side
_EDGE = 0.5  # EV squared: what varies more is an edge, and belongs to the base
_DARKEST = 2.0**-12  # of diffuse white: what is below has the base of it


@lru_cache(maxsize=4)
def screen_rendering(
    bits: int, color: ColorInfo, height: int, transfer: Transfer, white: float, brightest: float
) -> Rendering:
    """Tell how radiance is coded for an ordinary screen, in the colours of the footage.

    Args:
        bits, color, height: of the planes.
        transfer: of them.
        white: radiance of diffuse white.
        brightest: radiance that occurs at most.
    """
    nits = rows.luminances()
    gain = hdr_transfer.rolled_off(nits, PEAK * brightest / white, PEAK) / nits
    signal = photometric.encoded(np.minimum(nits / PEAK, 1.0), transfer)
    kr, kb = color.luma_coefficients(height)
    black, top = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    luma = (kr, 1 - kr - kb, kb, 0.5 / (1 - kb), 0.5 / (1 - kr))
    codes = (top - black, black + 0.5, 2 * half, neutral + 0.5)
    matrix = np.eye(3) * (PEAK / white)
    tables = [np.asarray(one, np.float32) for one in (matrix, gain, signal, luma, codes)]
    return Rendering(tables[0], tables[1], tables[2], tables[3], tables[4], np.float32(0))


class ToneMapStage(RadianceStage):
    """AlignedBracket -> FusedFrame of the footage's own kind, from its radiance.

    Args:
        local: compress between parts of the picture first.
        white_ev: as in `HdrTarget`.
        dimmed: as in `RadianceStage`.
    """

    def __init__(
        self, local: bool, white_ev: float | None = None, dimmed: Callable[[int], float] = lambda _: 1.0
    ) -> None:
        super().__init__(HdrTarget(white_ev=white_ev), dimmed)
        self.name = "radiance-local" if local else "radiance"
        self._local = local

    def _merged(self, item: AlignedBracket, turn: Turn) -> Iterable[FusedFrame]:
        (meaning, left), frame = self._meaning(item, turn), item.bracket.reference
        planes = frame.planes
        if not item.bracket.alone:
            white = 2.0**-meaning.white_ev
            shown = white / left  # a fade makes everything that much darker
            brightest = 2.0 ** ((COMPRESSION - 1) * np.log2(1 / shown)) if self._local else 1.0
            how = frame.bits, frame.color, frame.height, meaning.transfer
            coded = screen_rendering(*how, shown, brightest)
            planes, radiance = merged_of(item, meaning, coded, self._local)
            planes = tuple(plane.astype(frame.luma.dtype) for plane in planes)
            if radiance is not None:
                radiance *= compressing(radiance, white)[..., None]
                planes = _coded(radiance, coded, planes, frame.bits, frame.subsampling, frame.color)
        return (FusedFrame.of_bracket(item.bracket, planes, untrusted_share(item)),)


def compressing(radiance: Map, white: float) -> Map:
    """(H, W) float32: what radiance (H, W, 3) is multiplied by, so that its base is compressed around `white`."""
    height, width = radiance.shape[:2]
    weights = np.array([[0.2126, 0.7152, 0.0722]], np.float32)
    luminance = cv2.transform(radiance, weights).reshape(height, width)
    ev = np.log2(np.maximum(luminance / np.float32(white), np.float32(_DARKEST)))
    scale = min(1.0, _LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(ev, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
    side = 2 * max(1, round(max(size) * _RADIUS)) + 1
    mean, squares = (cv2.blur(one, (side, side)) for one in (small, small * small))
    slope = (variance := np.maximum(squares - mean * mean, 0)) / (variance + np.float32(_EDGE))
    offset = mean - slope * mean
    slope, offset = (
        cv2.resize(cv2.blur(one, (side, side)), (width, height), interpolation=cv2.INTER_LINEAR)
        for one in (slope, offset)
    )
    base = slope.reshape(height, width) * ev + offset.reshape(height, width)
    return np.asarray(np.exp2(np.float32(COMPRESSION - 1) * base), np.float32)


def _coded(
    radiance: Map,
    coded: Rendering,
    like: tuple[Plane, ...],
    bits: int,
    subsampling: tuple[int, int],
    color: ColorInfo,
) -> tuple[Plane, ...]:
    """Planes of radiance (H, W, 3) by the tables of a rendering."""
    nits = radiance * coded.matrix[0, 0]
    first = float(rows.luminances()[0])

    def step(values: Map) -> npt.NDArray[np.int32]:
        exponent = np.frexp(np.maximum(values, np.float32(first)))  # the same places as in the compiled loops
        place = (exponent[1] - 1 - rows.LOWEST) * rows.PER_OCTAVE + (2 * exponent[0] - 1) * rows.PER_OCTAVE
        return np.clip(place, 0, len(coded.gain) - 1).astype(np.int32)

    nits *= np.take(coded.gain, step(nits.max(axis=2)))[..., None]
    rgb = np.rint(65535 * np.take(coded.signal, step(nits))).astype(np.uint16)
    return rgb_to_planes(rgb, bits=bits, subsampling=subsampling, color=color)[: len(like)]
