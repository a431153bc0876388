"""The threads of a pipeline: one for the source, one or several for each stage, one for all sinks.

Each closes what it drives and only then ends its queue, so things close in the order in which a frame passes
them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

from streamfuse.core.protocols import Drain, Feed, ParallelStage, Stage
from streamfuse.core.queue import END, Queue
from streamfuse.core.turns import Turn, Turns
from streamfuse.runtime.statistics import Meter

Item = TypeVar("Item")
In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Channel(Protocol):
    """A queue, for those whom it does not concern what it holds."""

    drops: int
    peak: int

    def get(self) -> object:
        """Take the next item."""

    def end(self) -> None:
        """Say that nothing more will be put."""

    def cancel(self) -> None:
        """Throw away what waits here and refuse what comes."""


class RunState:
    """What the threads of one run tell each other: stop, give up, and the first error.

    `stopping` is a plain attribute, set without a lock, so that a signal handler may set it at any moment.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.aborted = False
        self.error: BaseException | None = None
        self.channels: list[Channel] = []
        """The queues of the run, in order."""
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
        for channel in self.channels:
            channel.cancel()


class Worker(threading.Thread):
    """A thread between two queues.

    Args:
        name: what messages and statistics call it.
        state: shared by all threads of the run.
        inlet, outlet: the queues before and after it; None at the ends of the pipeline.
    """

    def __init__(self, name: str, state: RunState, inlet: Channel | None, outlet: Channel | None) -> None:
        # Daemon: a stage that hangs for good must not keep the process from ending.
        super().__init__(name=f"streamfuse {name}", daemon=True)
        self.meter = Meter(name)
        self.meters = [self.meter]
        """Of each of its threads."""
        self.done = False  # finished, or given up by the supervisor
        self._state = state
        self._before, self._behind = inlet, outlet

    def run(self) -> None:
        """Process all there is, close, and end the queue, whatever happens on the way."""
        try:
            self._guarded(self._process)
            self._await_upstream()
            with self.meter.busy():
                self._close()
        finally:
            self.done = True
            if self._behind:
                self._behind.end()

    def abandon(self) -> None:
        """Go on without this thread: its neighbours see an end of stream."""
        self.done = True
        if self._before:
            self._before.cancel()
        if self._behind:
            self._behind.end()

    def _process(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _await_upstream(self) -> None:
        """Let what comes before this thread close first; it may still want to put, if this thread gave up."""
        if self._before:
            self._before.cancel()
            with self.meter.waiting():
                self._before.get()

    def _guarded(self, action: Callable[[], object]) -> None:
        """Run it; an error ends the whole run."""
        try:
            action()
        except BaseException as error:
            self._state.fail(error, self.meter.name)

    def _received(self, inlet: Queue[Item]) -> Iterator[Item]:
        """Items from the queue before this thread, until it ends or the run is given up."""
        while True:
            with self.meter.waiting():
                item = inlet.get()
            if item is END:
                return
            self.meter.items_in += 1
            yield item

    def _send(self, outlet: Queue[Item], produce: Callable[[], Iterable[Item]]) -> bool:
        """Pass on what `produce` gives, one by one; False if nobody wants it any more."""
        with self.meter.busy():
            items = iter(produce())
        return pass_on(items, outlet, self.meter)


def pass_on(items: Iterator[Item], outlet: Queue[Item], meter: Meter) -> bool:
    """Put items into a queue as they come; False if nobody wants them any more."""
    while True:
        with meter.busy():
            item = next(items, END)
        if item is END:
            return True
        with meter.blocked():
            wanted = outlet.put(item)
        if not wanted:
            return False
        meter.items_out += 1


class SourceWorker(Worker, Generic[Out]):
    """Reads the source until it ends or the run stops."""

    def __init__(self, source: Feed[Out], name: str, state: RunState, outlet: Queue[Out]) -> None:
        super().__init__(name, state, None, outlet)
        self._source, self._outlet = source, outlet
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
            self._send(self._outlet, self._frames)
        except Exception:
            # A source that is closed while it reads may well fail in that read: this was asked for.
            if not self._unblocked:
                raise

    def _frames(self) -> Iterator[Out]:
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


class StageWorker(Worker, Generic[In, Out]):
    """Feeds one stage, then flushes it."""

    def __init__(
        self, name: str, stage: Stage[In, Out], state: RunState, inlet: Queue[In], outlet: Queue[Out]
    ) -> None:
        super().__init__(name, state, inlet, outlet)
        self._stage, self._inlet, self._outlet = stage, inlet, outlet

    def _process(self) -> None:
        for item in self._received(self._inlet):
            if not self._send(self._outlet, partial(self._stage.push, item)):
                return
        self._flush()

    def _flush(self) -> None:
        if not self._state.aborted:
            self._send(self._outlet, self._stage.flush)

    def _close(self) -> None:
        self._guarded(self._stage.close)


class PoolWorker(StageWorker[In, Out]):
    """Feeds a stage in several threads at once, and passes on what comes out in the order in which it went in.

    Each thread takes an item, works on it, and holds what comes out until its turn: so there are never more items on
    their way than threads, and none waits for others to come.

    Args:
        stage: may work on several items at once.
        threads: how many items at once, at most.
        cores: is taken for as long as the stage works on an item, and shared by all stages of the run.
    """

    def __init__(
        self,
        name: str,
        stage: ParallelStage[In, Out],
        state: RunState,
        inlet: Queue[In],
        outlet: Queue[Out],
        threads: int,
        cores: threading.Semaphore,
    ) -> None:
        super().__init__(name, stage, state, inlet, outlet)
        self.meters = [self.meter, *(Meter(name) for _ in range(threads - 1))]
        self._parallel, self._cores = stage, cores
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
        self._flush()

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

    def _worked(self, work: Callable[[], Iterable[Out]], turn: Turn, meter: Meter) -> bool:
        """Work on one item and pass on what it gives; False if nobody wants it any more."""
        try:
            with meter.busy():
                items = iter(work())
        finally:
            self._cores.release()
        with meter.waiting():
            turn.wait()
        return pass_on(items, self._outlet, meter)

    def _take(self, meter: Meter) -> tuple[Callable[[], Iterable[Out]], Turn] | None:
        """Begin with the next item; None if there is none.

        A core is taken before anybody else may begin: else those that began later might have all of them, and wait for
        their turn behind this one.
        """
        with self._taking:
            with meter.waiting():
                item = self._inlet.get()
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


class SinksWorker(Worker, Generic[In]):
    """Writes every frame to every sink.

    Args:
        whole: as in `Pipeline`.
    """

    def __init__(
        self, sinks: Sequence[Drain[In]], name: str, state: RunState, inlet: Queue[In], whole: bool
    ) -> None:
        super().__init__(name, state, inlet, None)
        self._sinks, self._inlet = sinks, inlet
        self._whole = whole

    def _process(self) -> None:
        for frame in self._received(self._inlet):
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
