"""JPEGs with a gain map (Ultra HDR, ISO 21496-1): an ordinary picture, and what an HDR screen multiplies it by.

libultrahdr makes them, through the package imagecodecs; it is optional (`pip install "streamfuse[gainmap]"`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamfuse.core.output_file import write_bytes_file
from streamfuse.errors import EncoderError, OutputError, UsageError
from streamfuse.imaging.coded import JPEG_SUFFIXES
from streamfuse.imaging.hdr_transfer import BT709, REFERENCE_WHITE
from streamfuse.photo.still_radiance import PEAK, Merged, rolled_off_light

if TYPE_CHECKING:
    import types


def require_gain_map(path: Path) -> types.ModuleType:
    """Give the package that writes them, or refuse at the start what could only fail at the end.

    Raises:
        UsageError: the output is no JPEG.
        EncoderError: imagecodecs is missing, or was built without libultrahdr.
    """
    if path.suffix.lower() not in JPEG_SUFFIXES:
        raise UsageError(
            f"{path} holds no gain map, a JPEG does: name a .jpg file, or leave --hdr gainmap out."
        )
    try:
        import imagecodecs
    except ImportError as error:
        raise EncoderError(
            f"{path} needs the Python package imagecodecs for its gain map, which does not load ({error}): pip install "
            '"streamfuse[gainmap]", or write an .avif file.'
        ) from error
    if not imagecodecs.ULTRAHDR.available:
        raise EncoderError(
            f"{path} cannot have a gain map: this imagecodecs was built without libultrahdr. Write an .avif file."
        )
    return imagecodecs


def write_gain_map(path: Path, found: Merged, quality: int) -> None:
    """Write a picture in one go: the file is complete, or as it was before.

    libultrahdr brings the light, rolled off to `PEAK` as in AVIF, to an ordinary screen by its own tone map.

    Raises:
        UsageError, EncoderError: as `require_gain_map`.
        OutputError: no space, no permission ...
    """
    codecs = require_gain_map(path)
    height, width = found.radiance.shape[:2]
    light = np.ones((height, width, 4), np.float16)
    for top, nits in rolled_off_light(found, BT709, PEAK):
        light[top : top + len(nits), :, :3] = nits / REFERENCE_WHITE
    try:
        data = codecs.ultrahdr_encode(light, level=quality, gamut=codecs.ULTRAHDR.CG.BT_709, nits=PEAK)
    except (RuntimeError, ValueError) as error:
        raise OutputError(f"{path} cannot be encoded with a gain map: {error}") from error
    write_bytes_file(path, data)
