"""The threads of a pipeline: one for the source, one or several for each stage, one for all sinks.

Each closes what it drives and only then ends its queue, so things close in the order in which a frame passes
them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from streamfuse.core.protocols import Drain, Feed, ParallelStage, Stage
from streamfuse.core.queue import END, Queue
from streamfuse.core.turns import Turn, Turns
from streamfuse.runtime.line import NamedStage, passed
from streamfuse.runtime.statistics import Meter


class RunState:
    """What the threads of one run tell each other: stop, give up, and the first error.

    `stopping` is a plain attribute, set without a lock, so that a signal handler may set it at any moment.
    """

    def __init__(self, channels: Sequence[Queue[Any]]) -> None:
        self.stopping = False
        self.aborted = False
        self.error: BaseException | None = None
        self._channels = channels
        self._lock = threading.Lock()

    def record(self, error: BaseException) -> bool:
        """Keep the error if it is the first; True if it was."""
        with self._lock:
            if self.error is None:
                self.error = error
            return self.error is error

    def fail(self, error: BaseException, name: str) -> None:
        """End the run at once, with this error; a later one becomes a note of the first."""
        if self.record(error):
            error.add_note(f"This happened in {name!r} of the pipeline.")
        elif self.error is not None:
            self.error.add_note(f"Then {name!r} failed too: {error!r}.")
        self.aborted = True
        for channel in self._channels:
            channel.cancel()


class Worker(threading.Thread):
    """A thread between two queues.

    Args:
        name: what messages and statistics call it.
        state: shared by all threads of the run.
        inlet, outlet: the queues before and after it; None at the ends of the pipeline.
    """

    def __init__(
        self, name: str, state: RunState, inlet: Queue[Any] | None, outlet: Queue[Any] | None
    ) -> None:
        # Daemon: a stage that hangs for good must not keep the process from ending.
        super().__init__(name=f"streamfuse {name}", daemon=True)
        self.inlet = inlet
        self.outlet = outlet
        self.meter = Meter(name)
        self.meters = [self.meter]
        """Of each of its threads."""
        self.done = False  # finished, or given up by the supervisor
        self._state = state

    def run(self) -> None:
        """Process all there is, close, and end the queue, whatever happens on the way."""
        try:
            self._guarded(self._process)
            self._await_upstream()
            with self.meter.busy():
                self._close()
        finally:
            self.done = True
            if self.outlet:
                self.outlet.end()

    def abandon(self) -> None:
        """Go on without this thread: its neighbours see an end of stream."""
        self.done = True
        if self.inlet:
            self.inlet.cancel()
        if self.outlet:
            self.outlet.end()

    def _process(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _await_upstream(self) -> None:
        """Let what comes before this thread close first; it may still want to put, if this thread gave up."""
        if self.inlet:
            self.inlet.cancel()
            with self.meter.waiting():
                self.inlet.get()

    def _guarded(self, action: Callable[[], object]) -> None:
        """Run it; an error ends the whole run."""
        try:
            action()
        except BaseException as error:
            self._state.fail(error, self.meter.name)

    def _received(self) -> Iterator[Any]:
        """Items from the queue before this thread, until it ends or the run is given up."""
        assert self.inlet is not None
        while True:
            with self.meter.waiting():
                item = self.inlet.get()
            if item is END:
                return
            self.meter.items_in += 1
            yield item

    def _send(self, produce: Callable[[], Iterable[Any]]) -> bool:
        """Pass on what `produce` gives, one by one; False if nobody wants it any more."""
        assert self.outlet is not None
        with self.meter.busy():
            items = iter(produce())
        while True:
            with self.meter.busy():
                item = next(items, END)
            if item is END:
                return True
            with self.meter.blocked():
                wanted = self.outlet.put(item)
            if not wanted:
                return False
            self.meter.items_out += 1


class SourceWorker(Worker):
    """Reads the source until it ends or the run stops."""

    def __init__(self, source: Feed[object], name: str, state: RunState, outlet: Queue[Any]) -> None:
        super().__init__(name, state, None, outlet)
        self._source = source
        self._closed = False
        self._closing = threading.Lock()
        self._unblocked = False

    def unblock(self) -> None:
        """Close the source from outside, since it waits for a frame that may never come; returns at once."""
        if not self._unblocked:
            self._unblocked = True
            threading.Thread(target=self._close, name=f"{self.name} closer", daemon=True).start()

    def _process(self) -> None:
        try:
            self._send(self._frames)
        except Exception:
            # A source that is closed while it reads may well fail in that read: this was asked for.
            if not self._unblocked:
                raise

    def _frames(self) -> Iterator[Any]:
        frames = iter(self._source)
        while not self._state.stopping:
            frame = next(frames, END)
            if frame is END:
                return
            yield frame

    def _close(self) -> None:
        # The lock makes the reading thread wait for a close that was begun from outside: the order stays.
        with self._closing:
            if not self._closed:
                self._closed = True
                self._guarded(self._source.close)


class StageWorker(Worker):
    """Feeds one stage, then flushes it."""

    def __init__(
        self, stage: Stage[Any, Any], name: str, state: RunState, inlet: Queue[Any], outlet: Queue[Any]
    ) -> None:
        super().__init__(name, state, inlet, outlet)
        self._stage = stage

    def _process(self) -> None:
        for item in self._received():
            if not self._send(lambda item=item: self._stage.push(item)):  # type: ignore[misc]
                return
        if not self._state.aborted:
            self._send(self._stage.flush)

    def _close(self) -> None:
        self._guarded(self._stage.close)


class PoolWorker(StageWorker):
    """Feeds a stage in several threads at once, and passes on what comes out in the order in which it went in.

    Each thread takes an item, works on it, and holds what comes out until its turn: so there are never more items on
    their way than threads, and none waits for others to come.

    Args:
        stage: closed and flushed as any other.
        parallel: what of it may work on several items at once.
        behind: what of it follows that, in order.
        threads: how many items at once, at most.
        cores: is taken for as long as the stage works on an item, and shared by all stages of the run.
    """

    def __init__(
        self,
        stage: NamedStage,
        parallel: ParallelStage[Any, Any],
        behind: tuple[NamedStage, ...],
        state: RunState,
        inlet: Queue[Any],
        outlet: Queue[Any],
        threads: int,
        cores: threading.Semaphore,
    ) -> None:
        super().__init__(stage.stage, stage.name, state, inlet, outlet)
        self.meters = [self.meter, *(Meter(stage.name) for _ in range(threads - 1))]
        self._parallel, self._behind, self._cores = parallel, behind, cores
        self._taking = threading.Lock()
        self._turns = Turns()

    def _process(self) -> None:
        helpers = [
            threading.Thread(target=self._work, args=(meter,), name=self.name, daemon=True)
            for meter in self.meters[1:]
        ]
        for helper in helpers:
            helper.start()
        self._work(self.meter)
        for helper in helpers:
            helper.join()
        if not self._state.aborted:
            self._send(self._stage.flush)

    def _work(self, meter: Meter) -> None:
        wanted = True
        while wanted and (taken := self._take(meter)) is not None:
            work, turn = taken
            try:
                wanted = self._worked(work, turn, meter)
            except BaseException as error:
                self._state.fail(error, self.meter.name)  # before anything that comes after it is passed on
                wanted = False
            finally:
                turn.skip()

    def _worked(self, work: Callable[[], Iterable[Any]], turn: Turn, meter: Meter) -> bool:
        """Work on one item and pass on what it gives; False if nobody wants it any more."""
        assert self.outlet is not None
        try:
            with meter.busy():
                items = list(work())
        finally:
            self._cores.release()
        with meter.waiting():
            turn.wait()
        for item in self._ordered(items, meter):
            with meter.blocked():
                wanted = self.outlet.put(item)
            if not wanted:
                return False
            meter.items_out += 1
        return True

    def _take(self, meter: Meter) -> tuple[Callable[[], Iterable[Any]], Turn] | None:
        """Begin with the next item; None if there is none.

        A core is taken before anybody else may begin: else those that began later might have all of them, and wait for
        their turn behind this one.
        """
        assert self.inlet is not None
        with self._taking:
            with meter.waiting():
                item = self.inlet.get()
                if item is END or self._state.aborted:
                    return None
                self._cores.acquire()
            meter.items_in += 1
            try:
                return self._parallel.begin(item), self._turns.next()
            except BaseException as error:
                self._state.fail(error, self.meter.name)
                self._cores.release()
                return None

    def _ordered(self, items: list[Any], meter: Meter) -> Iterator[Any]:
        """Take items through the stages behind, in this thread, whose turn it is."""
        through = passed(self._behind, items)
        while True:
            with meter.busy():
                item = next(through, END)
            if item is END:
                return
            yield item


class SinksWorker(Worker):
    """Writes every frame to every sink.

    Args:
        whole: as in `Pipeline`.
    """

    def __init__(
        self, sinks: Sequence[Drain[Any]], name: str, state: RunState, inlet: Queue[Any], whole: bool
    ) -> None:
        super().__init__(name, state, inlet, None)
        self._sinks = sinks
        self._whole = whole

    def _process(self) -> None:
        for frame in self._received():
            for sink in self._sinks:
                with self.meter.busy():
                    sink.write(frame)
            self.meter.items_out += 1

    def _close(self) -> None:
        failure = self._state.error
        if failure is None and self._whole and self._state.stopping:
            failure = KeyboardInterrupt()
        for sink in self._sinks:
            if failure is None:
                self._guarded(sink.close)
            else:
                self._guarded(partial(sink.__exit__, type(failure), failure, failure.__traceback__))
