"""Outputs that never harm each other: each in a thread of its own, opened again when it fails."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Sink
from streamfuse.core.queue import END, Queue
from streamfuse.core.watchdog import Watchdog
from streamfuse.errors import EncoderError, OutputExistsError, UsageError, without_credentials
from streamfuse.runtime.live.events import Events
from streamfuse.runtime.live.status import OutputStatus

State = Literal["running", "waiting", "failed", "closed"]
Opener = Callable[[FusedFrame, int], Sink]
"""Opens the sink for frames like this one; the number counts the attempts, from 0."""

_HOPELESS = (UsageError, EncoderError, OutputExistsError)  # trying again does not help
_SETTLED_SECONDS = 10.0
_FIRST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Guard:
    """What is done about an output that is slow or fails.

    Args:
        queue: frames that may wait for it; the oldest is dropped for the newest.
        restart: open it again after a failure; else it is given up.
        longest_pause: seconds between attempts, at most; the first pause is one second and each one doubles.
        hang_seconds: a call that takes longer is left behind, and counts as a failure.
        hangs: so many calls may be left behind in a row before the output is given up.
    """

    queue: int = 8
    restart: bool = True
    longest_pause: float = 30.0
    hang_seconds: float = 20.0
    hangs: int = 3


class GuardedOutput:
    """One output of a live run.

    Args:
        name: what to call it; credentials are taken out of it.
        opener: called in the output's own thread with the first frame, and again after failures and where frames
            change their format.
        guard: what is done about failures.
        events: where they are told.
    """

    def __init__(self, name: str, opener: Opener, guard: Guard, events: Events) -> None:
        self.name = without_credentials(name)
        self.outputs: list[str] = []
        """Files and addresses that were written, as far as its sinks tell."""
        self._opener = opener
        self._guard = guard
        self._events = events
        self._lock = threading.Lock()
        self._frames = 0
        self._dropped = 0
        self._opened = 0
        self._hung = 0
        self._error: str | None = None
        self._state: State = "waiting"
        self._closing = threading.Event()
        self._start()

    def offer(self, frame: FusedFrame) -> None:
        """Give it the next frame; never waits."""
        if self._state != "failed":
            self._worker.channel.put(frame)

    def check(self) -> None:
        """Leave behind a call that hangs; to be called a few times a second."""
        worker = self._worker
        if (
            self._closing.is_set()
            or self._state == "failed"
            or worker.call.seconds() < self._guard.hang_seconds
        ):
            return
        with self._lock:
            self._abandon(worker)
            self._hung += 1
            self._note(f"it did not return within {self._guard.hang_seconds:g} s")
            if self._hung >= self._guard.hangs or not self._guard.restart:
                self._give_up()
            else:
                self._state = "waiting"
                self._start()

    def begin_close(self) -> None:
        """Ask it to write what waits and to finish; returns at once."""
        self._closing.set()
        self._worker.channel.end()

    def finish_close(self, timeout: float) -> None:
        """Wait until it has finished; one that does not in time is left behind, with a word."""
        worker = self._worker
        if worker.ident is not None:  # else it was given up
            worker.join(timeout)
        with self._lock:
            if worker.is_alive():
                self._abandon(worker)
                self._note(f"it did not close within {timeout:g} s and was left behind")
                self._state = "failed"
            elif self._state != "failed":
                self._state = "closed"

    @property
    def status(self) -> OutputStatus:
        """As it is now."""
        dropped = self._dropped + self._worker.channel.drops
        return OutputStatus(
            self.name, self._state, self._frames, dropped, max(0, self._opened - 1), self._error
        )

    # In the thread of a worker

    def _start(self) -> None:
        self._worker = _Worker(self, Queue[FusedFrame](self._guard.queue, "drop-oldest"))
        self._worker.start()

    def work(self, worker: _Worker) -> None:
        """Open, write, close, and again, until told to end."""
        pause, failures = 0.0, 0
        while worker is self._worker and self._state != "failed":
            began = time.monotonic()
            problem = self._run_once(worker)
            if problem is None or worker is not self._worker:
                return
            if time.monotonic() - began > _SETTLED_SECONDS:
                failures = 0
            failures += 1
            pause = min(self._guard.longest_pause, _FIRST_PAUSE * 2 ** (failures - 1))
            self._failed(problem, worker, pause)
            # Jittered, so that many outputs to one server do not all come back at once.
            if self._closing.wait(pause * random.uniform(0.75, 1.25)):
                return

    def _run_once(self, worker: _Worker) -> Exception | None:
        """Run one sink, from its first frame to its end; give what went wrong, or None."""
        sink: Sink | None = None
        form: tuple[object, ...] | None = None
        try:
            while (frame := worker.channel.get()) is not END:
                if sink is None or form != _format(frame):
                    self._close(sink, worker)
                    sink = self._open(frame, worker)
                    form = _format(frame)
                with worker.call:
                    sink.write(frame)
                self._wrote(sink, worker)
        except Exception as error:
            self._dropped += 1
            with suppress(Exception):
                self._close(sink, worker)
            return error
        try:
            self._close(sink, worker)
        except Exception as error:
            if worker is self._worker:
                self._note(_sentence(error))
                self._give_up()
        return None

    def _open(self, frame: FusedFrame, worker: _Worker) -> Sink:
        with worker.call:
            sink = self._opener(frame, self._opened)
        if worker is not self._worker:
            sink.close()
            raise TimeoutError
        self._opened += 1
        return sink

    def _close(self, sink: Sink | None, worker: _Worker) -> None:
        if sink is not None:
            with worker.call:
                sink.close()
            if self._state == "running":
                self._remember(sink)

    def _wrote(self, sink: Sink, worker: _Worker) -> None:
        if worker is not self._worker:
            raise TimeoutError
        if not sink.report().ready:  # it takes frames and still tries to reach somebody
            return
        self._frames += 1
        if self._state != "running":
            self._remember(sink)
            if self._error is not None:
                self._events.tell("output", f"{self.name} is running again.", output=self.name)
        self._state, self._hung = "running", 0

    def _remember(self, sink: Sink) -> None:
        self.outputs = list(dict.fromkeys([*self.outputs, *sink.outputs]))

    def _failed(self, error: Exception, worker: _Worker, pause: float) -> None:
        with self._lock:
            if worker is not self._worker:
                return
            sentence = _sentence(error)
            if isinstance(error, _HOPELESS) or not self._guard.restart:
                self._note(sentence)
                self._give_up()
            else:
                self._note(sentence, f"; the next attempt is in {pause:.0f} s")
                self._state = "waiting"

    def _note(self, sentence: str, then: str = "") -> None:
        self._error = without_credentials(sentence)
        whose = "" if self._error.startswith(self.name) else f"{self.name}: "
        self._events.tell("output", f"{whose}{self._error}{then}.", level="warning", output=self.name)

    def _give_up(self) -> None:
        self._state = "failed"
        self._events.tell("output", f"{self.name} is given up.", level="error", output=self.name)

    def _abandon(self, worker: _Worker) -> None:
        """Go on without this thread; whatever it still does, nobody looks."""
        self._dropped += worker.channel.drops
        worker.channel.cancel()
        worker.channel.end()
        self._worker = _Worker(self, Queue[FusedFrame](1, "drop-oldest"))


class _Worker(threading.Thread):
    """A thread that drives an output, and the frames that wait for it."""

    def __init__(self, output: GuardedOutput, channel: Queue[FusedFrame]) -> None:
        # Daemon: an output that hangs for good must not keep the process from ending.
        super().__init__(name=f"streamfuse output {output.name}", daemon=True)
        self.channel = channel
        self.call = Watchdog()
        self._output = output

    def run(self) -> None:
        self._output.work(self)


def _format(frame: FusedFrame) -> tuple[object, ...]:
    return frame.width, frame.height, frame.bits, frame.subsampling, len(frame.planes), frame.color


def _sentence(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
