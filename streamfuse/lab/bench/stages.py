"""Each stage alone, item by item: wall time, CPU time, and how near that is to what the machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamfuse.align.aligner import Aligner
from streamfuse.config import Config
from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.protocols import SourceInfo, Stage
from streamfuse.core.turns import InLine
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.lab.bench.ceiling import Ceiling
from streamfuse.lab.bench.runs import SPEED
from streamfuse.runtime.chain import Chain, build_chain
from streamfuse.runtime.sinks import open_sink
from streamfuse.runtime.sources import open_source

_WARM_UP = 0.25  # share of the items at the beginning that do not count: caches, and labels found all at once
_FRAME = 1.5  # bytes per pixel of 8 bit 4:2:0
# Least bytes per pixel of the frame that a stage reads and writes, for two exposures.
_MOVED = {
    "decode": _FRAME,
    "label": 1.0,
    "pair": 0.0,
    "align": 3 * _FRAME,  # reads a frame and a neighbour, writes an exposure
    "weigh": 2.0,
    "smooth": 0.0,
    "blend": 3 * _FRAME,
    "encode": _FRAME,
    "publish": 0,  # nobody listens, so nothing is encoded or sent
}


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage on one thread, per frame.

    Args:
        stage: its name.
        cpu_ms: CPU time of all threads, median; of decode and encode the mean.
        p50_ms, p95_ms, p99_ms: wall time of one item.
        moved_mb: megabytes that it has to read and write at least.
        operations_m: millions of multiplications and additions of its network.
        share: least time by the ceilings of the machine / CPU time.
    """

    stage: str
    cpu_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    moved_mb: float
    operations_m: float
    share: float


class Times:
    """Wall and CPU times, in seconds, of the items of one stage."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def of(self, call: Callable[[], Any]) -> Any:
        """Call it and note how long it took."""
        cpu, wall = self._clock(), time.perf_counter()
        result = call()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(self._clock() - cpu)
        return result


def measure_stages(clip: Path, preset: str, output: Path, ceiling: Ceiling) -> list[StageCost]:
    """Time all stages over a clip, one after the other, with OpenCV and torch on one thread.

    Args:
        clip: a video.
        preset: fast, balanced or best.
        output: file that the encoder writes; removed afterwards.
        ceiling: of this machine.
    """
    # A thread of its own, as in the pipeline: memory is handed out in another way in the main thread.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_measure, clip, preset, output, ceiling).result()


def _measure(clip: Path, preset: str, output: Path, ceiling: Ceiling) -> list[StageCost]:
    with one_thread():
        info, frames, decode = decoded(clip)
        times, fused, operations = _chain(frames, preset)
        times = {"decode": decode, **times, "encode": written(fused, info, str(output))}
        times["publish"] = written(fused, info, f"pub+bind:ipc://{output}.socket")
        output.unlink(missing_ok=True)
    pixels = info.width * info.height
    return [
        _cost(name, one, pixels, operations if name == "weigh" else 0.0, ceiling)
        for name, one in times.items()
    ]


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV and torch on one thread."""
    import cv2
    import torch

    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])


def chain_in_this_thread(preset: str) -> Chain:
    """Give the chain of a preset on the CPU, with all of its work in the thread that asks."""
    chain = build_chain(Config().with_overrides(preset=preset, device="cpu"))
    for named in chain.line.stages:
        if isinstance(named.stage, Aligner):
            named.stage.executor = InLine()
    return chain


def decoded(clip: Path) -> tuple[SourceInfo, list[Frame], Times]:
    """Give the frames of a clip, and the times of all threads for each."""
    times = Times(time.process_time)
    frames: list[Frame] = []
    with open_source(clip) as source:
        items = iter(source)
        while (frame := times.of(lambda: next(items, None))) is not None:
            frames.append(frame)
        return source.info, frames, times


def _chain(frames: Sequence[Frame], preset: str) -> tuple[dict[str, Times], list[FusedFrame], float]:
    """Times by stage, the fused frames, and operations of the network per frame."""
    from streamfuse.backends.cuda.counted import network_operations

    chain = build_chain(Config().with_overrides(preset=preset, device="cpu"))
    times = {named.name: Times(time.process_time) for named in chain.line.stages}
    stages, fused = chain.line.stages, list[FusedFrame]()
    operations = 0.0

    def push(place: int, items: Iterable[Any]) -> None:
        nonlocal operations
        for item in items:
            if place == len(stages):
                fused.append(item)
                continue
            named = stages[place]
            if named.name == "weigh" and not operations:
                assert isinstance(chain.fuser, LcndrFuser)
                operations = float(network_operations(frames[0].height, frames[0].width, chain.fuser))
            push(place + 1, times[named.name].of(partial(_taken, named.stage, item)))

    push(0, frames)
    for place, named in enumerate(stages):
        push(place + 1, named.stage.flush())
    return times, fused, operations


def _taken(stage: Stage[Any, Any], item: Any) -> list[Any]:
    return list(stage.push(item))


def written(frames: Sequence[FusedFrame], info: SourceInfo, output: str) -> Times:
    """Write frames; the times of all threads for each. The CPU time is the mean of all frames."""
    times = Times(time.process_time)
    speed = SPEED if "://" not in output else None
    with open_sink(output, info, speed=speed, overwrite=speed is not None) as sink:
        for frame in frames:
            times.of(partial(sink.write, frame))
        began = time.process_time()
    # What the encoder's threads still had to do belongs to its frames.
    times.cpu = [float(np.mean(times.cpu)) + (time.process_time() - began) / max(len(frames), 1)]
    return times


def _cost(name: str, times: Times, pixels: int, operations: float, ceiling: Ceiling) -> StageCost:
    cpu = float(np.mean(times.cpu)) if name == "decode" else float(np.median(_settled(times.cpu)))
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(_settled(times.wall), (50, 95, 99)))
    moved = _MOVED.get(name, 0.0) * pixels
    least = ceiling.least_seconds(moved, operations)
    return StageCost(
        stage=name,
        cpu_ms=round(cpu * 1e3, 3),
        p50_ms=round(p50, 3),
        p95_ms=round(p95, 3),
        p99_ms=round(p99, 3),
        moved_mb=round(moved / 1e6, 3),
        operations_m=round(operations / 1e6, 1),
        share=round(least / max(cpu, 1e-9), 4),
    )


def _settled(values: Sequence[float]) -> Sequence[float]:
    return values[int(len(values) * _WARM_UP) :]
