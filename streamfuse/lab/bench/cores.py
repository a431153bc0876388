"""How a run would grow with the number of cores: a model of its threads, from what was measured on one of them.

A frame needs so much CPU time of any core, and for a part of it the interpreter, which one thread has at a time. That
is a closed network of as many customers as there are cores, with one queue: mean value analysis (Reiser and Lavenberg,
1980) gives its rate. Decoder, labels and encoder each have one thread that hands over frames in order; none can be
quicker than that. FFmpeg's decoder and encoder are taken to use as many cores as there are, by frames at once. What is
left out: how quick memory is when all cores ask for it, and turns (a few small steps of each bracket come in order).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamfuse.lab.bench.interpreter import InterpreterWatch
from streamfuse.lab.bench.runs import measure_run
from streamfuse.lab.bench.stages import chain_in_this_thread, one_thread, written
from streamfuse.runtime.line import through
from streamfuse.runtime.sources import open_source

CORES = (1, 2, 4, 8, 16, 32, 64)
_ORDERED = ("decode", "label", "encode")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a run, per frame, in milliseconds.

    Args:
        cpu_ms: CPU time of all threads.
        own_ms: of that, of the thread that hands the frames over.
        held_ms: for which that thread holds the interpreter.
    """

    cpu_ms: float
    own_ms: float
    held_ms: float


def predict(parts: Mapping[str, Part], cores: int) -> tuple[float, str]:
    """Frames per second, and what keeps it from being more: `cores`, `interpreter`, or a part in order.

    Args:
        parts: decode, label, fuse and encode.
        cores: 1 or more.

    Example:
        >>> predict({"fuse": Part(100, 100, 0)}, 4)
        (40.0, 'cores')
    """
    total, held = sum(part.cpu_ms for part in parts.values()), sum(part.held_ms for part in parts.values())
    waiting, rate = 0.0, 0.0
    for customers in range(1, cores + 1):
        at_interpreter = held * (1 + waiting)
        rate = customers / (total - held + at_interpreter)
        waiting = rate * at_interpreter
    limit = "interpreter" if rate * total < 0.8 * cores else "cores"
    for name in _ORDERED:
        if name in parts and rate * parts[name].own_ms > 1:
            rate, limit = 1 / parts[name].own_ms, name
    return 1e3 * rate, limit


def measure_cores(clip: Path, preset: str, folder: Path, report: Callable[[str], None]) -> dict[str, Any]:
    """Measure the parts of a run on one core, predict its rate on many, and run it on one CPU and on all.

    Args:
        clip: a video.
        preset: fast, balanced or best.
        folder: for what is written meanwhile.
        report: told what is being measured, a line each.

    Raises:
        UsageError: the interpreter cannot be watched here.
    """
    report(f"Parts of a run, {preset}")
    with ThreadPoolExecutor(1) as pool:  # as in the pipeline: not in the main thread
        parts = pool.submit(_measure, clip, preset, folder / "cores.mkv").result()
    found = {cores: predict(parts, cores) for cores in CORES}
    return {
        "parts": {
            name: {key: round(ms, 2) for key, ms in asdict(part).items()} for name, part in parts.items()
        },
        "fps": {str(cores): round(fps, 1) for cores, (fps, _) in found.items()},
        "limit": {str(cores): limit for cores, (_, limit) in found.items()},
        "measured_fps": dict(_checks(clip, preset, folder, report)),
    }


def _checks(
    clip: Path, preset: str, folder: Path, report: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    """Rates of whole runs on one CPU and on all of them."""
    cpus = sorted(os.sched_getaffinity(0))
    for count in sorted({1, len(cpus)}):
        report(f"Run on {count} CPU{'s' * (count > 1)}, {preset}")
        with _only(cpus[:count]):
            run = measure_run(preset, clip, str(folder / "cores.mkv"))
        if run is not None:
            yield str(count), run.fps


@contextmanager
def _only(cpus: Sequence[int]) -> Iterator[None]:
    """Let this process, and those that it starts, use these CPUs only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _measure(clip: Path, preset: str, output: Path) -> dict[str, Part]:
    watch = InterpreterWatch()
    with one_thread(), open_source(clip, threads=1) as source:
        frames, decode = _part(watch, lambda: list(source))
        brackets, label = _part(watch, lambda: list(through(chain_in_this_thread(preset).front.line, frames)))
        list(chain_in_this_thread(preset).fusion.push(brackets[0]))  # loops are read from disk
        fused, fuse = _part(watch, lambda: list(through(chain_in_this_thread(preset).fusion, brackets)))
        _, encode = _part(watch, lambda: written(fused, source.info, str(output)))
    output.unlink(missing_ok=True)
    count = len(frames)
    taken = {"decode": decode, "label": label, "fuse": fuse, "encode": encode}
    return {name: Part(*(1e3 * seconds / count for seconds in one)) for name, one in taken.items()}


def _part(watch: InterpreterWatch, work: Callable[[], Any]) -> tuple[Any, tuple[float, float, float]]:
    """Give what the work gives, and CPU seconds: of all threads but the watch, of this one, and of the interpreter."""
    results: list[Any] = []
    began = time.process_time()
    held = watch.measure(lambda: results.append(work()))
    return results[0], (time.process_time() - began - held.watch_s, held.cpu_s, held.held_s)
