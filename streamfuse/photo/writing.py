"""Photographs with Exif and colour profile: JPEG, PNG and TIFF, 8 and 16 bit.

Pillow writes no R'G'B' of 16 bit, so PNG and TIFF come from OpenCV and get their chunks and tags here.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from streamfuse.core.color import to_8_bit, to_16_bit
from streamfuse.core.frame import Pixels
from streamfuse.core.output_file import check_output_file, is_special, write_bytes_file
from streamfuse.encode import avif, exr
from streamfuse.encode.image_sink import check_format
from streamfuse.errors import OutputError
from streamfuse.imaging.coded import JPEG_SUFFIXES, PICTURE_SUFFIXES, encoded

_MAKER_NOTE, _ICC = 0x927C, 34675
_PIXEL_SIZE = {0xA002: 1, 0xA003: 0}  # Exif's own width and height -> axis of the pixels
_MAX_JPEG_EXIF = 65_000  # a JPEG segment holds 65533 bytes
_TIFF_DEFLATE = 8
_EXTRA, _NOT_MULTIPLIED = 338, 2  # of TIFF: the fourth channel is alpha, and the others are as they are


def check_photo_target(path: Path, bits: int | None, overwrite: bool) -> None:
    """Refuse at the start what could only fail at the end.

    Raises:
        EncoderError: a suffix of no picture that is written here, or a depth that the format does not have.
        OutputExistsError: the file is there and `overwrite` is not set.
        OutputError: no such folder, or no permission.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES and path.exists() and not path.is_dir() and is_special(path):
        raise OutputError(f"{path} is no file but a device or a pipe: name a picture to write.")
    check_format(path, bits, (*exr.LINEAR_SUFFIXES, avif.SUFFIX))
    check_output_file(path, overwrite=overwrite)


def write_photo(
    path: Path,
    pixels: Pixels,
    *,
    tags: Mapping[int, object] | None = None,
    icc: bytes | None = None,
    bits: int | None = None,
    quality: int = 95,
    alpha: Pixels | None = None,
) -> None:
    """Write a picture in one go: the file is complete, or as it was before.

    Args:
        path: its suffix chooses the format.
        pixels: (H, W, 3) R'G'B' or (H, W) grey, uint8 or uint16.
        tags: Exif by tag, directories as mappings; the orientation is written as upright.
        icc: colour profile.
        bits: 8 or 16; the pixels' own if None (JPEG: 8).
        quality: of JPEG, 1..100; its colour is stored at full resolution.
        alpha: (H, W) of the pixels' dtype, 0 = empty; see `holds_alpha`.

    Raises:
        OutputError: no space, no permission ...
        EncoderError: the suffix is of no picture that is written here, or the format cannot hold the picture.
    """
    check_format(path, bits)
    suffix = path.suffix.lower()
    if alpha is not None and holds_alpha(path):
        colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        pixels = np.dstack([colour, alpha])
    if suffix in JPEG_SUFFIXES or bits == 8:
        pixels = to_8_bit(pixels)
    elif bits == 16:
        pixels = to_16_bit(pixels)
    exif = _exif(tags or {}, pixels.shape)
    try:
        if suffix in JPEG_SUFFIXES:
            data = _jpeg(pixels, exif, icc, quality)
        elif suffix == ".png":
            data = _with_chunks(_encode(".png", pixels), exif, icc)
        else:
            options = (cv2.IMWRITE_TIFF_COMPRESSION, _TIFF_DEFLATE)
            data = _with_tags(
                _encode(".tif", pixels, *options), exif, icc, alpha=pixels.ndim == 3 and pixels.shape[2] == 4
            )
    except (cv2.error, OSError, ValueError, struct.error) as error:
        raise OutputError(f"{path} cannot be encoded as {suffix}: {error}") from error
    write_bytes_file(path, data)


def holds_alpha(path: Path) -> bool:
    """Tell whether a file of this name can have transparent parts: PNG and TIFF, not JPEG."""
    return path.suffix.lower() not in JPEG_SUFFIXES


class _Text(str):
    """Exif text, byte for byte: Pillow reads it as Latin-1, whatever it is, and would write ASCII alone."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        """Give the bytes that were read."""
        return super().encode("latin-1", errors)


def _exif(tags: Mapping[int, object], shape: tuple[int, ...]) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in _writable(tags).items():
        exif[tag] = value
    exif[ExifTags.Base.Orientation] = 1
    details = exif.get(ExifTags.IFD.Exif)
    if isinstance(details, dict):
        details.update({tag: shape[axis] for tag, axis in _PIXEL_SIZE.items() if tag in details})
    return exif


def _writable(tags: Mapping[int, object], directory: int | None = None) -> dict[int, object]:
    """Give the tags without those whose value is not of the kind that the tag has: damaged, or a camera's fancy."""
    kept: dict[int, object] = {}
    for tag, found in tags.items():
        if isinstance(found, Mapping):
            kept[tag] = _writable(found, tag)
            continue
        value = _Text(found) if isinstance(found, str) else found
        probe = Image.Exif()
        probe[tag if directory is None else directory] = value if directory is None else {tag: value}
        try:
            probe.tobytes()
        except Exception:  # Pillow raises whatever the conversion raises
            continue
        kept[tag] = value
    return kept


def _jpeg(pixels: Pixels, exif: Image.Exif, icc: bytes | None, quality: int) -> bytes:
    details = exif.get(ExifTags.IFD.Exif)
    if isinstance(details, dict) and len(exif.tobytes()) > _MAX_JPEG_EXIF:
        details.pop(_MAKER_NOTE, None)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        out, "JPEG", quality=quality, subsampling=0, exif=exif, icc_profile=icc
    )
    return out.getvalue()


def _encode(suffix: str, pixels: Pixels, *options: int) -> bytes:
    bgr = pixels
    if pixels.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
        bgr = cv2.cvtColor(np.ascontiguousarray(pixels), order)
    return encoded(suffix, bgr, *options)


def _with_chunks(png: bytes, exif: Image.Exif, icc: bytes | None) -> bytes:
    """Give a PNG with its profile and Exif after the header chunk, where the PNG specification wants them."""
    header = 8 + 25  # signature and IHDR
    chunks = _chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    if icc:
        chunks = _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)) + chunks
    return b"".join([png[:header], chunks, png[header:]])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_tags(tiff: bytes, exif: Image.Exif, icc: bytes | None, *, alpha: bool) -> bytes:
    """Give a little-endian TIFF whose directory is written anew at the end, with the Exif tags in it."""
    (start,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, start)
    added = ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
    for tag, value in exif.items():
        added[tag] = value
    if alpha:
        added.tagtype[_EXTRA] = 3
        added[_EXTRA] = _NOT_MULTIPLIED
    if icc:
        added.tagtype[_ICC] = 7  # undefined: bytes as they are
        added[_ICC] = icc
    entries = {
        struct.unpack_from("<H", tiff, at)[0]: tiff[at : at + 12]
        for at in range(start + 2, start + 2 + 12 * count, 12)
    }
    kept = {tag: entry for tag, entry in entries.items() if tag not in added}
    where = len(tiff) + len(tiff) % 2
    # Values that do not fit an entry lie behind the directory, which is longer by what is kept.
    block = added.tobytes(where + 12 * len(kept))
    body = 2 + 12 * len(added)
    entries = kept | {
        struct.unpack_from("<H", block, at)[0]: block[at : at + 12] for at in range(2, body, 12)
    }
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    padding = b"\0" * (where - len(tiff))
    return b"".join([tiff[:4], struct.pack("<I", where), tiff[8:], padding, directory, block[body:]])
