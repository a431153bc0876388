"""Photographs: arrays in and out, and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamfuse.capture.open import open_source
from streamfuse.color import planes_to_rgb, rgb_to_planes
from streamfuse.encode.open import open_sink
from streamfuse.errors import InputError, UsageError
from streamfuse.frame import ColorInfo, Frame, FusedFrame
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.stage import fuse_planes

Picture = npt.NDArray[Any]  # (H, W, 3) R'G'B' or (H, W) luma; uint8 or uint16

# Inside, pictures are 16-bit Y'CbCr 4:4:4: converting costs less than half a code value of 8 bits.
_BITS = 16
_SUBSAMPLING = (0, 0)
_COLOR = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=True)


class Fuser:
    """Fuses 2..N pictures of one instant.

    Args:
        preset: fast, balanced or best; chooses the network.
        fuser: lcndr, lcndr-s, lcndr-xs, mertens, or a .safetensors file; overrides the preset's.
        device: auto, cpu, cuda or cuda:i.

    Raises:
        UsageError, WeightsError, DeviceError: as the message says.

    Example:
        >>> fuser = Fuser(preset="balanced")  # doctest: +SKIP
        >>> fused = fuser([dark, middle, bright])  # doctest: +SKIP
    """

    def __init__(self, preset: str = "best", device: str = "auto", *, fuser: str | None = None) -> None:
        self._fuser = create_fuser(fuser, preset=preset, device=device)

    def __call__(self, pictures: Sequence[Picture]) -> Picture:
        """Fuse pictures, in any order.

        Args:
            pictures: N >= 2 of one size and dtype: (H, W, 3) R'G'B' or (H, W) luma, uint8 or uint16, full range.

        Returns:
            One picture of the same shape and dtype.

        Raises:
            UsageError: fewer than two, or of different shape or dtype.
        """
        _check(pictures)
        exposures = [_to_planes(p) for p in pictures]
        planes = fuse_planes(self._fuser, exposures, _BITS, _COLOR)
        wide = planes[0] if len(planes) == 1 else planes_to_rgb(planes, _BITS, _SUBSAMPLING, _COLOR)
        if pictures[0].dtype == np.uint16:
            return wide
        return ((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)


def fuse_pair(
    under: Picture, over: Picture, *, preset: str = "best", device: str = "auto", fuser: str | None = None
) -> Picture:
    """Fuse an under- and an over-exposed picture; see `Fuser` for the arguments.

    Example:
        >>> import numpy as np
        >>> ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
        >>> fused = fuse_pair(ramp // 4, ramp)
        >>> fused.shape, fused.dtype
        ((64, 64), dtype('uint8'))
    """
    return Fuser(preset, device, fuser=fuser)([under, over])


def _check(pictures: Sequence[Picture]) -> None:
    if len(pictures) < 2:
        raise UsageError(f"Fusion needs at least two pictures, got {len(pictures)}.")
    first = pictures[0]
    for picture in pictures:
        if picture.shape != first.shape or picture.dtype != first.dtype:
            kinds = ", ".join(f"{p.shape} {p.dtype}" for p in pictures)
            raise UsageError(f"All pictures must have one shape and dtype, got {kinds}.")
    grey_or_rgb = first.ndim == 2 or (first.ndim == 3 and first.shape[2] == 3)
    if not grey_or_rgb or first.size == 0 or first.dtype not in (np.uint8, np.uint16):
        raise UsageError(
            f"Pictures must be (H, W, 3) or (H, W), uint8 or uint16, got {first.shape} {first.dtype}."
        )


def _to_planes(picture: Picture) -> tuple[Picture, ...]:
    wide = picture.astype(np.uint16) * np.uint16(257) if picture.dtype == np.uint8 else picture
    if wide.ndim == 2:
        return (wide,)
    return rgb_to_planes(wide, bits=_BITS, subsampling=_SUBSAMPLING, color=_COLOR)


@dataclass(frozen=True, slots=True)
class StillSummary:
    """What `streamfuse still` did."""

    frames_in: int
    fuser: str
    device: str
    outputs: tuple[str, ...]


def fuse_stills(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    preset: str = "best",
    fuser: str | None = None,
    device: str = "auto",
    bits: int | None = None,
    overwrite: bool = False,
) -> StillSummary:
    """Fuse photographs of one scene, in any order, into one picture file.

    Args:
        inputs: 2..N image files, a folder or a glob.
        output: a picture file.
        preset, fuser, device: as `Fuser`.
        bits: depth of the output; the input's if None.
        overwrite: replace an existing file.

    Raises:
        StreamfuseError: as the message says.
    """
    source = open_source([str(p) for p in inputs])
    try:
        frames: list[Frame] = list(source)
        if len(frames) < 2:
            raise InputError(
                f"{source.info.name} holds {len(frames)} picture; fusion needs at least two exposures."
            )
        engine = create_fuser(fuser, preset=preset, device=device)
        sink = open_sink(output, source.info, bits=bits, overwrite=overwrite)
    finally:
        source.close()
    first = frames[0]
    try:
        planes = fuse_planes(engine, [f.planes for f in frames], first.bits, first.color)
        sink.write(
            FusedFrame(
                planes,
                first.bits,
                first.subsampling,
                first.color,
                0,
                Fraction(1, 25),
                0,
                exposures=tuple(f.index for f in frames),
            )
        )
    finally:
        sink.close()
    return StillSummary(len(frames), engine.name, engine.device, tuple(sink.outputs))
