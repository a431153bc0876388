"""The three Exif tags that matter here: orientation, exposure time, sensitivity (CIPA DC-008, Exif 2.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from streamfuse.core.frame import Exposure

_ORIENTATION, _EXPOSURE_TIME, _ISO, _EXIF_IFD = 0x0112, 0x829A, 0x8827, 0x8769
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_MAX_ENTRIES = 1000


class Exif(NamedTuple):
    """What was found: orientation 1..8 (1 = upright), and the exposure where it is told."""

    orientation: int = 1
    exposure: Exposure | None = None


def read_exif(data: bytes) -> Exif:
    """Read the tags of a JPEG, PNG or TIFF file; where Exif is missing or damaged, the defaults."""
    try:
        block = _tiff_block(data)
        return _read(block) if block else Exif()
    except (struct.error, IndexError, ZeroDivisionError):
        return Exif()


def _tiff_block(data: bytes) -> bytes:
    """Give the TIFF structure that holds the tags."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        return data
    if data[:2] == b"\xff\xd8":
        return _jpeg_app1(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_chunk(data)
    return b""


def _jpeg_app1(data: bytes) -> bytes:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 10 : at + 2 + length]
        at += 2 + length
    return b""


def _png_chunk(data: bytes) -> bytes:
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"eXIf":
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _read(block: bytes) -> Exif:
    order = "<" if block[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", block, 4)
    tags = dict(_entries(block, first, order))
    if _EXIF_IFD in tags:
        tags |= dict(_entries(block, int(tags[_EXIF_IFD]), order))
    orientation = int(tags.get(_ORIENTATION, 1))
    time, iso = tags.get(_EXPOSURE_TIME), tags.get(_ISO)
    exposure = Exposure(time_us=time * 1e6 if time else None, gain=iso / 100 if iso else None)
    return Exif(orientation if 1 <= orientation <= 8 else 1, exposure if time or iso else None)


def _entries(block: bytes, at: int, order: str) -> Iterator[tuple[int, float]]:
    """(tag, first value) of one image file directory, for the types that are needed."""
    (count,) = struct.unpack_from(order + "H", block, at)
    for i in range(min(count, _MAX_ENTRIES)):
        entry = at + 2 + 12 * i
        tag, kind = struct.unpack_from(order + "HH", block, entry)
        if kind == _SHORT:
            yield tag, struct.unpack_from(order + "H", block, entry + 8)[0]
        elif kind == _LONG:
            yield tag, struct.unpack_from(order + "I", block, entry + 8)[0]
        elif kind == _RATIONAL and tag == _EXPOSURE_TIME:
            (where,) = struct.unpack_from(order + "I", block, entry + 8)
            numerator, denominator = struct.unpack_from(order + "II", block, where)
            yield tag, numerator / denominator
