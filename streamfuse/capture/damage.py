"""Whether a picture file is whole: decoders make up what they cannot read, and do not say so."""

from __future__ import annotations

import io
import struct

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
_SCAN, _END = 0xDA, 0xD9
_RESTARTS = range(0xD0, 0xD8)
_LONE = (0x01, 0xD8, *_RESTARTS)  # markers without a length
_TABLES = (0xC4, 0xCC, 0xDB, 0xDD, 0xDA, 0xDC, 0xFE, *range(0xE0, 0xF0))  # what may come between two scans


def check_whole(data: bytes) -> None:
    """Look for damage in a PNG (its checksums) or a JPEG (its structure); others pass.

    Raises:
        ValueError, OSError, SyntaxError: it is damaged.
    """
    if data[:8] == PNG:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.verify()
    elif data[:2] == b"\xff\xd8":
        _check_jpeg(data)


def _check_jpeg(data: bytes) -> None:
    """ITU-T T.81, annex B: segments and scans up to the end marker. Coded data hold no marker but restarts."""
    at = 2
    try:
        while (marker := data[at + 1]) != _END:
            if data[at] != 0xFF:
                raise ValueError("no marker where one has to be")
            if marker == 0xFF:  # padding
                at += 1
            elif marker in _LONE:
                at += 2
            else:
                at += 2 + struct.unpack_from(">H", data, at + 2)[0]
                if marker == _SCAN:
                    at = _after_scan(data, at)
    except (IndexError, struct.error) as error:
        raise ValueError("it has no end") from error


def _after_scan(data: bytes, at: int) -> int:
    """Tell where the marker lies that ends the coded data from `at` on."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise ValueError("it has no end")
        following = data[at + 1]
        if following == _END or following in _TABLES:
            return at
        if following not in (0, 0xFF) and following not in _RESTARTS:
            raise ValueError("a marker that cannot be there")
        at += 1 if following == 0xFF else 2
