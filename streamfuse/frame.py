"""What travels through the pipeline: a `Frame`, then a `Bracket`, an `AlignedBracket`, and a `FusedFrame`.

All are frozen; their arrays are never written to after construction. Pixels stay as the camera or the codec gave
them: Y'CbCr planes at native chroma subsampling and bit depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[Any]  # (H, W) uint8 (8 bit) or uint16 (9..16 bit, low bits used)
Map = npt.NDArray[np.float32]  # (H, W), or (H, W, 2) for a flow field

UNSPECIFIED = 2  # of ITU-T H.273: "unknown, decide by the application"
# H.273 MatrixCoefficients -> (Kr, Kb)
_LUMA_COEFFICIENTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def empty_planes(like: Sequence[Plane]) -> tuple[Plane, ...]:
    """Planes to be filled, of the shapes and the dtype of these, one after another in one buffer.

    So a publisher sends them as one piece; with every consumer else they are as good as any.
    """
    buffer = np.empty(sum(plane.size for plane in like), like[0].dtype)
    planes, begin = [], 0
    for plane in like:
        planes.append(buffer[begin : begin + plane.size].reshape(plane.shape))
        begin += plane.size
    return tuple(planes)


def in_one_buffer(planes: Sequence[Plane]) -> tuple[Plane, ...]:
    """Copies of these planes that lie as `empty_planes` lays them."""
    copies = empty_planes(planes)
    for copy, plane in zip(copies, planes, strict=True):
        copy[...] = plane
    return copies


@dataclass(frozen=True, slots=True)
class ColorInfo:
    """Colour description: ITU-T H.273 code points, and the range of the code values."""

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    def luma_coefficients(self, height: int) -> tuple[float, float]:
        """(Kr, Kb); an unspecified matrix is BT.709 from 720 lines up and BT.601 below, as players assume."""
        fallback = 1 if height >= 720 else 6
        return _LUMA_COEFFICIENTS.get(self.matrix, _LUMA_COEFFICIENTS[fallback])


def luma_range(bits: int, full_range: bool) -> tuple[int, int]:
    """(black, white) code values of luma at this bit depth."""
    if full_range:
        return 0, (1 << bits) - 1
    return 16 << (bits - 8), 235 << (bits - 8)


def chroma_range(bits: int, full_range: bool) -> tuple[int, float]:
    """(neutral code value, code values from neutral to the largest chroma 0.5) at this bit depth."""
    neutral = 128 << (bits - 8)
    return neutral, (((1 << bits) - 1) / 2 if full_range else float(112 << (bits - 8)))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a camera, a sidecar file or the user says of one frame's exposure.

    Args:
        time_us: exposure time in microseconds.
        gain: linear sensor gain (ISO 200 is 2.0).
        rank: place in the bracket, 0 = darkest; None where only time and gain are known.
    """

    time_us: float | None = None
    gain: float | None = None
    rank: int | None = None

    @property
    def ev(self) -> float | None:
        """log2 of exposure time x gain; only differences between frames mean anything."""
        if self.time_us is None and self.gain is None:
            return None
        return float(np.log2((self.time_us or 1.0) * (self.gain or 1.0)))


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as it came in.

    Args:
        planes: (Y,) or (Y, Cb, Cr); uint8 at 8 bit, uint16 above (value in the low bits).
        bits: bit depth, 8..16.
        subsampling: log2 of the chroma subsampling (horizontal, vertical): 4:2:0 is (1, 1), 4:4:4 is (0, 0).
        color: colour description of the planes.
        pts: presentation time in units of `time_base`; None where the source has none.
        time_base: seconds per pts unit.
        index: number of the frame in its source, from 0; frames that the source lost are not counted.
        exposure: known exposure, where there is metadata or a sidecar.
        captured_at: `time.monotonic()` at capture, for live sources.
    """

    planes: tuple[Plane, ...]
    bits: int
    subsampling: tuple[int, int]
    color: ColorInfo
    pts: int | None
    time_base: Fraction
    index: int
    exposure: Exposure | None = None
    captured_at: float | None = None

    @property
    def luma(self) -> Plane:
        """The Y plane."""
        return self.planes[0]

    @property
    def height(self) -> int:
        """Lines of the luma plane."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Columns of the luma plane."""
        return int(self.planes[0].shape[1])

    def __repr__(self) -> str:
        return f"Frame({self.index}, {self.width}x{self.height}, {self.bits} bit, pts={self.pts})"


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame and its place in the exposure cycle.

    Args:
        frame: the picture.
        rank: 0 = darkest .. cycle - 1 = brightest.
        cycle: number of different exposures.
        repaired: frames were lost or doubled just before this one (the order of exposures is broken here).
        cut: the scene changes here: nothing before this frame may be used for it.
        alone: exposures do not alternate here (a title, a frame that is held): the rank means nothing, and neither
            has the frame a partner nor is it one.
    """

    frame: Frame
    rank: int
    cycle: int
    repaired: bool = False
    cut: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest frames of one exposure before and after an instant (at least one is there)."""

    before: Frame | None
    after: Frame | None


