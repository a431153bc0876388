"""One door to all sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamfuse.encode.file import CONTAINERS, VideoFileSink
from streamfuse.encode.images import SUFFIXES, ImageSink
from streamfuse.encode.null import NullSink
from streamfuse.errors import EncoderError
from streamfuse.stage import Sink, SourceInfo
from streamfuse.wire.endpoint import is_endpoint

NULL = "null:"
_IMAGE_OPTIONS = ("bits", "overwrite")


def open_sink(target: str | Path, info: SourceInfo | None = None, **options: Any) -> Sink:
    """Open what the user named.

    Args:
        target: a video file, a folder or name pattern for images, 'null:' (count and forget), or a ZeroMQ endpoint
            such as 'zmq+pub://127.0.0.1:5556' (see `streamfuse.wire.endpoint`).
        info: the source of the frames to come: what is wrong is then said at once, and its sound and metadata are
            copied. None: the first frame decides, and the output opens with it.
        options: those of `VideoFileSink`; images use `bits` and `overwrite` and leave the others alone.

    Raises:
        OutputExistsError, OutputError, EncoderError: as the message says.
    """
    if str(target) == NULL:
        return NullSink()
    if info is None:
        from streamfuse.encode.deferred import DeferredSink

        return DeferredSink(target, options)
    if is_endpoint(str(target)):
        from streamfuse.encode.zmq import open_publisher

        return open_publisher(str(target), info, rate=options.get("rate"))
    path = Path(target)
    suffix = path.suffix.lower()
    if suffix in CONTAINERS:
        return VideoFileSink(path, info, **options)
    if path.is_dir() or not suffix or suffix in SUFFIXES:
        return ImageSink(path, **{key: value for key, value in options.items() if key in _IMAGE_OPTIONS})
    raise EncoderError(
        f"{target} does not name an output: end it with one of {', '.join((*CONTAINERS, *SUFFIXES))}, "
        "or name a folder."
    )
