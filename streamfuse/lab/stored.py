"""Sources as files, to measure with."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from streamfuse.core.frame import FusedFrame
from streamfuse.core.options import SinkOptions
from streamfuse.core.protocols import Source
from streamfuse.runtime.sinks import open_sink


def store(path: Path, source: Source, **options: Unpack[SinkOptions]) -> None:
    """Write the frames of a source as they are; options are those of `open_sink`."""
    with open_sink(path, source.info, **options) as sink:
        for frame in source:
            sink.write(FusedFrame.of(frame))
