"""Standard output and standard error that a full disk or a closed reader stands behind."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from streamfuse.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_STDOUT, _STDERR = 1, 2


class _Told(io.FileIO):
    """Standard output: what cannot be written is told in one sentence; a reader that has gone away ends the command."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            # What is still held back goes nowhere, so that the end of the process is not one more error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputError(
                f"Standard output cannot be written ({error.strerror}): free space, or send it somewhere else."
            ) from error


class _Lost(io.FileIO):
    """Standard error: what cannot be written is lost, for nobody is left to be told of it, and no run ends for it."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def guard_standard_streams() -> None:
    """Put the streams of this process behind guards; streams that somebody has exchanged stay as they are."""
    out, err = sys.__stdout__, sys.__stderr__
    if out is not None and out is sys.stdout:
        sys.stdout = _text(_Told(_STDOUT, "w", closefd=False), out.encoding, out.errors)
    if err is not None and err is sys.stderr:
        sys.stderr = _text(_Lost(_STDERR, "w", closefd=False), err.encoding, err.errors)


def _text(raw: io.FileIO, encoding: str, errors: str | None) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=True)
