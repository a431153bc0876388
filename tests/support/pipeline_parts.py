"""Parts of a pipeline that keep a log of what happens to them, and fail where they are told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce

from streamfuse.core.protocols import Drain, Feed, Stage
from streamfuse.runtime.line import Line


class FaultError(Exception):
    """Raised on purpose by the parts below."""


@dataclass
class Log:
    """What happened, in order; and what is to go wrong, by place."""

    faults: frozenset[str] = frozenset()
    closed: list[str] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)

    def at(self, place: str) -> None:
        if place in self.faults:
            self.fired.append(place)
            raise FaultError(place)


class Numbers(Feed[int]):
    """A source of 0, 1, 2, ..."""

    def __init__(self, count: int, log: Log | None = None, hook: Callable[[int], None] | None = None) -> None:
        self.count, self.log, self.hook = count, log or Log(), hook
        self.delivered = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.log.at(f"source {number}")
            if self.hook:
                self.hook(number)
            self.delivered += 1
            yield number
        self.log.at("source end")

    def close(self) -> None:
        self.log.closed.append("source")
        self.log.at("source close")


class Delay(Stage[int, int]):
    """A stage that always holds back one item, as pairing does."""

    def __init__(self, name: str = "delay", log: Log | None = None, seconds: float = 0.0) -> None:
        self.name, self.log, self.seconds = name, log or Log(), seconds
        self.held: list[int] = []

    def push(self, item: int) -> list[int]:
        self.log.at(f"{self.name} push {item}")
        time.sleep(self.seconds)
        ready, self.held = self.held, [item]
        return ready

    def flush(self) -> Iterator[int]:
        self.log.at(f"{self.name} flush")
        yield from self.held

    def close(self) -> None:
        self.log.closed.append(self.name)
        self.log.at(f"{self.name} close")


class Store(Drain[int]):
    """A sink that keeps what it gets."""

    def __init__(self, name: str = "sink", log: Log | None = None, seconds: float = 0.0) -> None:
        self.name, self.log, self.seconds = name, log or Log(), seconds
        self.outputs: list[str] = []
        self.items: list[int] = []

    def write(self, frame: int, /) -> None:
        self.log.at(f"{self.name} write {frame}")
        time.sleep(self.seconds)
        self.items.append(frame)

    def close(self) -> None:
        self.log.closed.append(self.name)
        self.log.at(f"{self.name} close")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.left_by = error
        self.close()


NO_STAGE: Line[int, int] = Line.empty()


def in_order(stages: Sequence[Delay]) -> Line[int, int]:
    """A line of stages, each called by its own name."""
    return reduce(lambda line, stage: line.then(stage.name, stage), stages, NO_STAGE)
