"""One door to all sinks."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast, overload

from streamfuse.core.arguments import described
from streamfuse.core.options import FileOptions, SinkOptions
from streamfuse.core.output_file import is_special
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.encode import exr
from streamfuse.encode.container import CONTAINERS
from streamfuse.encode.image_sink import ImageSink
from streamfuse.encode.null_sink import NullSink
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import EncoderError, UsageError, did_you_mean, without_credentials
from streamfuse.imaging.coded import PICTURE_SUFFIXES
from streamfuse.runtime.live_sinks import MJPEG, NETWORK, live_output
from streamfuse.zmq.endpoint import is_endpoint, parse_endpoint

if TYPE_CHECKING:
    from streamfuse.runtime.deferred import DeferredSink

NULL = "null:"
_FILES = (*CONTAINERS, *PICTURE_SUFFIXES, *exr.LINEAR_SUFFIXES)
_OPTIONS = (*SinkOptions.__annotations__, "rate")


@overload
def open_sink(
    target: str | Path,
    info: SourceInfo,
    rate: Fraction | float | None = None,
    **options: Unpack[SinkOptions],
) -> Sink: ...
@overload
def open_sink(
    target: str | Path,
    info: tuple[int, int] | None = None,
    rate: Fraction | float | None = None,
    **options: Unpack[SinkOptions],
) -> DeferredSink: ...


def open_sink(
    target: str | Path,
    info: SourceInfo | tuple[int, int] | None = None,
    rate: Fraction | float | None = None,
    **options: Unpack[SinkOptions],
) -> Sink:
    """Open what the user named.

    Args:
        target: a video file, a folder or name pattern for images, 'null:' (count and forget), a ZeroMQ endpoint
            such as 'zmq+pub://127.0.0.1:5556' (see `streamfuse.zmq.endpoint`), or one for people who watch now:
            rtsp://, rtmp://, udp://, tcp://, srt:// (see `NetworkSink`), 'hls:FOLDER' or FOLDER/NAME.m3u8,
            'mjpeg://HOST:PORT', 'virtual:' (a virtual camera), 'preview:' (a window).
        info: the source of the frames to come: what is wrong is then said at once, and its sound and metadata are
            copied. Of pictures of one's own the size, (width, height), or None: the output opens with the first frame
            and takes arrays, too: (H, W, 3) R'G'B' or (H, W) luma, full range, uint8 or uint16.
        rate: frames per second; those of `info` if None, or 25.
        options: those of `VideoFileSink`, for streams those of `StreamEncoder`; images use `bits`, `overwrite` and
            `log`, and what a kind of output has no use for is left alone.

    Raises:
        OutputExistsError, OutputError, EncoderError, UsageError: as the message says.

    Example:
        >>> import numpy as np
        >>> with open_sink("ramp.mkv", (64, 36), 24) as sink:
        ...     for level in range(24):
        ...         sink.write(np.full((36, 64, 3), 10 * level, np.uint8))
    """
    if not isinstance(target, str | Path):
        raise UsageError(
            f"The name of an output is needed, as str or Path, and {described(target)} was given."
        )
    _check_options(options)
    exact = None if rate is None else Fraction(rate).limit_denominator(1_001_000)
    if str(target) == NULL and isinstance(info, SourceInfo):
        return NullSink()
    check_target(str(target))
    if not isinstance(info, SourceInfo):
        from streamfuse.runtime.deferred import DeferredSink

        return DeferredSink(target, exact, options, info)
    if is_endpoint(str(target)):
        from streamfuse.zmq.zmq_sink import open_publisher

        return open_publisher(str(target), info, rate=exact)
    if (output := live_output(str(target))) is not None:
        return output.open(str(target), info, options)
    path = Path(target)
    if path.suffix.lower() in CONTAINERS:
        return VideoFileSink(path, info, **_of_files(options, exact))
    bits, overwrite, log = options.get("bits"), options.get("overwrite", False), options.get("log", False)
    return ImageSink(path, bits=bits, overwrite=overwrite, log=log)


def open_recorder(
    target: str | Path,
    info: SourceInfo,
    rate: Fraction | float | None = None,
    **options: Unpack[SinkOptions],
) -> Sink:
    """Do as `open_sink`, for what was running before: a video file begins at time 0, not at the age of the stream.

    Raises:
        OutputExistsError, OutputError, EncoderError, UsageError: as `open_sink`.
    """
    path = Path(target)
    if path.suffix.lower() not in CONTAINERS or is_endpoint(str(target)) or is_live(str(target)):
        return open_sink(target, info, rate, **options)
    from streamfuse.encode.segments import RecordingSink

    exact = None if rate is None else Fraction(rate).limit_denominator(1_001_000)
    return RecordingSink(path, info, **_of_files(options, exact))


def _check_options(options: SinkOptions) -> None:
    """Refuse a name that is no option."""
    for option in options:
        if option not in _OPTIONS:
            hint = did_you_mean(option, _OPTIONS)
            raise UsageError(f"There is no option {option!r}:{hint} there are {', '.join(_OPTIONS)}.")


def is_live(target: str) -> bool:
    """Tell whether this names a stream, a virtual camera or a window, and not files."""
    return live_output(target) is not None


def check_target(target: str) -> None:
    """Refuse the name of an output that can never work, without opening it.

    Raises:
        UsageError, EncoderError, OutputError: as the message says.
    """
    if is_endpoint(target):
        parse_endpoint(target, "sink")
    elif (output := live_output(target)) is not None:
        output.check(target)
    elif "://" in target:
        scheme = target.partition("://")[0]
        known = (*NETWORK, MJPEG, "zmq+pub", "zmq+push")
        hint = did_you_mean(scheme, known)
        raise UsageError(
            f"{without_credentials(target)} is no output;{hint} there are {', '.join(f'{name}://' for name in known)}, "
            "hls:FOLDER, virtual:, preview: and files."
        )
    elif target != NULL:
        _check_path(Path(target))


def _check_path(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in _FILES and _is_there_and_special(path):
        raise UsageError(
            f"{path} is no file but a device or a pipe, and a video is not written to one: name a file, or write "
            "null: to fuse and keep nothing."
        )
    if suffix == ".avif":
        raise EncoderError(
            f"{path} would be a photograph in HDR, which `streamfuse still` makes of a scene's exposures: use that, "
            "or write a video with --hdr, or .exr pictures."
        )
    if not (path.is_dir() or not suffix or suffix in _FILES):
        raise EncoderError(
            f"{path} does not name an output: end it with one of {', '.join(_FILES)}, or name a folder."
        )


def _is_there_and_special(path: Path) -> bool:
    with suppress(OSError):
        return not path.is_dir() and is_special(path)
    return False


def _of_files(options: SinkOptions, rate: Fraction | None) -> FileOptions:
    found = {key: value for key, value in options.items() if key in FileOptions.__annotations__}
    return cast(FileOptions, {**found, "rate": rate})
