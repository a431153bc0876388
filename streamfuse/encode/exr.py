"""Pictures of linear light: OpenEXR in half float, and Radiance .hdr."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.core.output_file import replacing, write_bytes_file
from streamfuse.errors import EncoderError, OutputError
from streamfuse.imaging.coded import encoded
from streamfuse.imaging.hdr_transfer import BT709, CHROMATICITIES, D65, REFERENCE_WHITE

LINEAR_SUFFIXES = (".exr", ".hdr")
_MAX_HALF = 65504.0


def write_linear(path: Path, radiance: Map) -> None:
    """Write a picture in one go: the file is complete, or as it was before.

    The header of an EXR names the primaries (BT.709) and the luminance of diffuse white. RGBE holds nothing below 0.

    Args:
        path: its suffix chooses the format.
        radiance: (H, W, 3) float32 linear R, G, B, 1 = diffuse white.

    Raises:
        EncoderError: the package OpenEXR is missing.
        OutputError: no space, no permission ...
    """
    if path.suffix.lower() == ".exr":
        _write_exr(path, radiance)
        return
    write_bytes_file(path, encoded(".hdr", np.maximum(radiance, np.float32(0))[..., ::-1]))


def require(path: Path) -> None:
    """Refuse at the start what could only fail with the first picture.

    Raises:
        EncoderError: the package OpenEXR is missing.
    """
    if path.suffix.lower() == ".exr":
        try:
            import OpenEXR  # noqa: F401
        except ImportError as error:
            raise EncoderError(
                f"{path} needs the Python package OpenEXR, which does not load ({error}): pip install OpenEXR, or "
                "write .hdr pictures."
            ) from error


def _write_exr(path: Path, radiance: Map) -> None:
    require(path)
    import OpenEXR

    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "chromaticities": tuple(value for xy in (*CHROMATICITIES[BT709], D65) for value in xy),
        "whiteLuminance": REFERENCE_WHITE,
    }
    pixels = np.ascontiguousarray(np.minimum(radiance, np.float32(_MAX_HALF)), np.float16)
    with replacing(path) as part:
        try:
            with OpenEXR.File(header, {"RGB": pixels}) as file:
                file.write(str(part))
        except RuntimeError as error:
            raise OutputError(
                f"{path} cannot be written ({error}): free space or choose another folder."
            ) from error
