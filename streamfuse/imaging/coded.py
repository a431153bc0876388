"""Pictures as the bytes of a file and back, by OpenCV: the one place for JPEG, PNG, TIFF and Radiance."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamfuse.core.frame import Map, Pixels
from streamfuse.errors import EncoderError, InputError

JPEG_SUFFIXES = (".jpg", ".jpeg")
TIFF_SUFFIXES = (".tif", ".tiff")
PICTURE_SUFFIXES = (*JPEG_SUFFIXES, ".png", *TIFF_SUFFIXES)
"""Of the photographs that are read, and of the fused pictures that are written."""


def is_picture(name: str) -> bool:
    """Tell whether this names one photograph, and not a numbered sequence."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES and "%" not in name


def encoded(kind: str, picture: Pixels | Map, *options: int) -> bytes:
    """Encode a picture.

    Args:
        kind: .jpg, .png, .tif or .hdr.
        picture: (H, W) grey, (H, W, 3) B'G'R' or (H, W, 4) with alpha, of a dtype that the kind has.
        options: names and values in turns, as OpenCV has them.

    Raises:
        EncoderError: the kind cannot hold such a picture.
    """
    try:
        done, data = cv2.imencode(kind, np.ascontiguousarray(picture), options)
    except cv2.error as error:
        raise EncoderError(f"A picture cannot be encoded as {kind}: {error}") from error
    if not done:
        raise EncoderError(f"A picture cannot be encoded as {kind}: the encoder gave nothing.")
    return bytes(data.data)


def jpeg(picture: Pixels, quality: int) -> bytes:
    """Encode a picture of 8 bit as JPEG (4:2:0), as `encoded`; `quality`: 1..100."""
    return encoded(".jpg", picture, cv2.IMWRITE_JPEG_QUALITY, quality)


def decoded(data: bytes, path: Path) -> Pixels | None:
    """Decode a picture file without turning it: (H, W), (H, W, 3) B'G'R' or (H, W, 4); None where it is damaged.

    Args:
        data: what the file holds.
        path: where it stood, for messages.

    Raises:
        InputError: its values are no integers of 8 or 16 bit.
    """
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if pixels is not None and pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path} holds {pixels.dtype} values: save it as 8 or 16 bit integers first.")
    return pixels
