"""What travels: `Frame`, `ClassifiedFrame`, `Bracket`, `AlignedBracket`, `WeighedBracket`, `FusedFrame`.

All are frozen; their arrays are never written to after construction. Pixels stay as the camera or the codec gave
them: Y'CbCr planes at native chroma subsampling and bit depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.wall_clock import wall_clock

if TYPE_CHECKING:
    from torch import Tensor

Plane = npt.NDArray[np.unsignedinteger]  # (H, W) uint8 (8 bit) or uint16 (9..16 bit, low bits used)
# (H, W, 3) R'G'B' or (H, W) luma, full range; uint8, or uint16 over all 16 bits
Pixels = npt.NDArray[np.unsignedinteger]
Rgb = npt.NDArray[np.uint8]  # (H, W, 3) R'G'B', full range
Array = npt.NDArray[np.generic]  # of any shape and dtype
Map = npt.NDArray[np.float32]  # (H, W), (H, W, 2) for a flow field, or (H, W, 3) for light


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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Picture:
    """What a frame that came in and a fused one have in common: planes and their place in time.

    Args:
        planes: (Y,) or (Y, Cb, Cr); uint8 at 8 bit, uint16 above (value in the low bits).
        bits: bit depth, 8..16.
        subsampling: log2 of the chroma subsampling (horizontal, vertical): 4:2:0 is (1, 1), 4:4:4 is (0, 0).
        color: colour description of the planes.
        pts: presentation time in units of `time_base`; None where the source has none.
        time_base: seconds per pts unit.
        index: number of the frame in its source, from 0; frames that the source lost are not counted.
    """

    planes: tuple[Plane, ...]
    bits: int
    subsampling: tuple[int, int]
    color: ColorInfo
    pts: int | None
    time_base: Fraction
    index: int

    @property
    def luma(self) -> Plane:
        """Give the Y plane."""
        return self.planes[0]

    @property
    def height(self) -> int:
        """Lines of the luma plane."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Columns of the luma plane."""
        return int(self.planes[0].shape[1])

    @property
    def time(self) -> float | None:
        """Presentation time in seconds; None where the source has none."""
        return None if self.pts is None else float(self.pts * self.time_base)

    def rgb(self, out: Pixels | None = None) -> Pixels:
        """Give (H, W, 3) R'G'B', full range: uint8 for 8-bit frames, uint16 over the whole 16-bit range above.

        Args:
            out: an array of that shape and dtype in C order to write to, in place of a new one.

        Raises:
            UsageError: `out` is another kind of array.
        """
        from streamfuse.core.color import planes_to_rgb

        return planes_to_rgb(self.planes, self.bits, self.subsampling, self.color, out=out)

    def bgr(self, out: Pixels | None = None) -> Pixels:
        """Give `rgb` with the channels in OpenCV's order, contiguous."""
        from streamfuse.core.color import planes_to_rgb

        return planes_to_rgb(self.planes, self.bits, self.subsampling, self.color, blue_first=True, out=out)

    def tensor(self) -> Tensor:
        """Give (3, H, W) R'G'B' as a torch tensor on the CPU: uint8 for 8-bit frames, else float32 in 0..1.

        Both are what `streamfuse.Fuser` takes.
        """
        import torch

        pixels = np.ascontiguousarray(self.rgb().transpose(2, 0, 1))
        if pixels.dtype == np.uint8:
            return torch.from_numpy(pixels)
        return torch.from_numpy(pixels.astype(np.float32) / np.float32(65535))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the picture to a PNG, TIFF or JPEG file: 16 bit for frames of more than 8, except as JPEG.

        Args:
            path: its suffix chooses the format.
            overwrite: replace an existing file.

        Raises:
            EncoderError: a suffix that names no picture.
            OutputExistsError: the file is there and `overwrite` is not set.
            OutputError: it cannot be written.

        Example:
            >>> import streamfuse
            >>> next(streamfuse.fuse_video("sample:?frames=4&size=64x48", preset="fast")).save("first.png")
        """
        from streamfuse.photo.writing import check_photo_target, write_photo

        target = Path(path)
        check_photo_target(target, None, overwrite)
        write_photo(target, self.rgb())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.index}, {self.width}x{self.height}, {self.bits} bit, pts={self.pts})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frame(Picture):
    """One picture as it came in.

    Args:
        exposure: known exposure, where there is metadata or a sidecar.
        captured_at: `time.monotonic()` of this process at capture, for live sources; it never jumps, and means nothing
            elsewhere: see `captured_unix`.
    """

    exposure: Exposure | None = None
    captured_at: float | None = None

    @classmethod
    def from_rgb(
        cls,
        picture: Pixels,
        index: int = 0,
        *,
        exposure: Exposure | None = None,
        captured_at: float | None = None,
    ) -> Frame:
        """Make a frame of an array, as the driver of a camera has to; its planes are Y'CbCr 4:4:4, or luma alone.

        Args:
            picture: (H, W, 3) R'G'B' or (H, W) luma, full range, uint8 or uint16.
            index: of the frame, from 0.
            exposure: where the camera tells it.
            captured_at: `time.monotonic()` at capture.

        Raises:
            UsageError: an array of another kind.

        Example:
            >>> Frame.from_rgb(np.zeros((36, 64, 3), np.uint8), 2, exposure=Exposure(time_us=500))
            Frame(2, 64x36, 8 bit, pts=None)
        """
        from streamfuse.core.arrays import planes_of

        planes, bits, color = planes_of(picture, full_range=True)
        return cls(planes, bits, (0, 0), color, None, Fraction(1, 1_000_000), index, exposure, captured_at)

    @classmethod
    def from_bgr(
        cls,
        picture: Pixels,
        index: int = 0,
        *,
        exposure: Exposure | None = None,
        captured_at: float | None = None,
    ) -> Frame:
        """Make a frame as `from_rgb` does, of channels in OpenCV's order."""
        rgb = picture[..., ::-1] if np.ndim(picture) == 3 else picture
        return cls.from_rgb(rgb, index, exposure=exposure, captured_at=captured_at)

    @property
    def captured_unix(self) -> float | None:
        """Unix time of capture, for logs and other machines; None where `captured_at` is."""
        return wall_clock(self.captured_at)