@dataclass(frozen=True, slots=True)
class Bracket:
    """One instant: the frame taken then, and the frames from which its missing exposures are made.

    Args:
        reference: the frame taken at this instant.
        rank: its place in the cycle, 0 = darkest.
        cycle: number of exposures.
        missing: rank -> neighbours, for each of the other exposures that is there.
        same: the nearest frames of the reference's own exposure.
        simultaneous: the other exposures were taken at this very instant (in `missing[...].before`).
    """

    reference: Frame
    rank: int
    cycle: int
    missing: Mapping[int, Neighbours]
    same: Neighbours = Neighbours(None, None)
    simultaneous: bool = False

    @property
    def alone(self) -> bool:
        """Whether no other exposure is within reach: the reference passes as it is."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class AlignedBracket:
    """All exposures of one instant, in one geometry.

    Args:
        bracket: where it came from.
        exposures: `cycle` tuples of planes like the reference's, darkest first; the one at `bracket.rank` *is* its.
        gaps_ev: `cycle` numbers: exposure of each relative to the darkest, in EV (first is 0.0).
        trust: `cycle` maps (h, w) float32 in [0, 1] of a reduced size, 1 = the aligned pixel agrees with the reference;
            None = trusted everywhere (always so for the reference).
        flow_before: (h, w, 2) float32, motion from this instant to the previous instant's picture, in pixels of its
            own (reduced) grid; None where unknown (first frame, cut).
        flow_after: the same towards the next instant.
    """

    bracket: Bracket
    exposures: tuple[tuple[Plane, ...], ...]
    gaps_ev: tuple[float, ...]
    trust: tuple[Map | None, ...]
    flow_before: Map | None = None
    flow_after: Map | None = None


@dataclass(frozen=True, slots=True)
class FusionMaps:
    """What a fuser says of one bracket, before any pixel is blended: small, so that it can be smoothed over time.

    Args:
        priors: one array (N, h, w) float32 per pyramid level, finest first, base last; positive, and summing to 1
            over the N exposures, darkest first.
        gains: one array (h, w) float32 per finest level: how much the fused detail is scaled.
        coverage: (rows, columns) that the maps span, in units of the picture's size: > 1 where they were made from a
            picture padded at the bottom and right.
    """

    priors: tuple[Map, ...]
    gains: tuple[Map, ...] = ()
    coverage: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class WeighedBracket:
    """An aligned bracket and the maps by which it will be blended."""

    aligned: AlignedBracket
    maps: FusionMaps


@dataclass(frozen=True, slots=True)
class FusedFrame:
    """One fused picture.

    Args:
        planes: as in `Frame`.
        bits, subsampling, color, pts, time_base, index: those of the reference frame.
        exposures: index (in the source) of the frames that it was made of.
        stats: measurements of this frame by name, such as `ghost_share`.
        captured_at: capture time of the reference, for live sources.
        maps: pictures that ride along on request, by name, such as `weights`; see `streamfuse.maps`.
    """

    planes: tuple[Plane, ...]
    bits: int
    subsampling: tuple[int, int]
    color: ColorInfo
    pts: int | None
    time_base: Fraction
    index: int
    exposures: tuple[int, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)
    captured_at: float | None = None
    maps: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def luma(self) -> Plane:
        """The Y plane."""
        return self.planes[0]

    @property
    def height(self) -> int:
        """Lines of the luma plane."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Columns of the luma plane."""
        return int(self.planes[0].shape[1])

    def rgb(self) -> npt.NDArray[Any]:
        """(H, W, 3) R'G'B', full range: uint8 for 8-bit frames, uint16 over the whole 16-bit range above."""
        from streamfuse.color import planes_to_rgb

        return planes_to_rgb(self.planes, self.bits, self.subsampling, self.color)

    @classmethod
    def from_rgb(
        cls, picture: npt.NDArray[Any], number: int = 0, rate: Fraction | float = Fraction(25)
    ) -> FusedFrame:
        """A frame of an array, so that a sink can write it; its planes are Y'CbCr 4:4:4 of BT.709.

        Args:
            picture: (H, W, 3) R'G'B', full range, uint8 or uint16.
            number: of the frame, from 0: its place in time.
            rate: frames per second.

        Raises:
            UsageError: an array of another kind.

        Example:
            >>> FusedFrame.from_rgb(np.zeros((36, 64, 3), np.uint8), number=2)
            FusedFrame(2, 64x36, 8 bit, pts=2)
        """
        from streamfuse.arguments import described
        from streamfuse.color import rgb_to_planes
        from streamfuse.errors import UsageError

        kind = picture.dtype if isinstance(picture, np.ndarray) and picture.ndim == 3 else None
        if kind not in (np.uint8, np.uint16) or picture.shape[2] != 3 or picture.size == 0:
            raise UsageError(
                f"A frame is made of an array (H, W, 3), uint8 or uint16, and {described(picture)} was given."
            )
        bits, color = (8 if kind == np.uint8 else 16), ColorInfo(1, 1, 1, False)
        planes = rgb_to_planes(picture, bits=bits, subsampling=(0, 0), color=color)
        time_base = 1 / Fraction(rate).limit_denominator(1_001_000)
        return cls(planes, bits, (0, 0), color, number, time_base, number)

    def __repr__(self) -> str:
        return f"FusedFrame({self.index}, {self.width}x{self.height}, {self.bits} bit, pts={self.pts})"
