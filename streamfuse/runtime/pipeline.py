"""The stage runner: a source, stages and sinks, in threads of their own, with bounded queues between them.

Frames keep their order. Whatever happens, everything is closed exactly once, source first and sinks last, so
that what was written can be played. The first error reaches the caller of `Pipeline.run`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from streamfuse.core.arguments import described
from streamfuse.core.protocols import Drain, Feed, ParallelStage, Sink, Stage
from streamfuse.core.queue import Policy, Queue
from streamfuse.errors import StageTimeoutError, UsageError
from streamfuse.runtime.line import Line
from streamfuse.runtime.statistics import Statistics, snapshot
from streamfuse.runtime.workers import PoolWorker, RunState, SinksWorker, SourceWorker, StageWorker, Worker

_POLL_SECONDS = 0.05
_PROGRESS_SECONDS = 0.2
# A source that delivers notices a stop by itself; only one that waits for a frame is closed while it reads.
_UNBLOCK_SECONDS = 0.25

First = TypeVar("First")
Last = TypeVar("Last")


class Pipeline:
    """Runs frames from a source through stages into sinks. It runs once.

    Args:
        source: delivers the frames.
        stages: takes what the source gives: a `Line`, each of whose stages gets a thread, or one stage, which is called
            by its class.
        sinks: each gets every frame that leaves the last stage.
        queue_size: most items that wait between two threads.
        policy: what happens when the first stage cannot keep up with the source: `wait` (files),
            `drop-oldest` or `drop-newest` (live). Later queues always wait.
        on_progress: called with a snapshot about five times a second, and at the end, in the thread of `run`.
        stop_timeout: seconds that a call whose result is not wanted any more (a source told to stop; a stage
            after an error) may take before the run goes on without it.
        finish_timeout: the same for calls whose result is wanted: a stage after `stop`, closing a sink.
        threads: how many threads each of the stages that can work on several items gets; where there are several, one
            more than that may work at once in all these stages. Frames are the same whatever their number. None: each
            stage has one of its own.
        whole: a run that is stopped before its source has ended is not what was wanted. Sinks are then left with a
            KeyboardInterrupt, as after an error with the error, and what they would have replaced stays.

    Raises:
        UsageError: `queue_size` below 1, an unknown policy, or a part that is none.

    Example:
        >>> from streamfuse import Config, open_sink, open_source
        >>> from streamfuse.runtime.chain import build_chain
        >>> chain = build_chain(Config().with_overrides(preset="fast"))
        >>> with open_source("sample:?frames=4&size=64x48") as source, open_sink("null:", source.info) as sink:
        ...     statistics = Pipeline(source, chain.line, [sink]).run()
        >>> statistics.frames_out
        4
    """

    def __init__(
        self,
        source: Feed[First],
        stages: Stage[First, Last],
        sinks: Sequence[Drain[Last]],
        *,
        queue_size: int = 4,
        policy: Policy = "wait",
        on_progress: Callable[[Statistics], None] | None = None,
        stop_timeout: float = 5.0,
        finish_timeout: float = 60.0,
        threads: int | None = None,
        whole: bool = False,
    ) -> None:
        _check_parts(source, stages, sinks)
        if threads is not None and threads < 1:
            raise UsageError(f"A run needs at least 1 thread, not {threads}.")
        line = stages if isinstance(stages, Line) else Line(type(stages).__name__, stages)
        self._threads, self._queue_size = threads, queue_size
        # One more: whoever works waits now and then for the interpreter, and a core then has nothing to do.
        self._cores = threading.Semaphore(1 if threads is None or threads == 1 else threads + 1)
        self._state = RunState()
        first: Queue[First] = line.queue or Queue(queue_size, policy)
        reader = SourceWorker(source, "source", self._state, first)
        self._source: SourceWorker[object] = reader
        self._workers: list[Worker] = [reader]
        self._state.channels.append(first)
        last = line.laid(self._lay, first)
        self._sinks: Worker = SinksWorker(sinks, "sinks", self._state, last, whole)
        self._workers.append(self._sinks)
        self._on_progress = on_progress
        self._stop_timeout = stop_timeout
        self._finish_timeout = finish_timeout
        self._began: float | None = None
        self._ended: float | None = None
        self._ending_since: float | None = None
        self._interrupted = False
        self._starting, self._started = threading.Lock(), threading.Event()

    def run(self) -> Statistics:
        """Run to the end of the source, to `stop`, or to the first error.

        A KeyboardInterrupt counts as `stop`: what is in flight is finished and `interrupted` is set in the
        result. A second one gives up what is in flight; the sinks are still closed.

        Raises:
            StageTimeoutError: a source, a stage or a sink did not return in time after a stop.
            UsageError: this pipeline has run before.
            BaseException: the first error of a source, a stage, a sink or `on_progress`, as it was raised,
                with a note that names the place.
        """
        if self._began is not None:
            raise UsageError("A pipeline runs only once: make a new one.")
        self._began = time.monotonic()
        while not self._supervised():
            pass
        self._ended = time.monotonic()
        if self._state.error is not None:
            raise self._state.error
        if self._on_progress:
            self._on_progress(self.statistics)
        return self.statistics

    def stop(self) -> None:
        """End cleanly and soon: the source ends, what is in flight is written, the sinks are closed.

        May be called from any thread, from a signal handler, before `run` and more than once; it does not
        wait.
        """
        self._state.stopping = True

    @property
    def statistics(self) -> Statistics:
        """Give a snapshot, from any thread, at any time."""
        end = self._ended or time.monotonic()
        peaks = [0, *(channel.peak for channel in self._state.channels)]
        return Statistics(
            frames_in=self._source.meter.items_out,
            frames_out=self._sinks.meter.items_out,
            drops=sum(channel.drops for channel in self._state.channels),
            elapsed=0.0 if self._began is None else end - self._began,
            interrupted=self._interrupted,
            stages=tuple(
                snapshot(worker.meters, peak) for worker, peak in zip(self._workers, peaks, strict=True)
            ),
        )

    def _lay(
        self, name: str, stage: Stage[First, Last], inlet: Queue[First], outlet: Queue[Last] | None, /
    ) -> Queue[Last]:
        """Make the thread of a stage, and the queue behind it."""
        outlet = outlet or Queue(self._queue_size)
        if self._threads is not None and isinstance(stage, ParallelStage):
            worker: Worker = PoolWorker(name, stage, self._state, inlet, outlet, self._threads, self._cores)
        else:
            worker = StageWorker(name, stage, self._state, inlet, outlet)
        self._workers.append(worker)
        self._state.channels.append(outlet)
        return outlet

    def _supervised(self) -> bool:
        """Watch until all threads are done; False if something was raised in this thread meanwhile."""
        try:
            self._supervise()
        except KeyboardInterrupt as interrupt:
            if self._interrupted:
                self._state.fail(interrupt, "the second interrupt")
            self._interrupted = True
            self.stop()
        except BaseException as error:
            self._state.fail(error, "on_progress")
        else:
            return True
        return False

    def _supervise(self) -> None:
        if not self._started.is_set():
            # Not in this thread: an interrupt in the middle of a start would have the thread begun twice.
            threading.Thread(target=self._start, daemon=True).start()
            self._started.wait()
        next_report = time.monotonic() + _PROGRESS_SECONDS
        while waiting := [worker for worker in self._workers if not worker.done]:
            waiting[0].join(_POLL_SECONDS)
            if self._state.stopping or self._state.aborted:
                self._press()
            if self._on_progress and not self._state.aborted and time.monotonic() >= next_report:
                self._on_progress(self.statistics)
                next_report = time.monotonic() + _PROGRESS_SECONDS

    def _start(self) -> None:
        """Start what has not been started; one that cannot be is given up."""
        with self._starting:
            for worker in self._workers:
                if worker.ident is None and not worker.done:
                    try:
                        worker.start()
                    except RuntimeError as error:  # the system has no more threads
                        self._state.fail(error, worker.meter.name)
                        worker.abandon()
        self._started.set()

    def _press(self) -> None:
        """The run is ending: help those that block, give up those that hang."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()
        for worker in self._workers:
            busy = max(meter.call.seconds(self._ending_since) for meter in worker.meters)
            if worker is self._source and busy > _UNBLOCK_SECONDS:
                self._source.unblock()
            if not worker.done and busy > self._patience(worker):
                self._give_up(worker)

    def _patience(self, worker: Worker) -> float:
        result_matters = worker is self._sinks or not (worker is self._source or self._state.aborted)
        return self._finish_timeout if result_matters else self._stop_timeout

    def _give_up(self, worker: Worker) -> None:
        seconds = self._patience(worker)
        message = f"{worker.meter.name!r} did not return within {seconds:g} s while the run was ending"
        if not self._state.record(StageTimeoutError(message + "; its thread was left behind.")):
            assert self._state.error is not None
            self._state.error.add_note(f"Then {message}.")
        worker.abandon()


def _check_parts(source: object, stages: object, sinks: object) -> None:
    """Tell what is handed in by mistake, mostly the name of a file in place of what was opened."""
    if not isinstance(source, Feed):
        raise UsageError(
            "source has to be what open_source(NAME) gives, or a streamfuse.Source of your own, and is "
            f"{described(source)}."
        )
    if not isinstance(sinks, Sequence) or isinstance(sinks, str):
        raise UsageError(
            f"sinks has to be a list of sinks, and is {described(sinks)}: give [open_sink(NAME)]."
        )
    if not isinstance(stages, Stage):
        raise UsageError(
            "stages has to be a line of stages, Line(NAME, stage).then(NAME, stage), or one that derives from "
            f"streamfuse.Stage, and is {described(stages)}."
        )
    for sink in sinks:
        if not isinstance(sink, Sink):
            raise UsageError(
                "A sink is what open_sink(NAME) gives, or a streamfuse.Sink of your own, and "
                f"{described(sink)} was given."
            )