@dataclass(frozen=True, slots=True, eq=False)
class ClassifiedFrame:
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


@dataclass(frozen=True, slots=True, eq=False)
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
        """Tell whether no other exposure is within reach: the reference passes as it is."""
        return not self.missing


@dataclass(frozen=True, slots=True, eq=False)
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
        balances: what R' and B' of each exposure are multiplied by to have the white balance of the darkest one, as
            far as it is proven that they differ; empty: they have one.
    """

    bracket: Bracket
    exposures: tuple[tuple[Plane, ...], ...]
    gaps_ev: tuple[float, ...]
    trust: tuple[Map | None, ...]
    flow_before: Map | None = None
    flow_after: Map | None = None
    balances: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FusionMaps:
    """What a fuser says of one bracket, before any pixel is blended: small, so that it can be smoothed over time.

    Args:
        priors: one array (N, h, w) float32 per pyramid level, finest first, base last; positive, and summing to 1
            over the N exposures, darkest first. How many levels, and their sizes, are up to the fuser, whose `blend`
            gets them back; they have to be the same for all frames of one size, or nothing is smoothed over time. The
            third, or the last where there are fewer, weighs colour: its map may have any size.
        gains: one array (h, w) float32 per finest level: how much the fused detail is scaled; () for none.
        coverage: (rows, columns) that the maps span, in units of the picture's size: > 1 where they were made from a
            picture padded at the bottom and right.
    """

    priors: tuple[Map, ...]
    gains: tuple[Map, ...] = ()
    coverage: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class WeighedBracket:
    """An aligned bracket and the maps by which it will be blended."""

    aligned: AlignedBracket
    maps: FusionMaps


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FusedFrame(Picture):
    """One fused picture; pts, time_base and index are those of the reference frame.

    Args:
        exposures: index (in the source) of the frames that it was made of.
        stats: measurements of this frame by name, such as `untrusted_share`.
        captured_at: `time.monotonic()` of this process at capture of the reference, for live sources.
        maps: pictures that ride along on request, by name, such as `weights`; see `streamfuse.runtime.maps`.
        radiance: scene-linear R, G, B of BT.709's primaries, (H, W, 3) float32, 1 = diffuse white; on request.
        made_of: the exposures and maps that it was blended from, on its way through a chain that ends in a `Finish`.
    """

    exposures: tuple[int, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)
    captured_at: float | None = None
    maps: Mapping[str, Array] = field(default_factory=dict)
    radiance: Map | None = None
    made_of: WeighedBracket | None = None

    @property
    def captured_unix(self) -> float | None:
        """Unix time of capture of the reference, for logs and other machines; None where `captured_at` is."""
        return wall_clock(self.captured_at)

    @classmethod
    def of_bracket(cls, bracket: Bracket, planes: tuple[Plane, ...], untrusted_share: float) -> FusedFrame:
        """Make the fused picture of a bracket, with the time stamp and the number of its reference.

        Args:
            bracket: what it was made of.
            planes: like those of the reference.
            untrusted_share: share of the pixels of its made exposures that fell back to the reference, 0..1.
        """
        reference = bracket.reference
        pairs = bracket.missing.values()
        others = [frame for pair in pairs for frame in (pair.before, pair.after) if frame is not None]
        return cls(
            planes=planes,
            bits=reference.bits,
            subsampling=reference.subsampling,
            color=reference.color,
            pts=reference.pts,
            time_base=reference.time_base,
            index=reference.index,
            exposures=tuple(sorted({frame.index for frame in (reference, *others)})),
            stats={"untrusted_share": untrusted_share},
            captured_at=reference.captured_at,
        )

    @classmethod
    def of(cls, frame: Frame, planes: tuple[Plane, ...] | None = None) -> FusedFrame:
        """Make a frame of the kind and the time of `frame`: of these planes, or else of its own."""
        kind = frame.bits, frame.subsampling, frame.color, frame.pts, frame.time_base, frame.index
        return cls(planes or frame.planes, *kind, captured_at=frame.captured_at)

    @classmethod
    def from_rgb(cls, picture: Pixels, number: int = 0, rate: Fraction | float = Fraction(25)) -> FusedFrame:
        """Make a frame of an array, so that a sink can write it; its planes are Y'CbCr 4:4:4 of BT.709, or luma alone.

        Args:
            picture: (H, W, 3) R'G'B' or (H, W) luma, full range, uint8 or uint16.
            number: of the frame, from 0: its place in time.
            rate: frames per second.

        Raises:
            UsageError: an array of another kind.

        Example:
            >>> FusedFrame.from_rgb(np.zeros((36, 64, 3), np.uint8), number=2)
            FusedFrame(2, 64x36, 8 bit, pts=2)
        """
        from streamfuse.core.arrays import planes_of

        planes, bits, color = planes_of(picture)
        time_base = 1 / Fraction(rate).limit_denominator(1_001_000)
        return cls(planes, bits, (0, 0), color, number, time_base, number)
