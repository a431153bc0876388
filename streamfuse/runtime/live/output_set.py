"""All outputs of a live run: those of its settings, which can be exchanged, and the recording."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from fractions import Fraction

from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import SourceInfo
from streamfuse.encode.segments import check_recording, dated
from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.live.events import Events
from streamfuse.runtime.live.live_config import LiveConfig, OutputSpec
from streamfuse.runtime.live.outputs import GuardedOutput
from streamfuse.runtime.live.status import OutputStatus
from streamfuse.runtime.live.targets import Target, plan, plan_recording

_CLOSE_SECONDS = 10.0  # for all that are closed together
_MAX_REMEMBERED = 1000  # files and warnings, of a run of weeks
_RECORDING = "streamfuse.mp4"


class OutputSet:
    """Opens, feeds and closes; every method may be called from any thread.

    Args:
        live: outputs, and the folder of recordings.
        info: of the source.
        rate: fused frames per second, nominally.
        events: where it tells what happens.

    Raises:
        StreamfuseError: an output that can never work, or is in use.
    """

    def __init__(self, live: LiveConfig, info: SourceInfo, rate: Fraction, events: Events) -> None:
        self.files: deque[str] = deque(maxlen=_MAX_REMEMBERED)
        """Files and addresses that were written."""
        self.warnings: deque[str] = deque(maxlen=_MAX_REMEMBERED)
        """What went wrong with outputs that are closed, a sentence each."""
        self._live = live
        self._info = info
        self._rate = rate
        self._events = events
        self._lock = threading.Lock()
        self._recording: tuple[GuardedOutput, str] | None = None
        self._closed = False
        if live.record_dir is not None:
            check_recording(live.record_dir / _RECORDING)
        targets = [(spec, plan(spec, info, rate)) for spec in live.outputs]
        self._outputs = tuple((spec, self._guarded(target)) for spec, target in targets)

    @property
    def recording(self) -> str | None:
        """Give the file that is being recorded."""
        recording = self._recording
        return recording[1] if recording else None

    @property
    def statuses(self) -> tuple[OutputStatus, ...]:
        """Of every output, the recording last."""
        return tuple(output.status for output in self._all())

    def offer(self, frame: FusedFrame) -> None:
        """Give the next frame to all; never waits."""
        for output in self._all():
            output.offer(frame)

    def check(self) -> None:
        """Leave behind what hangs; to be called a few times a second."""
        for output in self._all():
            output.check()

    def exchange(self, specs: Sequence[OutputSpec]) -> tuple[int, int]:
        """Open and close outputs until there are these; gives how many were opened and closed.

        Raises:
            StreamfuseError: a new output that cannot work; nothing has changed then.
        """
        with self._lock:
            kept = [(spec, output) for spec, output in self._outputs if spec in specs]
            gone = [output for spec, output in self._outputs if spec not in specs]
            known = [spec for spec, _ in kept]
            targets = [(spec, plan(spec, self._info, self._rate)) for spec in specs if spec not in known]
            self._outputs = (*kept, *((spec, self._guarded(target)) for spec, target in targets))
        self._close(gone)
        return len(targets), len(gone)

    def start_recording(self) -> str:
        """Do what `LiveControl.start_recording` says."""
        live = self._live
        if live.record_dir is None:
            raise UsageError("There is no folder for recordings: start the run with --record-dir.")
        with self._lock:
            if self._recording is not None:
                raise UsageError(f"{self._recording[1]} is being recorded already.")
            if self._closed:
                raise UsageError("The run is ending: nothing more can be recorded.")
            path = live.record_dir / _RECORDING
            path = path if live.segment is not None else dated(path)
            spec = OutputSpec(to=str(path), segment=live.segment, keep=live.keep)
            self._recording = self._guarded(plan_recording(spec, self._info, self._rate)), str(path)
        self._events.tell("recording", f"Recording {path}.", file=str(path))
        return str(path)

    def stop_recording(self) -> str:
        """Do what `LiveControl.stop_recording` says.

        Raises:
            UsageError: nothing is being recorded.
            OutputError: the file could not be written, or not to its end.
        """
        with self._lock:
            if self._recording is None:
                raise UsageError("Nothing is being recorded.")
            output, name = self._recording
            self._recording = None
        self._close([output])
        problem = output.status.error
        if problem is not None:
            raise OutputError(f"{name}: {problem}.")
        self._events.tell("recording", f"{name} is finished.", file=name)
        return name

    def close(self) -> None:
        """Finish all of them; one that does not in time is left behind."""
        with self._lock:
            self._closed = True
        self._close(self._all())

    def _all(self) -> list[GuardedOutput]:
        recording = self._recording
        return [output for _, output in self._outputs] + ([recording[0]] if recording else [])

    def _guarded(self, target: Target) -> GuardedOutput:
        return GuardedOutput(target.name, target.opener, target.guard, self._events)

    def _close(self, outputs: Sequence[GuardedOutput]) -> None:
        for output in outputs:
            output.begin_close()
        until = time.monotonic() + _CLOSE_SECONDS
        for output in outputs:
            output.finish_close(max(0.5, until - time.monotonic()))
            self.files += output.outputs
            status = output.status
            if status.error is not None:
                whose = "" if status.error.startswith(status.name) else f"{status.name}: "
                self.warnings.append(f"{whose}{status.error}.")
