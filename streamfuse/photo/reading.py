"""Photographs with what belongs to them: pixels upright, Exif and colour profile."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from streamfuse.capture.damage import PNG, check_whole
from streamfuse.capture.image_source import natural_key
from streamfuse.core.frame import Pixels
from streamfuse.core.input_file import missing
from streamfuse.errors import InputError
from streamfuse.imaging.coded import PICTURE_SUFFIXES, decoded

Tags = Mapping[int, object]  # Exif: tag -> value; the Exif and GPS directories are mappings themselves

_TIFF = (b"II*\0", b"MM\0*")
_FORMATS = ("JPEG", "PNG", "TIFF")
_ORIENTATION, _EXIF, _GPS, _INTEROP = 0x0112, ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, 0xA005
# What describes the photograph, not its file: description, camera, software, dates, people, resolution, rating.
_KEPT = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))
_BITS, _PHOTOMETRIC, _PLANAR = 258, 262, 284  # of TIFF
_WITH_ALPHA = ("LA", "PA", "RGBA")
_EXTRA, _MULTIPLIED = 338, 1  # of TIFF: what the fourth channel is, and that the others are multiplied by it
_TO_GREY, _TO_RGB = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA", "RGBX")
_RAW = ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".raf", ".rw2", ".orf", ".pef", ".dng", ".srw", ".3fr", ".iiq"


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One photograph.

    Args:
        path: where it was read.
        pixels: upright: its Exif orientation is applied; not multiplied by alpha.
        alpha: (H, W) of the pixels' dtype, 0 = empty; None where the picture is whole.
        tags: Exif without the orientation, the thumbnail, and what describes the file's own layout.
        icc: the colour profile.
    """

    path: Path
    pixels: Pixels
    tags: Tags
    icc: bytes | None
    alpha: Pixels | None = None


def expand_photos(names: Sequence[str | Path]) -> list[Path]:
    """Give the picture files that file names, folders and patterns stand for.

    Raises:
        InputNotFoundError: nothing is there.
        InputError: a folder without pictures.
    """
    return [path for name in names for path in _expand(str(name))]


def _expand(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        found = [file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES]
        if not found:
            raise InputError(f"The folder {path} has no pictures ({', '.join(PICTURE_SUFFIXES)}).")
        return sorted(found, key=natural_key)
    if path.is_file():
        return [path]
    found = [Path(match) for match in glob(name, recursive=True)]  # noqa: PTH207 (absolute patterns)
    if not found:
        raise missing(path, "picture")
    return sorted(found, key=natural_key)


def read_photo(path: Path) -> Photo:
    """Read a JPEG, PNG or TIFF file.

    Raises:
        InputError: the file cannot be read, is damaged, of another kind, or of a colour model that cannot be fused.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"The picture {path} cannot be read: {error.strerror}.") from error
    Image.init()  # so that Pillow knows more than its five commonest formats
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged Exif and large pictures
            check_whole(data)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                tags, orientation = _tags(image)
                icc = image.info.get("icc_profile")
                pixels, upright = _pixels(image, data, path)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has too many pixels for one picture: {error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error) as error:
        if isinstance(error, InputError):
            raise
        if data[:4] in _TIFF:
            _decode(data, path)  # may know what Pillow does not: numbers that are no integers of 8 or 16 bit
        raise _damaged(path) from error
    pixels, alpha = _apart(pixels if upright else _turned(pixels, orientation))
    return Photo(path, pixels, tags, icc, alpha)


def _apart(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """Colour or grey, and alpha where it says anything: two and four channels have one."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels, None
    alpha = pixels[..., -1]
    colour = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    # One that is empty everywhere was never meant as one.
    says = alpha.any() and not (alpha == np.iinfo(alpha.dtype).max).all()
    return colour, alpha if says else None


def _pixels(image: Image.Image, data: bytes, path: Path) -> tuple[Pixels, bool]:
    """Give the pixels, and whether the reader has turned them upright already: Pillow has no 16-bit R'G'B'."""
    if image.format == "TIFF" and not _is_8_bit(image):
        return _deep_tiff(image, data, path), True
    if data[:8] == PNG and data[24] == 16:
        return _decode(data, path), False
    if image.mode not in (*_TO_GREY, *_TO_RGB):
        raise InputError(f"{path} is a {image.mode} picture: convert it to RGB first.")
    mode = "L" if image.mode in _TO_GREY else "RGB"
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        mode = "LA" if mode == "L" else "RGBA"
    # Pillow turns a TIFF as it loads it.
    return np.asarray(image.convert(mode)), image.format == "TIFF"


def _is_8_bit(image: Image.Image) -> bool:
    bits = getattr(image, "tag_v2", {}).get(
        _BITS, 1
    )  # per channel, one number or several; one bit if not told
    return max(bits if isinstance(bits, tuple) else (bits,)) <= 8


def _deep_tiff(image: Image.Image, data: bytes, path: Path) -> Pixels:
    """More than 8 bit, by OpenCV, which takes channels stored apart for rows and white for black."""
    layout = getattr(image, "tag_v2", {})
    if layout.get(_PLANAR) == 2:
        raise InputError(f"{path} stores its channels one after the other: save it as interleaved first.")
    pixels = _decode(data, path)
    extra = layout.get(_EXTRA, 0)
    if (
        pixels.ndim == 3
        and pixels.shape[2] == 4
        and (extra[0] if isinstance(extra, tuple) else extra) == _MULTIPLIED
    ):
        pixels = _divided(pixels)
    return np.invert(pixels) if layout.get(_PHOTOMETRIC) == 0 else pixels


def _divided(pixels: Pixels) -> Pixels:
    """(H, W, 4) with colours as they are where nothing covers them; black where all is empty."""
    top = np.iinfo(pixels.dtype).max
    share = pixels[..., 3:].astype(np.float32) / top
    colour = np.minimum(pixels[..., :3] / np.maximum(share, 1 / top), top)
    return np.concatenate([np.rint(colour).astype(pixels.dtype), pixels[..., 3:]], axis=2)


def _decode(data: bytes, path: Path) -> Pixels:
    pixels = decoded(data, path)
    if pixels is None:
        raise _damaged(path)
    if pixels.ndim == 2:
        return pixels
    return pixels[:, :, [2, 1, 0, 3]] if pixels.shape[2] == 4 else pixels[:, :, ::-1]


def _damaged(path: Path) -> InputError:
    if path.suffix.lower() in _RAW:
        return InputError(
            f"{path} is RAW, which is not read: develop the photographs first, with the same settings for all, and "
            "save them as TIFF of 16 bit."
        )
    return InputError(
        f"{path} is not a JPEG, PNG or TIFF picture that can be read: it is damaged or of another kind."
    )


def _tags(image: Image.Image) -> tuple[dict[int, object], int]:
    """Give what is worth keeping of the Exif data, and the orientation (1..8); nothing where Exif is damaged."""
    try:
        exif = image.getexif()
        tags: dict[int, object] = {tag: exif[tag] for tag in _KEPT if tag in exif}
        for directory in (_EXIF, _GPS):
            values = {tag: value for tag, value in exif.get_ifd(directory).items() if tag != _INTEROP}
            if values:
                tags[int(directory)] = values
        orientation = exif.get(_ORIENTATION, 1)
    except (KeyError, TypeError, ValueError, OSError, SyntaxError, struct.error):
        return {}, 1
    return tags, orientation if orientation in range(1, 9) else 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an Exif orientation."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
