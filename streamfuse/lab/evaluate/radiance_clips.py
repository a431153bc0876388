"""Linear radiance to simulate exposures from: folders of HDR frames, and ordinary clips made linear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, overload

import av
import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import InputError, InputNotFoundError

Radiance = npt.NDArray[np.float32]  # (H, W, 3) linear R, G, B, >= 0, any scale

GAMMA = 2.2
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


class RadianceFrames(Sequence[Radiance]):
    """A sequence that makes its frames when they are asked for; children give `__len__` and `frame`."""

    def frame(self, index: int) -> Radiance:
        """Radiance of one instant, (H, W, 3) float32."""
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Radiance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Radiance]: ...
    def __getitem__(self, index: int | slice) -> Radiance | list[Radiance]:
        if isinstance(index, slice):
            return [self.frame(number) for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        return self.frame(index % len(self))


class HdrFolder(RadianceFrames):
    """The .hdr frames (Radiance RGBE) of a folder, in the order of their names."""

    def __init__(self, folder: Path, *, start: int = 0, count: int | None = None, step: int = 1) -> None:
        """Look for the frames; they are read when they are asked for.

        Args:
            folder: holds frames of one size.
            start, count, step: which of them: `count`, every `step`-th from `start` on.

        Raises:
            InputNotFoundError, InputError: no such folder, or no such frames in it.
        """
        if not folder.is_dir():
            raise InputNotFoundError(f"there is no folder {folder}; give a folder of .hdr frames")
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".hdr")
        self._paths = found[_chosen(start, count, step)]
        if not self._paths:
            raise InputError(f"{folder} has {len(found)} .hdr frames, none from {start} on; give more")

    def __len__(self) -> int:
        return len(self._paths)

    def frame(self, index: int) -> Radiance:
        """As in the file, (H, W, 3) float32."""
        return read_hdr(self._paths[index])


def _chosen(start: int, count: int | None, step: int) -> slice:
    """Which frames of all count: every `step`-th from `start` on, `count` of them at most."""
    return slice(start, None if count is None else start + count * step, step)


def read_hdr(path: Path) -> Radiance:
    """Give one Radiance .hdr picture, (H, W, 3) float32 linear R, G, B; InputNotFoundError, InputError."""
    if not path.is_file():
        raise InputNotFoundError(f"there is no file {path}; give a Radiance .hdr picture")
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.float32 or pixels.ndim != 3:
        raise InputError(f"{path} is not a Radiance .hdr picture in colour; give .hdr files")
    return np.ascontiguousarray(pixels[..., ::-1], np.float32)


def clip_to_radiance(rgb: npt.NDArray[Any], *, stretch: float = 1.0) -> Radiance:
    """Linear light of an ordinary picture: gamma 2.2 undone, dynamic range multiplied by `stretch`.

    The stretch raises luma to that power and keeps the ratios of R, G and B.

    Args:
        rgb: (H, W, 3) R'G'B', uint8 or uint16, full range.
        stretch: 1.0 leaves the range as it is; see `stretch_to`.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    encoded = rgb.astype(np.float32) / np.float32(np.iinfo(rgb.dtype).max)
    linear: Radiance = encoded ** np.float32(GAMMA)
    if stretch != 1.0:
        linear *= (luminance(linear) ** np.float32(stretch - 1))[..., None]
    return linear


def stretch_to(rgb: npt.NDArray[Any], range_ev: float) -> float:
    """Give the `stretch` that makes the 1st to 99.5th percentile of luma span this range; at least 1."""
    light = luminance(clip_to_radiance(rgb))
    low, high = np.percentile(light, [1.0, 99.5])
    found = float(np.log2(max(high, 1e-5) / max(low, 1e-5)))
    return max(1.0, range_ev / found) if found > 0 else 1.0


