"""What a person sees of a live run: one line that is kept up to date on a terminal; and what a supervisor is told."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streamfuse.errors import StreamfuseError
from streamfuse.runtime.live.events import Events
from streamfuse.runtime.live.status import LiveStatus

_LINE_SECONDS = 0.25
_LOG_SECONDS = 60.0


class Monitor:
    """Shows the status on standard error: a line on a terminal, an event a minute in any case.

    Under systemd (`Type=notify`) it tells when the run is ready, and keeps its watchdog calm for as long as frames come
    out or the camera is known to be away.

    Args:
        quiet: no line, and no event a minute that only says that all is well.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._events = Events()
        self._quiet = quiet
        self._line: Live | None = None
        self._asked: Callable[[], None] | None = None
        self._shown = 0.0
        self._logged = time.monotonic()
        self._supervisor = Supervisor()
        if not quiet and sys.stderr.isatty():
            self._line = Live(
                console=Console(stderr=True), auto_refresh=False, transient=True, redirect_stdout=False
            )

    def __enter__(self) -> Self:
        if self._line is not None:
            self._line.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.tell("STOPPING=1")
        if self._line is not None:
            self._line.stop()

    def ask(self, action: Callable[[], None]) -> None:
        """Do something at the next report, in its thread; from a signal handler."""
        self._asked = action

    def update(self, status: LiveStatus) -> None:
        """Take the run's report, several times a second."""
        action, self._asked = self._asked, None
        if action is not None:
            try:
                action()
            except StreamfuseError as error:
                self._events.tell("reload", f"Not reloaded: {error}", level="error")
        self._supervisor.watch(status)
        now = time.monotonic()
        if self._line is not None and now - self._shown >= _LINE_SECONDS:
            self._shown = now
            self._line.update(Text(line(status), no_wrap=True, overflow="ellipsis"), refresh=True)
        if now - self._logged >= _LOG_SECONDS:
            self._logged = now
            if self._line is None:
                self._events.tell("status", line(status), **status.as_dict())


def line(status: LiveStatus) -> str:
    """Give the status in one line."""
    if status.state == "starting":
        waiting = status.error or f"{status.frames_in} frames so far, looking for the exposures"
        return f"{status.source}: starting ({waiting})"
    middle, _, highest = status.age_ms
    outputs = sum(output.state == "running" for output in status.outputs)
    parts = [
        f"{status.source}: {status.state}",
        f"{status.rate_in:.1f} -> {status.rate_out:.1f} fps",
        f"{status.effort} on {status.device}",
        f"{middle:.0f} ms from capture to fused (99 % below {highest:.0f})",
        f"{status.dropped} left out",
        f"{outputs} of {len(status.outputs)} outputs",
    ]
    parts += [f"recording {status.recording}"] if status.recording else []
    parts += [status.error] if status.error else []
    return ", ".join(parts)


class Supervisor:
    """Tells systemd how the run is, by its notification socket; does nothing where there is none."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._ready = False
        self._frames = -1
        self._told = 0.0

    def watch(self, status: LiveStatus) -> None:
        """Ready with the first report; alive while frames come out, or while it is known why none do."""
        if not self._ready:
            self._ready = True
            self.tell("READY=1")
        excused = status.state in ("starting", "reconnecting") or status.error is not None
        now = time.monotonic()
        if (status.frames_out != self._frames or excused) and now - self._told >= 1.0:
            self._frames, self._told = status.frames_out, now
            self.tell(f"WATCHDOG=1\nSTATUS={line(status)}")

    def tell(self, message: str) -> None:
        """Send one message."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(message.encode(), address)
