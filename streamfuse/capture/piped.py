"""Standard input as a video: a read that waits can be ended, and a Y4M stream that breaks off is noticed."""

from __future__ import annotations

import os
import select
import sys

from streamfuse.errors import InputError

STDIN = "-"
Y4M = "yuv4mpegpipe"
_Y4M_MAGIC = b"YUV4MPEG2"
_HEAD = 256  # bytes that are kept for a message: the first line of a Y4M stream
_SHOWN = 80


class StandardInput:
    """Standard input, to be read by PyAV.

    FFmpeg's own reading of a pipe that is silent cannot be interrupted. This one waits where a signal is noticed, and
    where `close` from another thread ends it.

    Attributes:
        count: bytes so far.
        head: the first of them.
        interrupted: Ctrl-C ended a read; whoever asked for it raises KeyboardInterrupt.

    Raises:
        InputError: standard input is closed, or a terminal.
    """

    def __init__(self) -> None:
        if sys.stdin is None:
            raise InputError("Standard input is closed: pipe a video into it, or name a file.")
        if sys.stdin.isatty():
            raise InputError(
                "Nothing is piped into standard input: use a pipe such as `ffmpeg ... -f yuv4mpegpipe - |`."
            )
        self.count = 0
        self.head = b""
        self.interrupted = False
        self._closed = False
        self._woken, self._wake = os.pipe()
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, at least one; none at the end, after `close`, and after Ctrl-C."""
        while not self._closed:
            try:
                ready = [descriptor for descriptor, _ in self._poll.poll()]
            except KeyboardInterrupt:  # PyAV would drop it and ask again
                self.interrupted = True
                self.close()
                break
            if 0 in ready and not self._closed:
                data = os.read(0, size)
                self.count += len(data)
                self.head += data[: _HEAD - len(self.head)]
                return data
        return b""

    def close(self) -> None:
        """End a read that waits, and all that follow; from any thread, more than once."""
        if not self._closed:
            self._closed = True
            os.write(self._wake, b"x")

    def __del__(self) -> None:
        if hasattr(self, "_wake"):
            os.close(self._wake)
            os.close(self._woken)


def y4m_problem(name: str, head: bytes) -> str | None:
    """Give what is wrong with a stream that begins as Y4M and cannot be opened; None for another kind.

    Args:
        name: what to call the stream.
        head: its first bytes.
    """
    if not head.startswith(_Y4M_MAGIC):
        return None
    line = head.split(b"\n")[0][:_SHOWN].decode("ascii", "replace")
    return (
        f"{name} begins as Y4M, but its first line cannot be used ({line}): a width and a height in pixels and a "
        "colour space that FFmpeg knows belong there, such as YUV4MPEG2 W1280 H720 F30:1 C420jpeg."
    )
