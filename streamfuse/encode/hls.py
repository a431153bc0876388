"""HTTP Live Streaming into a folder, for any web server to give out: `hls:FOLDER`, or FOLDER/NAME.m3u8."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from streamfuse.arguments import expect_frame
from streamfuse.encode.stream import StreamEncoder
from streamfuse.errors import OutputError
from streamfuse.frame import FusedFrame
from streamfuse.stage import SourceInfo

PREFIX = "hls:"
SUFFIX = ".m3u8"
_SEGMENT_SECONDS = 2.0
_LISTED = 6


class HlsSink:
    """A playlist and the last few segments; older ones are removed.

    Args:
        target: `hls:FOLDER` (the playlist is then FOLDER/stream.m3u8), or the playlist's own name.
        info: of the frames.
        segment_seconds: length of a segment.
        options: `codec`, `bitrate`, `crf`, `speed` of `StreamEncoder`.

    Raises:
        OutputError: the folder cannot be made or written to.
        EncoderError: as `StreamEncoder`.
    """

    def __init__(
        self,
        target: str | Path,
        info: SourceInfo,
        *,
        segment_seconds: float = _SEGMENT_SECONDS,
        **options: Any,
    ) -> None:
        self._path = playlist(target)
        self.outputs = [str(self._path)]
        self._closed = False
        check_folder(self._path)
        muxer = {
            "hls_time": f"{segment_seconds:g}",
            "hls_list_size": str(_LISTED),
            "hls_flags": "delete_segments+independent_segments+temp_file+program_date_time",
            "hls_segment_filename": str(self._path.with_name(f"{self._path.stem}-%06d.ts")),
            # A restart must not give old names to new segments: players and caches keep those.
            "hls_start_number_source": "epoch",
        }
        try:
            self._container = av.open(str(self._path), "w", format="hls", container_options=muxer)
            self._encoder = StreamEncoder(self._container, info, keyframe_seconds=segment_seconds, **options)
            self._container.start_encoding()
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def write(self, frame: FusedFrame) -> None:
        """Add one frame.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._path} is closed: no frame can be added.")
        try:
            for packet in self._encoder.encode(frame):
                self._container.mux(packet)
        except av.FFmpegError as error:
            self._closed = True
            with suppress(av.FFmpegError):
                self._container.close()
            raise self._failure(error) from error

    def close(self) -> None:
        """Finish the last segment and end the playlist; a second call does nothing.

        Raises:
            OutputError: it cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        try:
            for packet in self._encoder.flush():
                self._container.mux(packet)
            self._container.close()
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failure(self, error: av.FFmpegError) -> OutputError:
        return OutputError(
            f"{self._path} cannot be written ({error.strerror}); free space or choose another folder."
        )


def playlist(target: str | Path) -> Path:
    """The playlist's path."""
    path = Path(str(target).removeprefix(PREFIX))
    return path if path.suffix == SUFFIX else path / f"stream{SUFFIX}"


def check_folder(path: Path) -> None:
    """Make the folder of a file if its parent is there, and see that it can be written to.

    Raises:
        OutputError: it cannot.
    """
    try:
        path.parent.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise OutputError(f"There is no folder {path.parent.parent}: make it first.") from error
    except OSError as error:
        raise OutputError(f"The folder {path.parent} cannot be made ({error.strerror}).") from error
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"Nothing can be written to {path.parent}: you have no permission for it.")
