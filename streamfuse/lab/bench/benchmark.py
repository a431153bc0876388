"""Speed of stages, of the fusion alone and of whole runs, beside baselines and beside what the machine can do."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from streamfuse.core.output_file import write_json_file
from streamfuse.core.values import PRESET_NETWORK
from streamfuse.errors import UsageError
from streamfuse.lab.bench.baseline_stages import ALONE, DIS, MTB
from streamfuse.lab.bench.ceiling import Ceiling, measure_ceiling
from streamfuse.lab.bench.cores import measure_cores
from streamfuse.lab.bench.profile import measure_shares
from streamfuse.lab.bench.runs import NOT_HERE, NULL, SPEED, measure_runs
from streamfuse.lab.bench.stages import measure_stages
from streamfuse.lab.evaluate.cost import GUIDED, PLANES, RELEASED, measure_cost
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.stored import store
from streamfuse.synthetic.sample_source import SampleSource

Figures = dict[str, Any]
Rows = list[dict[str, Any]]
Part = Literal["stages", "profile", "fusion", "runs", "cores"]
PARTS: tuple[Part, ...] = get_args(Part)
USUAL_PARTS = tuple(part for part in PARTS if part != "cores")
_TINY = (96, 54)  # a frame with hardly a pixel: what is left of the time is Python and calls
_RELEASED_SIZE = (480, 270)  # its attention grows with the square of the pixels


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to measure.

    Args:
        sizes: (width, height) of the clips, even numbers.
        presets: fast, balanced, best.
        frames: of each clip.
        repeats: of each run, after one that does not count; the median counts.
        baselines: measure the baselines too.
        parts: stages alone, what kind of work takes the time, fusion alone, whole runs, a model of many cores.
    """

    sizes: Sequence[tuple[int, int]] = ((1280, 720), (1920, 1080))
    presets: Sequence[str] = ("fast", "balanced")
    frames: int = 60
    repeats: int = 3
    baselines: bool = True
    parts: Sequence[Part] = USUAL_PARTS


def run_bench(
    plan: BenchPlan, report: Callable[[str], None], keep: Callable[[Figures], None] | None = None
) -> Figures:
    """Measure; the result is ready for JSON.

    Args:
        plan: what.
        report: told what is being measured, a line each.
        keep: given all figures so far after each part, so that they are not lost if a later one fails.

    Raises:
        UsageError: odd or too small sizes, too few frames.
    """
    _check(plan)
    ceiling = measure_ceiling()
    environment = describe_environment()
    call = {
        "environment": environment,
        "clip": f"sample:, {plan.frames} frames, 8-bit 4:2:0, H.264, {SPEED}",
        "repeats": plan.repeats,
        "ceiling": asdict(ceiling),
    }
    figures: Figures = {"calls": [call], **{part: [] for part in plan.parts}}
    with tempfile.TemporaryDirectory(prefix="streamfuse-bench-") as name:
        for part, rows in _parts(plan, Path(name), ceiling, report):
            figures[part] += [{**row, "call": environment["date"]} for row in rows]
            if keep is not None:
                keep(figures)
    return figures


def _parts(
    plan: BenchPlan, folder: Path, ceiling: Ceiling, report: Callable[[str], None]
) -> Iterator[tuple[Part, Rows]]:
    """Each part that is wanted, at each size, and its rows."""
    if "fusion" in plan.parts:
        yield "fusion", _fusion(plan, report)
    for size in plan.sizes if set(plan.parts) != {"fusion"} else ():
        yield from _on_a_clip(plan, size, folder, ceiling, report)


def _on_a_clip(
    plan: BenchPlan, size: tuple[int, int], folder: Path, ceiling: Ceiling, report: Callable[[str], None]
) -> Iterator[tuple[Part, Rows]]:
    """Give the parts that measure a clip of one size; what they write meanwhile lies beside it."""
    named = _named(size)
    report(f"Making a clip of {named}")
    clip = make_clip(folder / f"{named}.mp4", size, plan.frames)
    of_a_preset: Mapping[Part, Callable[[str], Rows]] = {
        "stages": lambda preset: _stages(clip, preset, plan.frames, ceiling),
        "profile": lambda preset: [measure_shares(clip, preset, folder / "out.mkv").as_dict()],
        "cores": lambda preset: [measure_cores(clip, preset, folder, report)],
    }
    for part in (part for part in PARTS if part in plan.parts):
        if part == "runs":
            yield part, _runs(plan, clip, lambda line: report(f"{named}, {line}"))
        elif part in of_a_preset:
            rows: Rows = []
            for preset in plan.presets:
                report(f"{part}, {preset}, {named}")
                rows += [{"preset": preset, "size": named, **row} for row in of_a_preset[part](preset)]
            yield part, rows


def make_clip(path: Path, size: tuple[int, int], frames: int) -> Path:
    """Encode the built-in sample scene: an alternating clip."""
    store(path, SampleSource(*size, frames), speed=SPEED)
    return path


