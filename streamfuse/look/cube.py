"""Look-up tables in .cube files: checked here, applied by FFmpeg (`lut3d`, `lut1d`) in 32-bit R'G'B'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color import light_to_codes, planes_to_light
from streamfuse.core.color_info import UNSPECIFIED, ColorInfo
from streamfuse.core.frame import Plane
from streamfuse.core.one_buffer import empty_planes
from streamfuse.errors import InputNotFoundError, UsageError, shortened
from streamfuse.look.dither import SIDE, for_planes
from streamfuse.look.tone_rows import rounded

_LARGEST = {"3D": 128, "1D": 65536}  # sizes; 128 are 25 MB in memory
_MAX_BYTES = 200 << 20
_FORMAT = "gbrpf32le"
_PIXELS = 4 << 20  # of a photograph at once, in whole patterns of thresholds
_GREEN_BLUE_RED = [1, 2, 0]  # FFmpeg's order of planes
_WORDS = (
    "TITLE",
    "LUT_3D_SIZE",
    "LUT_1D_SIZE",
    "DOMAIN_MIN",
    "DOMAIN_MAX",
    "LUT_3D_INPUT_RANGE",
    "LUT_1D_INPUT_RANGE",
)


@dataclass(frozen=True, slots=True)
class Cube:
    """A .cube file that was found to be sound.

    Args:
        path: the file.
        kind: three dimensions, or a curve for each channel.
        size: entries along each side.
    """

    path: Path
    kind: Literal["3D", "1D"]
    size: int


def read_cube(path: Path) -> Cube:
    """Check a .cube file (Adobe, Cube LUT Specification 1.0): its size, its domain, and that all entries are there.

    Raises:
        InputNotFoundError: it is not there.
        UsageError: it is no .cube file, is damaged, too large, or its domain is not 0..1.
    """
    if path.suffix.lower() != ".cube":
        raise UsageError(f"{path} is no .cube file: name a LUT that ends in .cube.")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path} has {path.stat().st_size >> 20} MB, which is too large for a LUT.")
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError as error:
        raise InputNotFoundError(f"There is no LUT {path}: check the name.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read as a LUT: {error.strerror}.") from error
    sizes: dict[Literal["3D", "1D"], int] = {}
    rows: list[str] = []
    for number, line in _lines(text):
        word, *values = line.split()
        if word in ("LUT_3D_SIZE", "LUT_1D_SIZE"):
            kind: Literal["3D", "1D"] = "3D" if word == "LUT_3D_SIZE" else "1D"
            sizes[kind] = _size(path, number, kind, values)
        elif word in _WORDS:
            _check_domain(path, number, word, values)
        elif word[0] in "+-.0123456789":
            rows.append(line)
        else:
            raise UsageError(
                f"{path} is no .cube file: {shortened(word)} in line {number} means nothing there."
            )
    if len(sizes) != 1:
        raise UsageError(
            f"{path} is no .cube file that can be used: one LUT_3D_SIZE or LUT_1D_SIZE is needed."
        )
    ((kind, size),) = sizes.items()
    _check_entries(path, rows, size**3 if kind == "3D" else size)
    return Cube(path, kind, size)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that say something."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            yield number, line


def _size(path: Path, number: int, kind: Literal["3D", "1D"], values: list[str]) -> int:
    largest = _LARGEST[kind]
    text = values[0] if len(values) == 1 else " ".join(values)
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 2 <= int(text) <= largest):
        raise UsageError(
            f"{path} has the size {shortened(text)} in line {number}: it has to be 2 to {largest}."
        )
    return int(text)


def _check_domain(path: Path, number: int, word: str, values: list[str]) -> None:
    if word == "TITLE":
        return
    wanted = {"DOMAIN_MIN": [0.0], "DOMAIN_MAX": [1.0]}.get(word, [0.0, 1.0])
    try:
        found = [float(value) for value in values]
    except ValueError:
        found = []
    if not found or any(abs(a - b) > 1e-4 for a, b in zip(found, wanted * len(found), strict=False)):
        raise UsageError(
            f"{path} is made for values other than 0 to 1 ({word} {shortened(' '.join(values))} in line {number}): "
            "use a LUT for display-referred pictures."
        )


def _check_entries(path: Path, rows: list[str], wanted: int) -> None:
    if len(rows) != wanted:
        raise UsageError(
            f"{path} has {len(rows)} entries and its size needs {wanted}: it is cut off or damaged."
        )
    try:
        with np.errstate(over="ignore"):
            entries = np.array([row.split() for row in rows], np.float32)
    except ValueError:
        entries = np.zeros((0, 0), np.float32)
    if entries.shape != (wanted, 3) or not np.isfinite(entries).all():
        raise UsageError(f"{path} is damaged: each of its {wanted} entries has to be three numbers.")


class Lut:
    """A .cube file on planes of pictures.

    Args:
        path: the file.

    Raises:
        InputNotFoundError, UsageError: as `read_cube`.
    """

    def __init__(self, path: Path) -> None:
        self._cube = read_cube(path)
        # With one at once, so that what FFmpeg has against the file is said before the first picture.
        self._graphs = {(16, 16): self._graph_for(16, 16)}
        self._count = 0

    def __call__(
        self,
        planes: tuple[Plane, ...],
        bits: int,
        subsampling: tuple[int, int],
        color: ColorInfo,
        to_bits: int,
    ) -> tuple[Plane, ...]:
        """New planes of depth `to_bits`, of the same range, matrix and subsampling; grey stays grey."""
        height, width = planes[0].shape
        rows = height
        if subsampling == (0, 0):  # of photographs not everything at once, as 32-bit numbers
            rows = max(SIDE, _PIXELS // width // SIDE * SIDE)
            color = replace(color, matrix=color.matrix if color.matrix != UNSPECIFIED else _matrix(height))
        top_code = np.float32((1 << to_bits) - 1)
        like = np.zeros((), np.uint8 if to_bits == 8 else np.uint16)
        out = empty_planes([np.broadcast_to(like, plane.shape) for plane in planes])
        for top in range(0, height, rows):
            rgb = planes_to_light(tuple(p[top : top + rows] for p in planes), bits, subsampling, color)
            exact = light_to_codes(self._mapped(rgb), to_bits, subsampling, color)
            for values, plane, thresholds in zip(exact, out, for_planes(width), strict=False):
                rounded(values, top_code, thresholds, plane[top : top + rows])
        return out

    def _mapped(self, rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(H, W, 3) R'G'B' in 0..1, and what the table has for it."""
        height, width = rgb.shape[:2]
        graph = self._graphs.get((width, height))
        if graph is None:
            graph = self._graphs[width, height] = self._graph_for(width, height)
        frame = av.VideoFrame(width, height, _FORMAT)
        for plane, channel in zip(frame.planes, _GREEN_BLUE_RED, strict=True):
            _floats(plane, height)[:, :width] = rgb[..., channel]
        frame.pts = self._count
        self._count += 1
        graph.vpush(frame)
        done = graph.vpull()
        channels = dict(zip(_GREEN_BLUE_RED, done.planes, strict=True))
        return np.asarray(cv2.merge([_floats(channels[n], height)[:, :width] for n in range(3)]), np.float32)

    def _graph_for(self, width: int, height: int) -> av.filter.Graph:
        graph, path = av.filter.Graph(), str(self._cube.path)
        try:
            source = graph.add_buffer(
                width=width,
                height=height,
                format=av.VideoFormat(_FORMAT, width, height),
                time_base=Fraction(1, 25),
            )
            if self._cube.kind == "3D":
                table = graph.add("lut3d", file=path, interp="tetrahedral")
            else:
                table = graph.add("lut1d", file=path, interp="linear")
            graph.link_nodes(source, table, graph.add("buffersink"))
            graph.configure()
        except (av.FFmpegError, ValueError, OSError) as error:
            raise UsageError(f"{path} cannot be used as a LUT by FFmpeg ({error}): save it anew.") from error
        return graph


def _matrix(height: int) -> int:
    """Give what an unspecified matrix means, as `ColorInfo.luma_coefficients` has it."""
    return 1 if height >= 720 else 6


def _floats(plane: av.video.plane.VideoPlane, height: int) -> npt.NDArray[np.float32]:
    return np.frombuffer(memoryview(plane), np.float32).reshape(height, plane.line_size // 4)
