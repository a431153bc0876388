"""Pictures of scene light coded for grading: ACEScct in 16 bit, as PNG and TIFF that say so."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from streamfuse.core.frame import Map, Pixels
from streamfuse.core.output_file import write_bytes_file
from streamfuse.errors import EncoderError
from streamfuse.imaging import aces
from streamfuse.imaging.coded import TIFF_SUFFIXES, encoded
from streamfuse.imaging.hdr_transfer import BT709

LOG_SUFFIXES = (".png", *TIFF_SUFFIXES)
DESCRIPTION = (
    "ACEScct (Academy S-2016-001), ACES AP1 primaries, full range 0-65535; linear 1.0 is diffuse white"
)
_TOP = 65535
_HEADER = 8 + 25  # of PNG: signature and IHDR


def write_log(path: Path, radiance: Map) -> None:
    """Write a picture in one go: the file is complete, or as it was before.

    A TIFF says in its ImageDescription how it is coded, and a PNG in a tEXt chunk "Description".

    Args:
        path: its suffix, one of `LOG_SUFFIXES`, chooses the format.
        radiance: (H, W, 3) float32 linear R, G, B of BT.709's primaries, 1 = diffuse white.

    Raises:
        OutputError: no space, no permission ...
    """
    codes = log_codes(radiance)
    write_bytes_file(path, _png(codes) if path.suffix.lower() == ".png" else _tiff(codes))


def require_log(path: Path) -> None:
    """Refuse at the start what could only fail with the first picture.

    Raises:
        EncoderError: a suffix of another kind of file.
    """
    if path.suffix.lower() not in LOG_SUFFIXES:
        raise EncoderError(
            f"{path} cannot hold ACEScct: name a .tif or .png file, as in log_%05d.tif of a film."
        )


def log_codes(radiance: Map) -> Pixels:
    """(H, W, 3) uint16 code values of `write_log`: R, G and B of AP1, 65535 being a signal of 1."""
    light = np.asarray(cv2.transform(radiance, aces.to_ap1(BT709)), np.float32)
    signal = np.clip(aces.acescct_encode(light), 0, 1)
    return np.asarray(signal * np.float32(_TOP) + np.float32(0.5), np.uint16)


def _png(codes: Pixels) -> bytes:
    png, kind = encoded(".png", codes[..., ::-1]), b"tEXt"
    body = b"Description\0" + DESCRIPTION.encode("latin-1")
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:_HEADER] + chunk + png[_HEADER:]


def _tiff(codes: Pixels) -> bytes:
    """Give a little-endian TIFF of one strip, as it is: what is read while grading is not compressed."""
    height, width, channels = codes.shape
    pixels = codes.astype("<u2").tobytes()
    tags = {
        Tag.ImageWidth: width, Tag.ImageLength: height, Tag.BitsPerSample: (16,) * channels,
        Tag.SamplesPerPixel: channels, Tag.Compression: 1, Tag.PhotometricInterpretation: 2,
        Tag.PlanarConfiguration: 1, Tag.StripOffsets: 0, Tag.RowsPerStrip: height, Tag.StripByteCounts: len(pixels),
        Tag.ImageDescription: DESCRIPTION, Tag.Software: "streamfuse",
    }  # fmt: skip
    directory = ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
    for tag, value in tags.items():
        directory[tag] = value
    # Pillow adds the place behind the directory, where the strip is to lie, to its offset.
    return b"II*\0" + struct.pack("<I", 8) + directory.tobytes(8) + pixels
