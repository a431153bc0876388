"""A stage that works on all of its items at once, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from streamfuse.core.protocols import ParallelStage

In = TypeVar("In")
Out = TypeVar("Out")


def at_once(stage: ParallelStage[In, Out], items: Sequence[In]) -> list[Out]:
    """What a stage gives for items that it takes in order, and works on in the reverse order if it may."""
    works = [stage.begin(item) for item in items]
    with ThreadPoolExecutor(len(works)) as pool:
        done = [pool.submit(lambda work=work: list(work())) for work in reversed(works)]
        return [*(one for future in reversed(done) for one in future.result()), *stage.flush()]
