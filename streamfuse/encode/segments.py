"""Recordings of what has no beginning: each file starts at time 0, and after so many seconds comes the next."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Unpack

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame
from streamfuse.core.options import FileOptions
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.encode.video_sink import VideoFileSink, check_output
from streamfuse.errors import OutputError

_SAME_SECONDS = 0.5


class RecordingSink(Sink):
    """Writes one file, or files one after the other; each begins at time 0 and can be played while it is written.

    Args:
        path: the file; with `seconds`, `cam.mp4` becomes `cam-20260131-235959.mp4` and so on, by local time.
        info: of the frames.
        seconds: length of a file, from its first frame; None: all in one.
        keep: remove the oldest files of this run beyond so many; None keeps all.
        options: those of `VideoFileSink`.

    Attributes:
        outputs: the files that are there; the last one, as long as it is to replace another, by the name it has now.

    Raises:
        OutputError, EncoderError: as `VideoFileSink`.
    """

    def __init__(
        self, path: str | Path, info: SourceInfo, *, seconds: float | None = None, keep: int | None = None,
        **options: Unpack[FileOptions],
    ) -> None:  # fmt: skip
        self._warnings: list[str] = []  # of the files before the last one
        self._path = Path(path)
        self._info = replace(info, media=None)
        self._seconds = seconds
        self._keep = keep
        self._options = options
        self._files: deque[Path] = deque()
        self._begin: Fraction | None = None
        self._last = self._shift = Fraction(0)
        self._closed = False
        self._sink = self._open()
        self._note_outputs()

    def write(self, frame: FusedFrame) -> None:
        """Write one frame, into a new file if it is time.

        Raises:
            OutputError: as `VideoFileSink`.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._path} is closed: no frame can be added.")
        moment = self._moment(frame)
        if self._begin is None:
            self._begin = moment
        elif self._seconds is not None and moment - self._begin >= self._seconds:
            self._sink.close()
            self._warnings = self.warnings
            self._sink = self._open()
            self._note_outputs()
            self._begin = moment
        self._last = moment
        self._sink.write(replace(frame, pts=round((moment - self._begin) / frame.time_base)))

    @property
    def warnings(self) -> list[str]:
        """Give what could not be kept, each sentence once however many files it is true of."""
        return list(dict.fromkeys([*self._warnings, *self._sink.warnings]))

    def report(self) -> SinkReport:
        """Tell what could not be kept."""
        return SinkReport(tuple(self.warnings))

    def close(self) -> None:
        """Finish the last file."""
        if not self._closed:
            self._closed = True
            self._sink.close()
            self._note_outputs()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._closed:
            self._closed = True
            self._sink.__exit__(kind, error, trace)
            self._note_outputs()

    def _note_outputs(self) -> None:
        self.outputs = [*(str(file) for file in list(self._files)[:-1]), *self._sink.outputs]

    def _open(self) -> VideoFileSink:
        while self._keep is not None and len(self._files) >= self._keep:
            with suppress(OSError):
                self._files.popleft().unlink()
        path = self._path if self._seconds is None else dated(self._path)
        sink = VideoFileSink(path, self._info, **self._options)
        self._files.append(path)
        return sink

    def _moment(self, frame: FusedFrame) -> Fraction:
        """Seconds of a frame; where a stream begins again, its clock goes on from the frame before."""
        step = 1 / self._info.rate
        if frame.pts is None:
            return self._last + step if self._begin is not None else Fraction(0)
        moment = frame.pts * frame.time_base + self._shift
        if self._begin is None or moment > self._last:
            return moment
        if self._last - moment < _SAME_SECONDS:  # exposures of one instant have one time stamp
            return self._last + frame.time_base
        self._shift += self._last + step - moment
        return self._last + step


def dated(path: Path, moment: datetime | None = None) -> Path:
    """Give the path with a time in its name, and a number if there is a file of that name already."""
    stamp = (moment or datetime.now().astimezone()).strftime("%Y%m%d-%H%M%S")
    found = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
    return numbered(found)


def numbered(path: Path) -> Path:
    """Give the path, or the first of `name-2`, `name-3` ... that is not there."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def check_recording(path: Path) -> None:
    """Refuse a recording whose folder is not there or not writable.

    Raises:
        OutputError: as the message says.
    """
    check_output(dated(path), [], overwrite=False)