def merged(old: Figures, new: Figures) -> Figures:
    """Figures of several calls on one machine; each row says by its date which call it is of.

    Raises:
        UsageError: they come from different machines.
    """
    was, now = (figures["calls"][-1]["environment"]["machine"] for figures in (old, new))
    if was != now:
        raise UsageError(f"The figures there are of another machine ({was}): name another file.")
    return {name: [*old.get(name, []), *new.get(name, [])] for name in ("calls", *PARTS)}


def ratios(figures: Figures) -> Rows:
    """Frame rate of each run to disk over those of the baselines at its size, in the same call.

    `over` is of the pipelines, `whole` of the processes, with the start and the end of Python.
    """
    rows = [row for row in figures.get("runs", []) if row["output"] == "disk"]
    found = []
    for row in rows:
        same = [other for other in rows if (other["size"], other["call"]) == (row["size"], row["call"])]
        if row["method"].startswith("streamfuse"):
            times = {kind: _times(row, same, kind) for kind in ("fps", "whole_fps")}
            same_row = {key: row[key] for key in ("method", "size", "call")}
            found.append({**same_row, "over": times["fps"], "whole": times["whole_fps"]})
    return found


def _times(row: dict[str, Any], others: Sequence[dict[str, Any]], kind: str) -> dict[str, float]:
    """Give a rate over those of the baselines; without those that were not measured."""
    rates = {other["method"]: other.get(kind) for other in others}
    return {
        name: round(row[kind] / rate, 2)
        for name in (ALONE, MTB, DIS)
        if (rate := rates.get(name)) and kind in row
    }


def read_figures(path: Path) -> Figures:
    """Give what an earlier call wrote.

    Raises:
        UsageError: the file holds no figures.
    """
    try:
        figures: Figures = json.loads(path.read_text(encoding="utf-8"))
        figures["calls"][-1]["environment"]["machine"]
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{path} holds no figures of this command: name another file.") from error
    return figures


def write_figures(figures: Figures, path: Path, old: Figures | None = None) -> Figures:
    """Write them as JSON, added to `old` ones; returns what was written.

    Raises:
        UsageError: see `merged`.
        OutputError: it cannot be written; an old file is as it was.
    """
    if old is not None:
        figures = merged(old, figures)
    figures = {**figures, "ratios": ratios(figures)}
    write_json_file(path, figures)
    return figures


def _stages(clip: Path, preset: str, frames: int, ceiling: Ceiling) -> Rows:
    """Time the stages alone; and those of tiny frames, whose time is that of the calls."""
    output, tiny = clip.with_name("out.mkv"), clip.with_name("tiny.mp4")
    if not tiny.exists():
        make_clip(tiny, _TINY, frames)
    calls = {cost.stage: cost.cpu_ms for cost in measure_stages(tiny, preset, output, ceiling)}
    costs = measure_stages(clip, preset, output, ceiling)
    return [{**asdict(cost), "calls_ms": calls.get(cost.stage, 0.0)} for cost in costs]


def _fusion(plan: BenchPlan, report: Callable[[str], None]) -> Rows:
    """Time the fusion alone, of the largest size, beside other fusions."""
    width, height = max(plan.sizes)
    methods = [(f"{PRESET_NETWORK[preset]}{PLANES}", (width, height)) for preset in plan.presets]
    if plan.baselines:
        methods += [(name, (width, height)) for name in ("opencv-mertens", "enfuse", GUIDED)]
        methods.append((RELEASED, _RELEASED_SIZE))
    rows = []
    for place, (method, (columns, lines)) in enumerate(methods, 1):
        report(f"Fusion alone, {method}, {columns}x{lines} ({place} of {len(methods)})")
        cost = measure_cost(method, columns, lines)
        report(NOT_HERE if cost is None else f"  {cost.cpu_s_per_mp:.4f} CPU s / MP")
        if cost is not None:
            rows.append({"size": _named((columns, lines)), **asdict(cost)})
    return rows


def _runs(plan: BenchPlan, clip: Path, report: Callable[[str], None]) -> Rows:
    """Whole runs, to nowhere and to the disk."""
    disk = str(clip.with_name("run.mkv"))
    wanted = [(ALONE, disk), *((preset, output) for preset in plan.presets for output in (disk, NULL))]
    if plan.baselines:
        wanted += [(MTB, disk), (DIS, disk)]
    return [{"size": clip.stem, **asdict(run)} for run in measure_runs(wanted, clip, plan.repeats, report)]


def _check(plan: BenchPlan) -> None:
    for width, height in plan.sizes:
        if min(width, height) < 32 or width % 2 or height % 2:
            raise UsageError(
                f"A clip of {width}x{height} cannot be made: give even numbers from 32 on, such as 1280x720."
            )
    if plan.frames < 8:
        raise UsageError(f"{plan.frames} frames are too few to measure: give 8 or more.")


def _named(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