def luminance(radiance: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(H, W) BT.709 luminance of linear (H, W, 3) radiance."""
    return np.asarray(radiance @ _LUMA, np.float32)


class VideoRadiance(RadianceFrames):
    """An ordinary clip as linear light; decoded as it is asked for, fastest in order."""

    def __init__(
        self,
        path: Path | str,
        *,
        start: int = 0,
        count: int | None = None,
        width: int | None = None,
        range_ev: float | None = None,
        step: int = 1,
    ) -> None:
        """Open the clip and count its frames.

        Args:
            path: any video that FFmpeg reads.
            start, count, step: which of its frames: `count` of them, every `step`-th from `start` on.
            width: scale to this many columns, keeping the shape; None leaves the size.
            range_ev: stretch to this dynamic range, measured on the first frame; None leaves it.
        """
        self._path = Path(path)
        if not self._path.exists():
            raise InputNotFoundError(f"there is no file {path}; give a video or a folder of .hdr frames")
        self._start, self._step = start, step
        self._width = width
        with self._open() as container:
            stream = container.streams.video[0]
            times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            self.time_base = stream.time_base or Fraction(1, 1000)
            self.rate = (stream.average_rate or Fraction(25)) / step
        self.pts = times[_chosen(start, count, step)]
        if not self.pts:
            raise InputError(f"{path} has {len(times)} frames, none from {start} on; ask for earlier frames")
        self._frames: Iterator[npt.NDArray[Any]] = iter(())
        self._next = -1
        self._current: tuple[int, Radiance] | None = None
        self._stretch = 1.0
        if range_ev is not None:
            self._stretch = stretch_to(self._decode(0), range_ev)
            self._next = -1

    def __len__(self) -> int:
        return len(self.pts)

    def frame(self, index: int) -> Radiance:
        """(H, W, 3) float32 in [0, 1]."""
        if self._current is None or self._current[0] != index:
            self._current = index, clip_to_radiance(self._decode(index), stretch=self._stretch)
        return self._current[1]

    def _decode(self, index: int) -> npt.NDArray[Any]:
        wanted = self._start + index * self._step
        if not 0 <= self._next <= wanted:
            self._frames, self._next = self._pictures(), 0
        for rgb in self._frames:
            self._next += 1
            if self._next > wanted:
                return self._resized(rgb)
        raise InputError(f"{self._path} ends before frame {wanted}; it is damaged, ask for fewer frames")

    def _pictures(self) -> Iterator[npt.NDArray[Any]]:
        with self._open() as container:
            try:
                for picture in container.decode(video=0):
                    yield _to_rgb(picture)
            except av.FFmpegError as error:
                raise InputError(f"{self._path} cannot be decoded ({error}); check the file") from error

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(str(self._path))
        except av.FFmpegError as error:
            raise InputError(f"{self._path} is not a video that FFmpeg reads ({error})") from error
        if not container.streams.video:
            container.close()
            raise InputError(f"{self._path} has no video stream; give a video")
        return container

    def _resized(self, rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._width is None or self._width == rgb.shape[1]:
            return rgb
        height = max(1, round(rgb.shape[0] * self._width / rgb.shape[1]))
        return np.asarray(cv2.resize(rgb, (self._width, height), interpolation=cv2.INTER_AREA))


def _to_rgb(picture: av.VideoFrame) -> npt.NDArray[Any]:
    """(H, W, 3) uint8 by the matrix and range that the clip is tagged with."""
    if picture.format.is_rgb:
        return picture.to_ndarray(format="rgb24")
    full_range = picture.color_range == _FULL_RANGE
    code_range = "JPEG" if full_range else "MPEG"
    planes = picture.reformat(
        format="yuv444p", src_color_range=code_range, dst_color_range=code_range, threads=1
    ).to_ndarray()
    y, cb, cr = np.asarray(planes, np.uint8).reshape(3, picture.height, picture.width)
    return planes_to_rgb((y, cb, cr), 8, (0, 0), ColorInfo(int(picture.colorspace), full_range=full_range))
