"""One door to all sources but cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from glob import glob
from pathlib import Path
from typing import cast, get_args

from streamfuse.camera.open import is_device
from streamfuse.capture.image_source import ImageSequenceSource, natural_key
from streamfuse.capture.per_exposure import PerExposureSource
from streamfuse.capture.piped import STDIN
from streamfuse.capture.sidecar import read_sidecar
from streamfuse.capture.video_source import VideoFileSource
from streamfuse.core.arguments import camera_sentence, checked_names, described
from streamfuse.core.frame import Exposure, Frame
from streamfuse.core.protocols import Source, SourceWrapper
from streamfuse.core.values import Deinterlace
from streamfuse.errors import InputError, InputNotFoundError, UsageError, without_credentials
from streamfuse.imaging.coded import PICTURE_SUFFIXES
from streamfuse.zmq.endpoint import is_endpoint

FrameRange = tuple[int | None, int | None]
SAMPLES = ("sample:", "sim:")
_DEFAULT_RATE = Fraction(25)
_HIGHEST_RATE = 10_000
_RATE_DENOMINATOR = 1_001_000  # 24000/1001 and its like are exact


def open_source(
    spec: str | Path | Sequence[str | Path],
    *,
    frames: FrameRange | None = None,
    rate: Fraction | float | None = None,
    sidecar: str | Path | None = None,
    offset: float | None = None,
    deinterlace: Deinterlace = "auto",
    threads: int = 0,
) -> Source:
    """Open what the user named.

    Args:
        spec: a video; several videos (one per exposure); images, a folder or a glob of them; 'sample:...' (a
            made-up scene); '-' (Y4M from standard input).
        frames: (first, end) frame numbers, end excluded.
        rate: frames per second of images, and of videos without time stamps (.h264); other sources know their own.
        sidecar: a file with the exposure of each frame, see `read_sidecar`.
        offset: of one video per exposure: seconds by which those after the first began later; found out if None.
        deinterlace: make whole pictures of interlaced frames of videos: "auto" = of those that bear the flag, "on" = of
            all, "off" = of none.
        threads: of the decoder of each video; 0 = one for each CPU.

    Raises:
        InputNotFoundError, InputError, UsageError: as the message says.

    Example:
        >>> with open_source("sample:?frames=2&size=64x48") as source:
        ...     [frame.rgb().shape for frame in source]
        [(48, 64, 3), (48, 64, 3)]
    """
    named = checked_names(spec)
    if not named:
        raise UsageError("No input was given.")
    _check_range(frames)
    rate = _checked_rate(rate)
    exposures = read_sidecar(sidecar) if sidecar is not None else None
    if deinterlace not in get_args(Deinterlace):
        raise UsageError(f"deinterlace has to be auto, on or off, and is {described(deinterlace)}.")
    video = partial(VideoFileSource, frames=frames, rate=rate, deinterlace=deinterlace, threads=threads)
    source = _open(named, frames, rate, offset, video)
    if offset is not None and not isinstance(source, PerExposureSource):
        source.close()
        raise UsageError("--offset is for two videos, one per exposure: leave it out.")
    return _WithExposures(source, exposures) if exposures is not None else source


def _check_range(frames: object) -> None:
    pair = frames is None or (isinstance(frames, tuple) and len(frames) == 2)
    if not pair or not all(end is None or isinstance(end, int) for end in cast("FrameRange", frames or ())):
        raise UsageError(
            f"frames has to be (first, end), numbers of frames from 0 or None, and is {described(frames)}."
        )


def _checked_rate(rate: Fraction | float | None) -> Fraction | None:
    if rate is None:
        return None
    if not isinstance(rate, (int, float, Fraction)) or not 0 < rate <= _HIGHEST_RATE:
        raise UsageError(
            f"rate has to be frames per second, above 0 and at most {_HIGHEST_RATE}, and is {described(rate)}."
        )
    return Fraction(rate).limit_denominator(_RATE_DENOMINATOR)


def _open(
    named: list[str | Path],
    frames: FrameRange | None,
    rate: Fraction | None,
    offset: float | None,
    video: Callable[..., VideoFileSource],
) -> Source:
    only = str(named[0]) if len(named) == 1 else ""
    if only.startswith(SAMPLES):
        from streamfuse.synthetic.sample_source import open_sample

        if rate is not None:
            raise UsageError(
                "A frame rate can be given for images only: write sample:?rate=25 for the sample."
            )
        sample = open_sample(only)
        return _Range(sample, frames) if frames else sample
    if is_endpoint(only):
        from streamfuse.zmq.zmq_source import open_stream

        stream = open_stream(only)
        return _Range(stream, frames) if frames else stream
    paths = _in_order([path for name in named for path in _expand(str(name))], explicit=len(named) > 1)
    if all(path.suffix.lower() in PICTURE_SUFFIXES for path in paths):
        return ImageSequenceSource(paths, rate or _DEFAULT_RATE, frames=frames)
    if len(paths) == 1:
        return video(paths[0])
    return _open_each(paths, offset, video)


def _open_each(
    paths: list[Path],
    offset: float | None,
    video: Callable[..., VideoFileSource],
) -> Source:
    """Open one video per exposure; what is open is closed again if one fails."""
    if Path(STDIN) in paths:
        raise UsageError("Standard input (-) is one video and cannot be combined with others.")
    sources: list[Source] = []
    try:
        sources += (video(path) for path in paths)
        again = [partial(video, path, frames=None) for path in paths]
        return PerExposureSource(sources, offset, again)
    except BaseException:
        for source in sources:
            source.close()
        raise


def _expand(name: str) -> list[Path]:
    """Give the files that one argument names."""
    path = Path(name)
    if "://" in name and not path.exists():
        raise _no_address(name)
    if is_device(name) and not path.is_file():
        raise UsageError(camera_sentence(name))
    if path.is_dir():
        images = [file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES]
        if not images:
            raise InputError(
                f"The folder {path} has no images ({', '.join(PICTURE_SUFFIXES)}): name a video file in it, or for "
                f"`streamfuse batch` all of them, as in '{path / '*.mov'}'."
            )
        return sorted(images, key=natural_key)
    if not (path.exists() or path.is_symlink()) and any(mark in name for mark in "*?["):
        found = [Path(match) for match in glob(name, recursive=True)]  # noqa: PTH207 (absolute patterns)
        if not found:
            raise InputNotFoundError(f"No file matches {name}: check the pattern.")
        return sorted(found, key=natural_key)
    return [path]


def _no_address(name: str) -> UsageError:
    shown = without_credentials(name)
    if name.startswith("tcp://"):
        return UsageError(
            f"{shown} is no file: for frames over ZeroMQ write sub:{shown}, or pull:{shown} where the publisher pushes."
        )
    return UsageError(camera_sentence(shown))


def _in_order(paths: list[Path], *, explicit: bool) -> list[Path]:
    """Give the user's order; but a list that a shell sorted (img1 img10 img2) goes by its numbers."""
    shell_sorted = explicit and paths == sorted(paths)
    return sorted(paths, key=natural_key) if shell_sorted else paths


class _WithExposures(SourceWrapper):
    """Attaches the exposures of a sidecar to the frames, by their number."""

    def __init__(self, source: Source, exposures: Mapping[int, Exposure]) -> None:
        super().__init__(source)
        self._exposures = exposures

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            known = self._exposures.get(frame.index)
            if known is None:
                yield frame
            else:
                rank = frame.exposure.rank if frame.exposure else None
                yield replace(frame, exposure=replace(known, rank=rank))


class _Range(SourceWrapper):
    """A range of frames of a source that cannot begin in its middle."""

    def __init__(self, source: Source, frames: FrameRange) -> None:
        super().__init__(source)
        self._first, self._end = frames[0] or 0, frames[1]
        count = self.info.frame_count
        if count is not None:
            end = count if self._end is None else min(count, self._end)
            self.info = replace(self.info, frame_count=max(end - self._first, 0))

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            if self._end is not None and frame.index >= self._end:
                return
            if frame.index >= self._first:
                yield frame
