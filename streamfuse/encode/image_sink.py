"""Numbered PNG, TIFF or JPEG files, and of the light of the scene: EXR, Radiance, and PNG or TIFF in ACEScct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from streamfuse.core.arguments import expect_frame
from streamfuse.core.color import planes_to_rgb, to_8_bit, to_16_bit
from streamfuse.core.frame import FusedFrame, Pixels
from streamfuse.core.output_file import check_folder, write_bytes_file
from streamfuse.core.protocols import Sink
from streamfuse.core.reports import SinkReport
from streamfuse.encode import exr, log_picture
from streamfuse.errors import EncoderError, OutputError, OutputExistsError
from streamfuse.imaging.coded import JPEG_SUFFIXES, PICTURE_SUFFIXES, encoded, is_picture, jpeg

_NUMBER = re.compile(r"%0?\d*d")
_IN_FOLDER = "frame_%05d.png"
_JPEG_QUALITY = 95


def is_one_picture(name: str) -> bool:
    """Tell whether an output of that name is one picture file, and not a numbered sequence."""
    return is_picture(name) or (Path(name).suffix.lower() in exr.LINEAR_SUFFIXES and "%" not in name)


def check_format(path: Path, bits: int | None, others: Sequence[str] = exr.LINEAR_SUFFIXES) -> None:
    """Refuse a picture file that is none of `PICTURE_SUFFIXES`, or of a depth that it cannot have.

    Args:
        path: its suffix chooses the format.
        bits: wanted; None: those of the pixels.
        others: suffixes that may be named in its place, for the message.

    Raises:
        EncoderError: as the message says.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise EncoderError(
            f"{path} does not name a picture: end it with one of {', '.join((*PICTURE_SUFFIXES, *others))}."
        )
    if bits not in (None, 8, 16) or (bits == 16 and suffix in JPEG_SUFFIXES):
        raise EncoderError(f"{path} cannot store {bits} bit: JPEG has 8, other pictures 8 or 16.")


