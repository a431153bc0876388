"""Whole runs, each in a process of its own: `python -m streamfuse.lab.bench.runs METHOD CLIP OUTPUT`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from streamfuse.core.process import importing, keep_memory, leave_all_at_exit
from streamfuse.errors import StreamfuseError
from streamfuse.lab.bench.baseline_stages import BASELINE_STAGES
from streamfuse.lab.evaluate.cost import in_own_process, resident_mb
from streamfuse.runtime.statistics import Statistics

NOT_HERE = "  does not run here, and is left out"
NULL = "null:"
SPEED = "ultrafast"  # the encoder's preset, of clips that are made and of the stage alone; runs take the usual one


@dataclass(frozen=True, slots=True)
class Run:
    """A method over a clip, from the decoded file to the output.

    Args:
        method: `streamfuse PRESET` or a baseline.
        output: `disk` or `null`.
        frames: that came out.
        fps: of the pipeline, without starting Python.
        whole_fps: frames over the life of the process: Python and all that is imported at its start, clearing up at
            its end; 0 where that was not measured.
        cpu_s_per_mp: CPU seconds of the process per megapixel that came out.
        peak_mb: largest resident size of the process, MB (1e6 bytes).
        busy_ms: thread -> milliseconds per frame in which it had work (waiting for a core included).
    """

    method: str
    output: str
    frames: int
    fps: float
    cpu_s_per_mp: float
    peak_mb: float
    busy_ms: dict[str, float]
    whole_fps: float = 0.0


def measure_runs(
    wanted: Sequence[tuple[str, str]], clip: Path, repeats: int, report: Callable[[str], None]
) -> list[Run]:
    """Of each method the run of median speed; without methods that fail here.

    All methods take turns, so that what else the machine does meets all of them alike. A first turn is not counted:
    on a new machine it compiles.

    Args:
        wanted: methods (`fast`, `balanced`, `best`, or one of `BASELINE_STAGES`), each with a file to write, or `NULL`.
        clip: a video.
        repeats: 1 or more.
        report: told which run begins, and what it gave, a line each.
    """
    runs: dict[tuple[str, str], list[Run]] = {pair: [] for pair in wanted}
    for turn in range(1 + repeats):
        for method, output in list(runs):
            times = f"{turn} of {repeats}" if turn else "not counted"
            report(f"{method}, to {'null' if output == NULL else 'disk'}, {times}")
            run = measure_run(method, clip, output)
            report(NOT_HERE if run is None else f"  {run.fps:.1f} frames per second")
            if run is None:
                del runs[method, output]
            elif turn:
                runs[method, output].append(run)
    return [_middle(done) for done in runs.values()]


def measure_run(method: str, clip: Path, output: str) -> Run | None:
    """Time one run; None where the method fails here. Arguments as of `measure_runs`."""
    began = time.perf_counter()
    found = in_own_process("streamfuse.lab.bench.runs", method, str(clip), output)
    seconds = time.perf_counter() - began
    if found is None:
        return None
    run = Run(**found)
    return replace(run, whole_fps=round(run.frames / seconds, 3))


def _middle(runs: Sequence[Run]) -> Run:
    middle = median(run.fps for run in runs)
    return min(runs, key=lambda run: abs(run.fps - middle))


def _measure(method: str, clip: str, output: str) -> Run:
    began = time.process_time()
    if method in BASELINE_STAGES:
        statistics, pixels = _run_baseline(method, clip, output)
        name = method
    else:
        began, statistics, pixels = _run_preset(method, clip, output)
        name = f"streamfuse {method}"
    cpu = time.process_time() - began
    frames = max(statistics.frames_out, 1)
    return Run(
        method=name,
        output="null" if output == NULL else "disk",
        frames=statistics.frames_out,
        fps=round(statistics.fps, 3),
        cpu_s_per_mp=round(cpu / frames / (pixels / 1e6), 5),
        peak_mb=round(resident_mb("VmHWM"), 1),
        busy_ms={stage.name: round(stage.busy_seconds / frames * 1e3, 2) for stage in statistics.stages},
    )


def _run_preset(preset: str, clip: str, output: str) -> tuple[float, Statistics, int]:
    """(CPU seconds of the process when all was open, statistics, pixels of a frame)."""
    keep_memory()  # as the command does
    with importing():
        from streamfuse.config import Config
        from streamfuse.runtime.file_run import FileFusion

    config = Config().with_overrides(preset=preset, device="cpu", overwrite=True)
    last: list[Statistics] = []
    fusion = FileFusion([clip], output, config, progress=lambda statistics, *_: last.append(statistics))
    began = time.process_time()
    fusion.run()
    return began, last[-1], fusion.source_info.width * fusion.source_info.height


def _run_baseline(method: str, clip: str, output: str) -> tuple[Statistics, int]:
    from streamfuse.runtime.line import Line
    from streamfuse.runtime.pipeline import Pipeline
    from streamfuse.runtime.sinks import open_sink
    from streamfuse.runtime.sources import open_source

    with open_source(clip) as source:
        info = source.info
        sink = open_sink(output, info, overwrite=True, quick=True)  # as `fast`
        with sink:
            statistics = Pipeline(source, Line(method, BASELINE_STAGES[method]()), [sink]).run()
        return statistics, info.width * info.height


if __name__ == "__main__":
    leave_all_at_exit()
    try:
        print(json.dumps(asdict(_measure(*sys.argv[1:4]))))
    except StreamfuseError as error:
        sys.exit(str(error))
