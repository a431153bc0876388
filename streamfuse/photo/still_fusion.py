"""Photographs: arrays in and out, and files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np

from streamfuse.core.arrays import checked_pictures
from streamfuse.core.color import planes_to_rgb, rgb_to_planes, to_8_bit, to_16_bit
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Pixels
from streamfuse.encode import avif, exr, log_picture
from streamfuse.errors import InputError, UsageError
from streamfuse.fusion import strips
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.threads import cpus
from streamfuse.imaging.coded import JPEG_SUFFIXES
from streamfuse.imaging.tensors import fused_tensor, is_tensor
from streamfuse.imaging.transparency import common, filled
from streamfuse.look.dither import SIDE, for_planes
from streamfuse.look.look import Look
from streamfuse.look.stage import Grader
from streamfuse.photo import gain_map, still_radiance
from streamfuse.photo.aligned import Align, brought_together
from streamfuse.photo.reading import Photo, expand_photos, read_photo
from streamfuse.photo.writing import check_photo_target, holds_alpha, write_photo

if TYPE_CHECKING:
    from torch import Tensor


# Inside, pictures are 16-bit Y'CbCr 4:4:4: converting costs less than half a code value of 8 bits.
_BITS = 16
_SUBSAMPLING = (0, 0)
# The Y'CbCr of JPEG files, and the luma that the networks were trained on: BT.601, full range.
_COLOR = ColorInfo(matrix=6, primaries=1, transfer=1, full_range=True)
_ROWS = 256  # lines of a graded picture that become R'G'B' at once; whole patterns of thresholds


class Fuser:
    """Fuses 2..N pictures of one instant; the preset is `best` unless it is named.

    Args:
        preset: fast, balanced or best; chooses the network.
        fuser: lcndr, lcndr-s, lcndr-xs, mertens, a .safetensors file, or one of another package; overrides the preset.
        device: auto, cpu, cuda or cuda:i.
        threads: of torch and OpenCV, 1 or more; half of the CPUs if None, or fewer if they were limited before. Of a
            large picture, that many parts are made at a time; as many as there are CPUs if None.
        look: how the fused picture is graded: a `Look`, or the name of one; None: not at all.

    Raises:
        UsageError, WeightsError, DeviceError, InputNotFoundError: as the message says.

    Example:
        >>> scene = np.linspace(0, 0.5, 64 * 48 * 3).reshape(48, 64, 3)
        >>> dark, middle, bright = ((scene * gain * 255).astype(np.uint8) for gain in (0.25, 1.0, 1.9))
        >>> fuser = Fuser(preset="balanced")
        >>> fuser([dark, middle, bright]).shape
        (48, 64, 3)
    """

    def __init__(
        self,
        preset: str = "best",
        device: str = "auto",
        *,
        fuser: str | None = None,
        threads: int | None = None,
        look: Look | str | None = None,
    ) -> None:
        self._fuser = create_fuser(fuser, preset=preset, device=device, threads=threads)
        self._strips = partial(strips.fuse_strips, self._fuser, workers=threads or cpus())
        wanted = Look.named(look) if isinstance(look, str) else look or Look()
        self._grade = Grader(wanted) if wanted.active else None

    @overload
    def __call__(self, pictures: Sequence[Pixels]) -> Pixels: ...
    @overload
    def __call__(self, pictures: Tensor) -> Tensor: ...
    def __call__(self, pictures: Sequence[Pixels] | Tensor) -> Pixels | Tensor:
        """Fuse pictures, in any order.

        Args:
            pictures: N >= 2 of one size and dtype: (H, W, 3) R'G'B' or (H, W) luma, uint8 or uint16, full range. Or
                one torch tensor (N, C, H, W), or a batch (B, N, C, H, W), of 3 channels or 1: uint8, or floating
                point in 0..1.

        Returns:
            One picture of the same shape and dtype; of a tensor (C, H, W) or (B, C, H, W), on its device.

        Raises:
            UsageError: fewer than two, or of different shape or dtype.
        """
        if is_tensor(pictures):
            return fused_tensor(pictures, self._fused)
        return self._fused(pictures)

    def _fused(self, given: object) -> Pixels:
        pictures = checked_pictures(given)
        first = pictures[0]
        fused = np.empty_like(first, order="C")
        readers = [partial(_lines_of, picture) for picture in pictures]
        made = self._strips(readers, first.shape[:2], _BITS, _COLOR)
        if self._grade is not None:
            whole = tuple(np.empty(first.shape[:2], np.uint16) for _ in range(3 if first.ndim == 3 else 1))
            for top, planes in made:
                for plane, part in zip(whole, planes, strict=True):
                    plane[top : top + len(part)] = part
            return _graded(self._grade(whole, _BITS, _SUBSAMPLING, _COLOR), fused)
        for top, planes in made:
            wide = planes[0] if len(planes) == 1 else planes_to_rgb(planes, _BITS, _SUBSAMPLING, _COLOR)
            fused[top : top + len(wide)] = wide if first.dtype == np.uint16 else to_8_bit(wide)
        return fused

    @property
    def name(self) -> str:
        """Give the network, or `mertens`."""
        return self._fuser.name

    @property
    def device(self) -> str:
        """Tell where the network runs."""
        return self._fuser.device


def fuse_pair(
    under: Pixels,
    over: Pixels,
    *,
    preset: str = "best",
    device: str = "auto",
    fuser: str | None = None,
    threads: int | None = None,
    look: Look | str | None = None,
) -> Pixels:
    """Fuse an under- and an over-exposed picture; see `Fuser` for the arguments, of which `preset` is `best`, too.

    Example:
        >>> import numpy as np
        >>> ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
        >>> fused = fuse_pair(ramp // 4, ramp)
        >>> fused.shape, fused.dtype
        ((64, 64), dtype('uint8'))
    """
    return Fuser(preset, device, fuser=fuser, threads=threads, look=look)([under, over])


def _lines_of(picture: Pixels, first: int, end: int) -> tuple[Pixels, ...]:
    lines = picture[first:end]
    if lines.ndim == 3:
        return rgb_to_planes(lines, bits=_BITS, subsampling=_SUBSAMPLING, color=_COLOR)
    return (np.ascontiguousarray(to_16_bit(lines)),)


def _graded(planes: tuple[Pixels, ...], out: Pixels) -> Pixels:
    """Fill a picture from 16-bit planes; 8 bit by thresholds, so that a smooth gradient shows no bands."""
    height, width = out.shape[:2]
    for top in range(0, height, _ROWS):
        lines = tuple(plane[top : top + _ROWS] for plane in planes)
        wide = lines[0] if len(lines) == 1 else planes_to_rgb(lines, _BITS, _SUBSAMPLING, _COLOR)
        if out.dtype == np.uint8:
            tiled = np.tile(for_planes(width)[0], (_ROWS // SIDE, 1))[: len(wide), :width]
            wide = np.floor(wide / np.float32(257) + tiled.reshape(*tiled.shape, *[1] * (wide.ndim - 2)))
        out[top : top + _ROWS] = wide
    return out


@dataclass(frozen=True, slots=True)
class StillSummary:
    """What `streamfuse still` did.

    Args:
        frames_in: photographs.
        fuser, device: what fused, and where.
        align: off, global or flow: what was done.
        moved: photographs that were resampled by `align="auto"`.
        moved_pixels: by how much the picture moved at most, where that was measured.
        width, height, bits: of the output.
        outputs: files written.
        notes: what was found and done, a sentence each.
        warnings: what could not be kept, a sentence each.
    """

    frames_in: int
    fuser: str
    device: str
    align: str
    moved: int
    moved_pixels: float
    width: int
    height: int
    bits: int
    outputs: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def fuse_stills(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    preset: str = "best",
    fuser: str | None = None,
    device: str = "auto",
    align: Align = "auto",
    bits: int | None = None,
    quality: int = 95,
    overwrite: bool = False,
    look: Look | str | None = None,
    white: float | None = None,
    hdr: Literal["gainmap", "log"] | None = None,
) -> StillSummary:
    """Fuse photographs of one scene, in any order, into one picture file.

    Exif (orientation applied, thumbnail left out) and colour profile are those of the first photograph that has them.
    Transparency is kept in PNG and TIFF: the output is empty where one of the photographs is.
    With LCNDR and without alignment memory grows by the pictures themselves only: 50 megapixels fit in 2 GB.

    Args:
        inputs: 2..N JPEG, PNG or TIFF files of one size and depth, a folder or a pattern.
        output: a JPEG, PNG or TIFF file; or .exr, .hdr or .avif (in PQ): the exposures are then merged into light, and
            no network fuses them.
        preset, fuser, device: as `Fuser`.
        align: "auto" measures by how much the camera moved between the photographs, and brings those that lie more
            than half a pixel off to the best exposed one, the others are not touched; "global" and "flow" do it to
            all, "off" to none. On a tripod resampling costs a little sharpness (measured: up to 0.002 of MEF-SSIM for
            global, 0.013 for flow), and it holds whole pictures (3.5 GB for two of 50 megapixels).
        bits: depth of the output, 8 or 16; the input's if None (JPEG: 8).
        quality: of JPEG, 1..100.
        overwrite: replace an existing file.
        look: as `Fuser`.
        hdr: "gainmap": a JPEG that HDR screens show as such; "log": a PNG or TIFF in ACEScct. The exposures are merged
            into light, too.
        white: of linear light: how many EV diffuse white lies below what clips in the darkest exposure; if None, as
            makes the picture of usual brightness.

    Raises:
        StreamfuseError: as the message says.
    """
    if align not in get_args(Align):
        raise UsageError(f"There is no alignment {align!r}; choose from {', '.join(get_args(Align))}.")
    target = Path(output)
    if hdr == "log":
        log_picture.require_log(target)
    elif hdr is not None:
        gain_map.require_gain_map(target)
    if hdr is not None or target.suffix.lower() in (*exr.LINEAR_SUFFIXES, avif.SUFFIX):
        still_radiance.refuse_fuser(fuser, bits)
        if look is not None and (Look.named(look) if isinstance(look, str) else look).active:
            raise UsageError(
                f"A look is of pictures for ordinary screens and {target} holds the light of the scene: leave it out."
            )
        return _merge_stills(inputs, target, align, white, overwrite, quality)
    if white is not None:
        raise UsageError(
            "--white is for linear light: leave it out, name an .exr, .hdr or .avif file, or add --hdr gainmap."
        )
    check_photo_target(target, bits, overwrite)
    paths = expand_photos(inputs)
    _refuse_input(target, paths)
    if len(paths) < 2:
        raise UsageError(
            f"{paths[0]} is one file, and fusion needs at least two photographs: name the others, too (a film is "
            "fused by `streamfuse fuse`)."
        )
    pool = ThreadPoolExecutor(1, "network")  # with torch it takes longer to load than photographs to be read
    loading = pool.submit(Fuser, preset, device, fuser=fuser, look=look)
    pool.shutdown(wait=False)
    photos = [read_photo(path) for path in paths]
    _check_alike(photos)
    alphas = [photo.alpha for photo in photos]
    pictures = [
        photo.pixels if photo.alpha is None else filled(photo.pixels, photo.alpha) for photo in photos
    ]
    given = [id(picture) for picture in pictures]
    tags = next((photo.tags for photo in photos if photo.tags), {})
    icc = next((photo.icc for photo in photos if photo.icc), None)
    del photos
    aligned = brought_together(pictures, [str(path) for path in paths], align)
    pictures = aligned.pictures
    if align == "auto":
        # What was moved has the best exposed one in its empty parts.
        kept = {id(picture) for picture in pictures}
        alphas = [alpha for name, alpha in zip(given, alphas, strict=True) if name in kept]
    engine = loading.result()
    fused = engine(pictures)
    pictures.clear()  # out of memory, before the result is written
    alpha = common(alphas)
    warnings = list(aligned.warnings)
    if alpha is not None and not holds_alpha(target):
        warnings.append(
            f"{target} cannot hold the transparency (alpha) of the photographs: what is empty in them is filled there "
            "(PNG and TIFF keep it)."
        )
    write_photo(target, fused, tags=tags, icc=icc, bits=bits, quality=quality, alpha=alpha)
    height, width = fused.shape[:2]
    depth = bits or (8 if target.suffix.lower() in (".jpg", ".jpeg") else 8 * fused.dtype.itemsize)
    return StillSummary(
        len(paths), engine.name, engine.device, aligned.mode, aligned.moved, aligned.pixels, width, height, depth,
        (str(target),), aligned.notes, tuple(warnings),
    )  # fmt: skip


def _merge_stills(
    inputs: Sequence[str | Path],
    target: Path,
    align: Align,
    white: float | None,
    overwrite: bool,
    quality: int,
) -> StillSummary:
    """`fuse_stills` into linear light; JPEGs have a gain map."""
    photos = still_radiance.read_darkest_first(inputs, target, overwrite)
    _refuse_input(target, [photo.path for photo in photos])
    _check_alike(photos)
    icc = next((photo.icc for photo in photos if photo.icc), None)
    primaries = still_radiance.primaries_of(icc)
    warnings = []
    if primaries is None:
        warnings.append(
            f"The colour profile of {photos[0].path} is not known here: its colours are taken for those of sRGB."
        )
    if any(photo.alpha is not None for photo in photos):
        warnings.append(
            f"{target} cannot hold the transparency (alpha) of the photographs: they are merged whole."
        )
    aligned = brought_together(
        [photo.pixels for photo in photos], [str(photo.path) for photo in photos], align
    )
    warnings += aligned.warnings
    exposures = still_radiance.exif_exposures(photos)
    count = len(photos)
    del photos
    found = still_radiance.merge_pictures(aligned.pictures, exposures, white, primaries or 1)
    if target.suffix.lower() == avif.SUFFIX:
        avif.write_avif(target, still_radiance.pq_planes(found), still_radiance.PQ)
    elif target.suffix.lower() in JPEG_SUFFIXES:
        gain_map.write_gain_map(target, found, quality)
    elif target.suffix.lower() in log_picture.LOG_SUFFIXES:
        log_picture.write_log(target, found.radiance)
    else:
        exr.write_linear(target, found.radiance)
    if found.taken_for:
        which = ", ".join(map(str, found.taken_for))
        warnings.append(
            "Counted from the darkest, these photographs show too little of what the one before shows to tell how "
            f"much more light they took: {which}. {still_radiance.MOST_EV:g} EV are assumed. Give files whose Exif "
            "tells the exposure, or more exposures between."
        )
    height, width = found.radiance.shape[:2]
    gaps = ", ".join(f"{gap:.1f}" for gap in found.gaps_ev)
    note = (
        f"Exposures at {gaps} EV ({'as Exif tells' if found.told else 'measured'}); 1.0 in the file is white paper, "
        f"{found.white_ev:g} EV below where the darkest exposure clips (--white changes it)."
    )
    return StillSummary(
        count, "radiance", "cpu", aligned.mode, aligned.moved, aligned.pixels, width, height, 16, (str(target),),
        (*aligned.notes, note), tuple(warnings),
    )  # fmt: skip


def _refuse_input(target: Path, paths: Sequence[Path]) -> None:
    for path in paths:
        if target.exists() and path.samefile(target):
            raise UsageError(f"{target} is one of the exposures; name another output.")


def _check_alike(photos: Sequence[Photo]) -> None:
    first = photos[0]
    for photo in photos[1:]:
        if photo.pixels.shape[:2] != first.pixels.shape[:2]:
            raise InputError(
                f"{photo.path} is {_size(photo)} and {first.path} is {_size(first)}: "
                "all pictures must have one size."
            )
        if photo.pixels.dtype != first.pixels.dtype:
            raise InputError(
                f"{photo.path} has {8 * photo.pixels.itemsize} bit and {first.path} has "
                f"{8 * first.pixels.itemsize} bit: all pictures must have one depth."
            )
        if photo.pixels.ndim != first.pixels.ndim:
            raise InputError(
                f"One of {photo.path} and {first.path} is grey and the other in colour: save both alike."
            )
    with_profile = [photo for photo in photos if photo.icc]
    for photo in with_profile[1:]:
        if photo.icc != with_profile[0].icc:
            raise InputError(
                f"{photo.path} and {with_profile[0].path} have different colour profiles: convert them to one first."
            )


def _size(photo: Photo) -> str:
    return f"{photo.pixels.shape[1]}x{photo.pixels.shape[0]}"
