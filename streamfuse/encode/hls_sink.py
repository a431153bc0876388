"""HTTP Live Streaming into a folder, for any web server to give out: `hls:FOLDER`, or FOLDER/NAME.m3u8."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Unpack

import av

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame
from streamfuse.core.options import EncodeOptions
from streamfuse.core.output_file import Replacement, check_folder, check_output_file
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.encode.stream import StreamEncoder
from streamfuse.errors import OutputError

PREFIX = "hls:"
SUFFIX = ".m3u8"
_SEGMENT_SECONDS = 2.0
_LISTED = 6


class HlsSink(Sink):
    """A playlist and the last few segments; older ones are removed.

    A playlist that is there stays until there is a segment to put in its place. That of a source with an end (a file)
    is made as `NAME.unfinished.m3u8` beside it and replaces it when it is complete, with `overwrite` only; leaving the
    `with` by an exception leaves both.

    Args:
        target: `hls:FOLDER` (the playlist is then FOLDER/stream.m3u8), or the playlist's own name.
        info: of the frames.
        segment_seconds: length of a segment; None: 2.
        overwrite: a playlist that is there may be replaced; asked for where the source is not live.
        options: `codec`, `bitrate`, `crf`, `speed` of `StreamEncoder`.

    Attributes:
        outputs: the playlist; as long as it waits to replace another, under the name that it has until then.
        warnings: a sentence for each thing the user should know.

    Raises:
        OutputExistsError: the playlist of a source that is not live is there, and `overwrite` is not set.
        OutputError: the folder cannot be made or written to.
        EncoderError: as `StreamEncoder`.
    """

    def __init__(
        self,
        target: str | Path,
        info: SourceInfo,
        *,
        segment_seconds: float | None = None,
        overwrite: bool = False,
        **options: Unpack[EncodeOptions],
    ) -> None:
        seconds = segment_seconds or _SEGMENT_SECONDS
        self._path = playlist(target)
        self.warnings: list[str] = []
        self._closed = False
        self._complete = True
        self._began = False
        check_folder(self._path.parent, make=True)
        self._replacement = None if info.live else _replacement(self._path, overwrite)
        path = self._path if self._replacement is None else self._replacement.path
        self.outputs = [str(path)]
        muxer = {
            "hls_time": f"{seconds:g}",
            "hls_list_size": str(_LISTED),
            "hls_flags": "delete_segments+independent_segments+temp_file+program_date_time",
            # A restart must not give old names to new segments: players and caches keep those, and so does a playlist
            # that is to stay. Numbers of a run that ended a second ago may come again.
            "hls_segment_filename": str(
                self._path.with_name(f"{self._path.stem}-{time.time_ns():x}-%06d.ts")
            ),
            "hls_start_number_source": "epoch",
        }
        try:
            self._container = av.open(str(path), "w", format="hls", container_options=muxer)
            self._encoder = StreamEncoder(self._container, info, keyframe_seconds=seconds, **options)
        except av.FFmpegError as error:
            self._discard()
            raise self._failure(error) from error
        except BaseException:
            self._discard()
            raise

    def write(self, frame: FusedFrame) -> None:
        """Add one frame.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._path} is closed: no frame can be added.")
        try:
            if not self._began:  # not before: a header alone would take the place of what is there
                self._container.start_encoding()
                self._began = True
            for packet in self._encoder.encode(frame):
                self._container.mux(packet)
        except av.FFmpegError as error:
            self._closed = True
            self._keep_both()
            with suppress(av.FFmpegError):
                self._container.close()
            raise self._failure(error) from error

    def report(self) -> SinkReport:
        """Tell what could not be kept."""
        return SinkReport(tuple(self.warnings))

    def close(self) -> None:
        """Finish the last segment and end the playlist; a second call does nothing.

        Raises:
            OutputError: it cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        if not self._began:
            self._discard()
            return
        try:
            for packet in self._encoder.flush():
                self._container.mux(packet)
            self._container.close()
        except av.FFmpegError as error:
            self._keep_both()
            raise self._failure(error) from error
        if not self._complete:
            self._keep_both()
        elif self._replacement is not None:
            self._replacement.finish()
            self.outputs = [str(self._replacement.path)]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._complete = error is None
        self.close()

    def _discard(self) -> None:
        """Nothing was made: what is there is as it was."""
        if self._replacement is not None:
            self._replacement.discard()

    def _keep_both(self) -> None:
        if self._replacement is not None and self._replacement.waits:
            self.warnings.append(self._replacement.sentence)

    def _failure(self, error: av.FFmpegError) -> OutputError:
        return OutputError(
            f"{self._path} cannot be written ({error.strerror}); free space or choose another folder."
        )


def _replacement(path: Path, overwrite: bool) -> Replacement:
    """Tell where to make the playlist.

    Raises:
        OutputExistsError, OutputError: it is there, and may not be replaced.
    """
    check_output_file(path, overwrite=overwrite)
    return Replacement(path)


def playlist(target: str | Path) -> Path:
    """Give the playlist's path."""
    path = Path(str(target).removeprefix(PREFIX))
    return path if path.suffix.lower() == SUFFIX else path / f"stream{SUFFIX}"
