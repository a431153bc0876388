"""Recordings of what has no beginning: each file starts at time 0, and after so many seconds comes the next."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamfuse.arguments import expect_frame
from streamfuse.encode.file import VideoFileSink, check_output
from streamfuse.errors import OutputError
from streamfuse.frame import FusedFrame
from streamfuse.stage import SourceInfo


class RecordingSink:
    """Writes one file, or files one after the other; each begins at time 0 and can be played while it is written.

    Args:
        path: the file; with `seconds`, `cam.mp4` becomes `cam-20260131-235959.mp4` and so on, by local time.
        info: of the frames.
        seconds: length of a file, from its first frame; None: all in one.
        keep: remove the oldest files of this run beyond so many; None keeps all.
        options: those of `VideoFileSink`.

    Attributes:
        outputs: the files that are there.

    Raises:
        OutputError, EncoderError: as `VideoFileSink`.
    """

    def __init__(
        self, path: str | Path, info: SourceInfo, *, seconds: float | None = None, keep: int | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        self.outputs: list[str] = []
        self._path = Path(path)
        self._info = replace(info, media=None)
        self._seconds = seconds
        self._keep = keep
        self._options = options
        self._files: deque[Path] = deque()
        self._begin: int | None = None
        self._closed = False
        self._sink = self._open()

    def write(self, frame: FusedFrame) -> None:
        """Write one frame, into a new file if it is time.

        Raises:
            OutputError: as `VideoFileSink`.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._path} is closed: no frame can be added.")
        pts = 0 if frame.pts is None else frame.pts
        if self._begin is None:
            self._begin = pts
        elif self._seconds is not None and (pts - self._begin) * frame.time_base >= self._seconds:
            self._sink.close()
            self._sink = self._open()
            self._begin = pts
        self._sink.write(replace(frame, pts=pts - self._begin))

    def close(self) -> None:
        """Finish the last file."""
        if not self._closed:
            self._closed = True
            self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._closed:
            self._closed = True
            self._sink.__exit__(kind, error, trace)

    def _open(self) -> VideoFileSink:
        while self._keep is not None and len(self._files) >= self._keep:
            with suppress(OSError):
                self._files.popleft().unlink()
        path = self._path if self._seconds is None else dated(self._path)
        sink = VideoFileSink(path, self._info, **self._options)
        self._files.append(path)
        self.outputs = [str(file) for file in self._files]
        return sink


def dated(path: Path, moment: datetime | None = None) -> Path:
    """The path with a time in its name, and a number if there is a file of that name already."""
    stamp = (moment or datetime.now().astimezone()).strftime("%Y%m%d-%H%M%S")
    found = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
    return numbered(found)


def numbered(path: Path) -> Path:
    """The path, or the first of `name-2`, `name-3` ... that is not there."""
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