class ImageSink(Sink):
    """Writes each fused frame as an image: R'G'B' by the frame's own matrix and range, grey where it has no
    chroma.

    Args:
        target: a folder (`frame_00000.png` ... in it), a pattern such as `out_%05d.png`, or the name of one
            image for a single frame. The suffix chooses PNG, TIFF or JPEG; .exr and .hdr hold the radiance of
            frames that have it.
        bits: 8 or 16; by default 8 for 8-bit frames and 16 above. JPEG has 8, linear light a depth of its own.
        overwrite: replace existing files.
        log: code the radiance of the frames as ACEScct, in PNG or TIFF of 16 bit.

    Numbers begin with the first frame's number in its source and have no gaps. Where images of that name are there,
    the new ones are made in a folder `unfinished` beside them and moved over them when all are complete; leaving the
    `with` by an exception leaves both.

    Raises:
        OutputExistsError: an image of that name is there and `overwrite` is not set.
        OutputError: the folder cannot be made or written to, the disk is full, a second frame for a single
            image.
        EncoderError: a suffix that is none of these, a depth that the format does not have, a frame without radiance.
    """

    def __init__(
        self, target: str | Path, *, bits: int | None = None, overwrite: bool = False, log: bool = False
    ) -> None:
        path = Path(target)
        self._made_folder = False
        if path.is_dir() or not path.suffix:
            path = path / _IN_FOLDER
            self._made_folder = not path.parent.exists()
            check_folder(path.parent, make=True)
        self._pattern = path
        self._numbered = _NUMBER.search(path.name) is not None
        self._overwrite = overwrite
        self._bits = bits
        self._next: int | None = None
        self._unfinished: Path | None = None  # the folder for what will replace something
        self._complete = True
        self.outputs: list[str] = []
        self.warnings: list[str] = []
        self._linear = path.suffix.lower() in exr.LINEAR_SUFFIXES
        self._log = log
        if self._linear:
            exr.require(path)
        else:
            check_format(path, bits)
        if log:
            log_picture.require_log(path)
        check_folder(path.parent)
        self._replaces = self._find_old()

    def write(self, frame: FusedFrame) -> None:
        """Write one image."""
        expect_frame(frame)
        if self._next is not None and not self._numbered:
            raise OutputError(
                f"{self._pattern} is one image and there are more frames: give a folder or a name with %05d."
            )
        number = frame.index if self._next is None else self._next
        self._next = number + 1
        path = self._pattern
        if self._numbered:
            path = path.with_name(_NUMBER.sub(lambda match: match[0] % number, path.name, count=1))
        if path.exists() and not self._overwrite:
            raise OutputExistsError(f"{path} exists already: choose another name or add --overwrite.")
        if self._replaces:
            self._unfinished = self._unfinished or _new_folder(path.parent)
            path = self._unfinished / path.name
        if not self._linear and not self._log:
            _save(path, self._pixels(frame))
        elif frame.radiance is None:
            raise EncoderError(
                f"{path} holds the light of the scene, and the frames have none: fuse them with hdr=linear."
            )
        elif self._linear:
            exr.write_linear(path, frame.radiance)
        else:
            log_picture.write_log(path, frame.radiance)
        self.outputs.append(str(path))

    def report(self) -> SinkReport:
        """Tell what could not be kept."""
        return SinkReport(tuple(self.warnings))

    def close(self) -> None:
        """Put the images in the place of those that were there; a folder for images that never came is removed.

        Raises:
            OutputError: one cannot be replaced.
        """
        if self._unfinished is not None and self._complete:
            self._replace(self._unfinished)
            self._unfinished = None
        if self._made_folder and not self.outputs:
            with suppress(OSError):
                self._pattern.parent.rmdir()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._complete = error is None
        if self._unfinished is not None and not self._complete:
            self.warnings.append(
                f"The images in {self._pattern.parent} are as they were; what was made is in {self._unfinished}."
            )
        self.close()

    def _replace(self, folder: Path) -> None:
        for number, name in enumerate(self.outputs):
            target = self._pattern.with_name(Path(name).name)
            try:
                Path(name).replace(target)
            except OSError as error:
                raise OutputError(
                    f"{target} cannot be replaced ({error.strerror}): {folder} has the images that are missing."
                ) from error
            self.outputs[number] = str(target)
        with suppress(OSError):
            folder.rmdir()

    def _find_old(self) -> bool:
        """Tell whether images of that name are there; refused at the start, not after an hour, if they are to stay."""
        name = re.compile(r"\d+".join(map(re.escape, _NUMBER.split(self._pattern.name, maxsplit=1))))
        for other in self._pattern.parent.iterdir():
            if name.fullmatch(other.name) and not self._overwrite:
                raise OutputExistsError(f"{other} exists already: choose another name or add --overwrite.")
            if name.fullmatch(other.name):
                return True
        return False

    def _pixels(self, frame: FusedFrame) -> Pixels:
        """(H, W) or (H, W, 3) B'G'R' as OpenCV writes it."""
        rgb = planes_to_rgb(frame.planes, frame.bits, frame.subsampling, frame.color)
        wanted = 8 if self._pattern.suffix.lower() in JPEG_SUFFIXES else self._bits
        rgb = to_8_bit(rgb) if wanted == 8 else to_16_bit(rgb) if wanted == 16 else rgb
        return rgb[:, :, 0] if len(frame.planes) == 1 else rgb[:, :, ::-1]


def _new_folder(folder: Path) -> Path:
    """Make a new folder in it, for images that are not complete."""
    number = 1
    while True:
        found = folder / ("unfinished" if number == 1 else f"unfinished-{number}")
        try:
            found.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise OutputError(f"The folder {found} cannot be made: {error.strerror}.") from error
        else:
            return found


def _save(path: Path, pixels: Pixels) -> None:
    """Encode in memory and write in one go: the file is complete, or not there."""
    is_jpeg = path.suffix.lower() in JPEG_SUFFIXES
    write_bytes_file(path, jpeg(pixels, _JPEG_QUALITY) if is_jpeg else encoded(path.suffix, pixels))
