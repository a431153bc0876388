"""`streamfuse bench`: parse, call, print."""

from __future__ import annotations

import re
from pathlib import Path

import click

from streamfuse.cli.common_options import BASELINES, JSON_FILE, PRESETS

_SIZES = ("1280x720", "1920x1080")
_QUICK_SIZE = (1280, 720)
_QUICK_FRAMES = 24


@click.command()
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="WxH",
    help=f"Of the clip; repeatable. Default: {' and '.join(_SIZES)}.",
)
@click.option(
    "--preset",
    "--presets",
    "presets",
    multiple=True,
    type=click.Choice(PRESETS),
    default=("fast", "balanced"),
    show_default=True,
    help="Repeatable.",
)
@click.option("--frames", type=click.IntRange(min=8), default=60, show_default=True, help="Of each clip.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Of each run; the median counts.",
)
@BASELINES
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["stages", "profile", "fusion", "runs", "cores"]),
    help="Measure this only; repeatable. Default: all but cores, which predicts the rate on more cores.",
)
@click.option(
    "--quick", is_flag=True, help=f"{_QUICK_FRAMES} frames, once; 1280x720 only, unless --size is given."
)
@JSON_FILE
@click.option("--add", is_flag=True, help="Add to the figures that FILE holds already.")
def bench(
    sizes: tuple[str, ...],
    presets: tuple[str, ...],
    frames: int,
    repeats: int,
    baselines: bool,
    parts: tuple[str, ...],
    quick: bool,
    json_file: Path | None,
    add: bool,
) -> None:
    """Measure how fast this machine fuses, beside baselines and beside what the machine can do at most.

    The clip is the built-in sample, encoded to a temporary file. Stages are measured alone on one thread; whole runs
    from file to file, with all threads, each in a process of its own.

    \b
    streamfuse bench --quick
    streamfuse bench --size 1920x1080 --preset fast --json figures.json
    """
    from streamfuse.core.output_file import check_output_file
    from streamfuse.lab.bench.benchmark import (
        PARTS,
        USUAL_PARTS,
        BenchPlan,
        read_figures,
        run_bench,
        write_figures,
    )

    if json_file is not None:
        check_output_file(json_file)
    old = read_figures(json_file) if json_file is not None and add and json_file.is_file() else None
    plan = BenchPlan(
        sizes=[_QUICK_SIZE] if quick and not sizes else list(dict.fromkeys(map(_size, sizes or _SIZES))),
        presets=list(dict.fromkeys(presets)),
        frames=_QUICK_FRAMES if quick else frames,
        repeats=1 if quick else repeats,
        baselines=baselines,
        parts=[part for part in PARTS if part in (parts or USUAL_PARTS)],
    )
    so_far: dict[str, object] = {}

    def keep(figures: dict[str, object]) -> None:
        so_far.update(figures if json_file is None else write_figures(figures, json_file, old))

    try:
        run_bench(plan, lambda line: click.echo(line, err=True), keep)
    finally:  # what was measured before something failed is worth having
        _show(so_far, json_file)


def _show(figures: dict[str, object], json_file: Path | None) -> None:
    from rich.console import Console

    from streamfuse.lab.bench.printed import tables

    if figures and json_file is not None:
        click.echo(f"Figures written to {json_file}.", err=True)
    console = Console()
    for table in tables(figures):
        console.print(table)


def _size(text: str) -> tuple[int, int]:
    from streamfuse.errors import UsageError

    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise UsageError(f"--size {text!r} is not a size; write 1280x720.")
    return int(found[1]), int(found[2])
