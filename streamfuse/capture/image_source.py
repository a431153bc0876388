"""Folders, globs and lists of photographs, one frame each, in the order of the exposures.

A JPEG keeps its own Y'CbCr planes. PNG and TIFF become full-range BT.709 4:4:4 of their own depth (8 or 16
bit): going back to R'G'B' differs from the file by one code value at most, at half the memory and time of
16-bit planes for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from streamfuse.capture.avframe import SRGB, DecodedPicture, picture_of, picture_of_rgb
from streamfuse.capture.exif import read_exif
from streamfuse.core.frame import Exposure, Frame, Plane
from streamfuse.core.input_file import missing
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.core.reports import SourceReport
from streamfuse.errors import InputError
from streamfuse.imaging.coded import decoded

_JPEG = b"\xff\xd8"


class ImageSequenceSource(Source):
    """Images as frames at a constant rate.

    Args:
        paths: the files, in the order in which they were taken.
        rate: frames per second that they stand for.
        frames: (first, end) numbers of the images to use, end excluded; None leaves a side open.

    Attributes:
        info: what is known before the first frame.
        warnings: what is not kept, a sentence each.

    Raises:
        InputNotFoundError: a file is not there.
        InputError: no images; an image (named) that cannot be read, or whose size or depth differs from the
            first's.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        rate: Fraction = Fraction(25),
        *,
        frames: tuple[int | None, int | None] | None = None,
    ) -> None:
        first, end = frames or (None, None)
        chosen = list(enumerate(Path(path) for path in paths))[first or 0 : end]
        if not chosen:
            raise InputError("There is no image to read: give at least one JPEG, PNG or TIFF file.")
        for _, path in chosen:
            if not path.is_file():
                raise missing(path, "image")
        self._pending = iter(chosen)
        self._first = chosen[0][1]
        self._closed = False
        head, _ = read_image(self._first)
        self.warnings = [alpha_lost(str(self._first))] if _has_alpha(self._first) else []
        height, width = head.planes[0].shape
        self.info = SourceInfo(
            name=f"{self._first} ..." if len(chosen) > 1 else str(self._first),
            width=width,
            height=height,
            bits=head.bits,
            subsampling=head.subsampling,
            color=head.color,
            time_base=1 / rate,
            rate=rate,
            frame_count=len(chosen),
            has_chroma=len(head.planes) == 3,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Each image once."""
        for index, path in self._pending:
            if self._closed:
                return
            picture, exposure = read_image(path)
            self._check(path, picture)
            yield Frame(*picture, pts=index, time_base=self.info.time_base, index=index, exposure=exposure)

    def report(self) -> SourceReport:
        """Tell what is left out of the images."""
        return SourceReport(tuple(self.warnings))

    def close(self) -> None:
        """Stop before the next image."""
        self._closed = True

    def _check(self, path: Path, picture: DecodedPicture) -> None:
        """Every image must be like the first one."""
        info = self.info
        height, width = picture.planes[0].shape
        if (width, height) != (info.width, info.height):
            raise InputError(
                f"{path} is {width}x{height} and {self._first} is {info.width}x{info.height}: "
                "all images of a sequence must have one size."
            )
        if picture.bits != info.bits:
            raise InputError(
                f"{path} has {picture.bits} bit and {self._first} has {info.bits} bit: "
                "all images of a sequence must have one depth."
            )
        if (len(picture.planes) == 3) != info.has_chroma or picture.subsampling != info.subsampling:
            raise InputError(
                f"{path} and {self._first} store colour differently (grey, or another chroma subsampling): "
                "save all images of a sequence in the same way."
            )


def read_image(path: Path) -> tuple[DecodedPicture, Exposure | None]:
    """Read one image, upright, with its exposure where Exif tells it.

    Raises:
        InputError: the file cannot be read, is damaged, or holds neither 8- nor 16-bit integers.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"The image {path} cannot be read: {error.strerror}.") from error
    exif = read_exif(data)
    picture = _decode_jpeg(data, path) if data[:2] == _JPEG else None
    if picture is None:
        picture = _decode_pixels(data, path)
    # OpenCV turns TIFF files by itself.
    orientation = 1 if path.suffix.lower() in (".tif", ".tiff") else exif.orientation
    return _oriented(picture, orientation), exif.exposure


def alpha_lost(name: str) -> str:
    """Give the sentence on a film with alpha."""
    return (
        f"{name} has an alpha channel, which a fused film does not keep: what is empty shows as it is stored."
    )


def _has_alpha(path: Path) -> bool:
    """Tell whether a part of an image is transparent."""
    try:
        with Image.open(path) as image:
            there = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
            return there and bool(np.asarray(image.convert("RGBA").getchannel("A")).min() < 255)
    except (OSError, ValueError, SyntaxError):
        return False  # what Pillow does not know


def natural_key(path: Path) -> tuple[object, ...]:
    """Sort key that puts img2 before img10."""
    parts = re.split(r"(\d+)", str(path))
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts))


def _decode_jpeg(data: bytes, path: Path) -> DecodedPicture | None:
    """Give the planes as they are in the file; None for a colour model other than Y'CbCr or grey."""
    context = av.VideoCodecContext.create("mjpeg", "r")
    context.options = {"err_detect": "explode"}
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path) from error
    if not frames or frames[0].is_corrupt:
        raise _damaged(path)
    if not frames[0].format.name.startswith(("yuv", "gray")):
        return None
    return picture_of(frames[0], upright=False)


def _decode_pixels(data: bytes, path: Path) -> DecodedPicture:
    """Any other image, through R'G'B'."""
    pixels = decoded(data, path)
    if pixels is None:
        raise _damaged(path)
    if pixels.ndim == 2:
        return DecodedPicture((pixels,), 8 * pixels.dtype.itemsize, (0, 0), SRGB)
    return picture_of_rgb(np.ascontiguousarray(pixels[:, :, 2::-1]))


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is not an image that can be read: it is damaged or of another kind.")


def _oriented(picture: DecodedPicture, orientation: int) -> DecodedPicture:
    """Apply an Exif orientation (1..8)."""
    if orientation == 1:
        return picture
    turn = _ORIENT[orientation]
    planes = tuple(np.ascontiguousarray(turn(plane)) for plane in picture.planes)
    across, down = picture.subsampling
    return picture._replace(planes=planes, subsampling=(down, across) if orientation >= 5 else (across, down))


_ORIENT: Mapping[int, Callable[[Plane], Plane]] = {
    2: lambda plane: plane[:, ::-1],
    3: lambda plane: plane[::-1, ::-1],
    4: lambda plane: plane[::-1],
    5: lambda plane: plane.T,
    6: lambda plane: plane.T[:, ::-1],
    7: lambda plane: plane[::-1, ::-1].T,
    8: lambda plane: plane.T[::-1],
}
