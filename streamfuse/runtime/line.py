"""Stages one after the other, each of which takes what the one before it gives: checked by the types, end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, Never, Protocol, TypeVar

from streamfuse.core.protocols import ParallelStage, Stage
from streamfuse.core.queue import Queue

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
First = TypeVar("First")
Middle = TypeVar("Middle")
Last = TypeVar("Last")
Next = TypeVar("Next")
Item = TypeVar("Item")


class Layer(Protocol):
    """Lays a stage behind a queue: in a thread of its own, in a pipeline."""

    def __call__(
        self, name: str, stage: Stage[First, Last], inlet: Queue[First], outlet: Queue[Last] | None, /
    ) -> Queue[Last]:
        """Give the queue that the stage fills: `outlet`, or an ordinary one."""
        ...


class Line(Stage[In, Out], Generic[In, Out]):
    """Stages in order. The pipeline runs each in a thread; used as a stage, the line runs them all in one.

    Args:
        name: what messages and statistics call the first stage.
        stage: the first one.
        queue: what stands before it in a pipeline in place of an ordinary one.

    Example:
        >>> from streamfuse.exposure import ExposureClassifier, Pairer
        >>> line = Line("label", ExposureClassifier()).then("pair", Pairer())
        >>> [named.name for named in line.stages]
        ['label', 'pair']
    """

    def __init__(self, name: str, stage: Stage[In, Out], queue: Queue[In] | None = None) -> None:
        self.name = name
        self.stage = stage
        self.queue = queue

    @staticmethod
    def empty() -> Line[First, First]:
        """Give a line without a stage, which passes everything on as it is."""
        return _Empty()

    @property
    def stages(self) -> tuple[Line[Never, object], ...]:
        """Each stage, as a line of its own."""
        return (self,)

    def behind(self, queue: Queue[In]) -> Line[In, Out]:
        """Give a line like this one, before which this queue stands in a pipeline."""
        return Line(self.name, self.stage, queue)

    def then(self, name: str, stage: Stage[Out, Next]) -> Line[In, Next]:
        """Give a longer line, in which `stage` takes what this one gives."""
        return self.followed_by(Line(name, stage))

    def followed_by(self, rest: Line[Out, Next]) -> Line[In, Next]:
        """Give a longer line, in which the first stage of `rest` takes what this one gives."""
        return _Joined(self, rest)

    def ending_in(self, stage: Stage[Out, Next]) -> Line[In, Next]:
        """Give a line as long, in which `stage` shares the thread, and the name, of the last one."""
        return Line(self.name, in_one_thread(self.stage, stage), self.queue)

    def seen(self, name: str, kind: type[Item], see: Callable[[Item], object]) -> Line[In, Out]:
        """Give a line like this one, which shows everything that leaves the stage of this name, in order.

        Args:
            name: of the stage.
            kind: of what leaves it; the run fails where that is something else.
            see: is called with each.
        """
        return self.ending_in(Seen(partial(_show, kind, see))) if name == self.name else self

    def laid(self, layer: Layer, inlet: Queue[In], outlet: Queue[Out] | None = None) -> Queue[Out]:
        """Lay all stages behind a queue, one behind the other; give the queue behind the last one."""
        return layer(self.name, self.stage, inlet, outlet)

    def push(self, item: In) -> Iterable[Out]:
        """Take one item through all stages, in this thread."""
        return self.stage.push(item)

    def flush(self) -> Iterable[Out]:
        """Give what the stages still hold, first that of the first one."""
        return self.stage.flush()

    def close(self) -> None:
        """Close all stages, in order."""
        self.stage.close()


class _Joined(Line[In, Out], Generic[In, Middle, Out]):
    """A line, and another behind it."""

    def __init__(self, before: Line[In, Middle], rest: Line[Middle, Out]) -> None:
        super().__init__(before.name, in_one_thread(before.stage, rest.stage), before.queue)
        self._before, self._rest = before, rest

    @property
    def stages(self) -> tuple[Line[Never, object], ...]:
        return (*self._before.stages, *self._rest.stages)

    def behind(self, queue: Queue[In]) -> Line[In, Out]:
        return _Joined(self._before.behind(queue), self._rest)

    def ending_in(self, stage: Stage[Out, Next]) -> Line[In, Next]:
        return _Joined(self._before, self._rest.ending_in(stage))

    def seen(self, name: str, kind: type[Item], see: Callable[[Item], object]) -> Line[In, Out]:
        return _Joined(self._before.seen(name, kind, see), self._rest.seen(name, kind, see))

    def laid(self, layer: Layer, inlet: Queue[In], outlet: Queue[Out] | None = None) -> Queue[Out]:
        return self._rest.laid(layer, self._before.laid(layer, inlet, self._rest.queue), outlet)


class _Empty(Line[First, First], Generic[First]):
    """A line without a stage."""

    def __init__(self) -> None:
        super().__init__("", Seen(lambda item: None))

    @property
    def stages(self) -> tuple[Line[Never, object], ...]:
        return ()

    def laid(self, layer: Layer, inlet: Queue[First], outlet: Queue[First] | None = None) -> Queue[First]:
        return inlet


class Seen(Stage[First, First], Generic[First]):
    """Passes items on as they are, and shows each to somebody."""

    def __init__(self, see: Callable[[First], object]) -> None:
        self._see = see

    def push(self, item: First) -> Iterator[First]:
        """Take one, give one."""
        self._see(item)
        yield item


def in_one_thread(first: Stage[First, Middle], second: Stage[Middle, Last]) -> Stage[First, Last]:
    """Give two stages as one, which can work on several items at once as far as the first can."""
    if isinstance(first, ParallelStage):
        return _ParallelCouple(first, second)
    return _Couple(first, second)


class _Couple(Stage[First, Last], Generic[First, Middle, Last]):
    """Two stages in one thread."""

    def __init__(self, first: Stage[First, Middle], second: Stage[Middle, Last]) -> None:
        self._first, self._second = first, second

    def push(self, item: First) -> Iterator[Last]:
        return passed(self._second, self._first.push(item))

    def flush(self) -> Iterator[Last]:
        yield from passed(self._second, self._first.flush())
        yield from self._second.flush()

    def close(self) -> None:
        self._first.close()
        self._second.close()


class _ParallelCouple(_Couple[First, Middle, Last], ParallelStage[First, Last]):
    """Two stages in one thread: the first can work on several items at once, the second takes them in order."""

    def __init__(self, first: ParallelStage[First, Middle], second: Stage[Middle, Last]) -> None:
        super().__init__(first, second)
        self._parallel = first

    def begin(self, item: First) -> Callable[[], Iterator[Last]]:
        return partial(self._finished, self._parallel.begin(item))

    def _finished(self, work: Callable[[], Iterable[Middle]]) -> Iterator[Last]:
        """Do the work, and give what does the rest."""
        return passed(self._second, work())


def passed(stage: Stage[First, Last], items: Iterable[First]) -> Iterator[Last]:
    """Take items through a stage, one at a time; nothing is flushed."""
    for item in items:
        yield from stage.push(item)


def through(stage: Stage[First, Last], items: Iterable[First]) -> Iterator[Last]:
    """Pull items through a stage, or a line of them, in this thread; for the threaded runner see `Pipeline`."""
    yield from passed(stage, items)
    yield from stage.flush()


def _show(kind: type[Item], see: Callable[[Item], object], item: object) -> None:
    if not isinstance(item, kind):
        raise TypeError(f"A {kind.__name__} was to be seen, and this is a {type(item).__name__}.")
    see(item)
