"""Stages one after the other, each of which takes what the one before it gives: checked by the types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from streamfuse.core.protocols import ParallelStage, Stage

First = TypeVar("First")
Last = TypeVar("Last")
Next = TypeVar("Next")


@dataclass(frozen=True, slots=True, eq=False)
class NamedStage:
    """A stage under a name of its own in messages and statistics."""

    name: str
    stage: Stage[Any, Any]


class Line(Stage[First, Last], Generic[First, Last]):
    """Stages in order. The pipeline runs each in a thread; used as a stage, the line runs them all in one.

    Args:
        name: what messages and statistics call the first stage.
        stage: the first one.

    Example:
        >>> from streamfuse.exposure import ExposureClassifier, Pairer
        >>> line = Line("label", ExposureClassifier()).then("pair", Pairer())
        >>> [named.name for named in line.stages]
        ['label', 'pair']
    """

    def __init__(self, name: str, stage: Stage[First, Last]) -> None:
        self.stages: tuple[NamedStage, ...] = (NamedStage(name, stage),)

    @classmethod
    def empty(cls) -> Line[First, First]:
        """Give a line without a stage, which passes everything on as it is."""
        line: Line[First, First] = Line.__new__(Line)
        line.stages = ()
        return line

    def then(self, name: str, stage: Stage[Last, Next]) -> Line[First, Next]:
        """Give a longer line, in which `stage` takes what this one gives."""
        return self.followed_by(Line(name, stage))

    def followed_by(self, rest: Line[Last, Next]) -> Line[First, Next]:
        """Give a longer line, in which the first stage of `rest` takes what this one gives."""
        return self._of((*self.stages, *rest.stages))

    def ending_in(self, stage: Stage[Last, Next]) -> Line[First, Next]:
        """Give a line as long, in which `stage` shares the thread, and the name, of the last one."""
        *before, last = self.stages
        joined: Line[Any, Next] = Line(last.name, cast(Stage[Any, Last], last.stage)).then(last.name, stage)
        return self._of((*before, NamedStage(last.name, joined)))

    def seen(self, name: str, see: Callable[[Any], object]) -> Line[First, Last]:
        """Give a line like this one, which shows everything that leaves the stage of this name, in order."""
        return self._of(
            tuple(
                NamedStage(name, Line(name, named.stage).then(name, Seen(see)))
                if named.name == name
                else named
                for named in self.stages
            )
        )

    def push(self, item: First) -> Iterator[Last]:
        """Take one item through all stages, in this thread."""
        return passed(self.stages, (item,))

    def flush(self) -> Iterator[Last]:
        """Give what the stages still hold, first that of the first one."""
        for place, named in enumerate(self.stages, start=1):
            yield from passed(self.stages[place:], named.stage.flush())

    def close(self) -> None:
        """Close all stages, in order."""
        for named in self.stages:
            named.stage.close()

    def _of(self, stages: tuple[NamedStage, ...]) -> Line[First, Next]:
        line: Line[First, Next] = Line.__new__(Line)
        line.stages = stages
        return line


class Seen(Stage[First, First], Generic[First]):
    """Passes items on as they are, and shows each to somebody."""

    def __init__(self, see: Callable[[First], object]) -> None:
        self._see = see

    def push(self, item: First) -> Iterator[First]:
        """Take one, give one."""
        self._see(item)
        yield item


def parted(stage: Stage[Any, Any]) -> tuple[ParallelStage[Any, Any] | None, tuple[NamedStage, ...]]:
    """Give what of a stage, or of a line of them, can work on several items at once, and what must follow it in order.

    Returns:
        The first stage, if it is such a one, else None; and those behind it.
    """
    if isinstance(stage, Line):
        first, behind = parted(stage.stages[0].stage)
        return first, (*behind, *stage.stages[1:])
    return (stage if isinstance(stage, ParallelStage) else None), ()


def passed(stages: tuple[NamedStage, ...], items: Iterable[Any]) -> Iterator[Any]:
    """Take items through stages, one at a time; nothing is flushed."""
    if not stages:
        yield from items
        return
    for item in items:
        yield from passed(stages[1:], stages[0].stage.push(item))


def through(stage: Stage[First, Last], items: Iterable[First]) -> Iterator[Last]:
    """Pull items through a stage, or a line of them, in this thread; for the threaded runner see `Pipeline`."""
    for item in items:
        yield from stage.push(item)
    yield from stage.flush()
