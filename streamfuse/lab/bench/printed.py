"""Figures of `streamfuse bench` as tables on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

# Part -> title, and of each column its heading, its key, and how its figure is written.
_COLUMNS: Mapping[str, tuple[str, Sequence[tuple[str, str, str]]]] = {
    "stages": (
        "Stages alone, one thread, ms per frame (calls: the calls alone; of peak: of what the machine can do)",
        [
            ("preset", "preset", "{}"), ("size", "size", "{}"), ("stage", "stage", "{}"),
            ("CPU ms", "cpu_ms", "{:.2f}"), ("p50", "p50_ms", "{:.2f}"), ("p95", "p95_ms", "{:.2f}"),
            ("p99", "p99_ms", "{:.2f}"), ("calls", "calls_ms", "{:.2f}"), ("of peak", "share", "{:.0%}"),
        ],
    ),
    "profile": (
        "Kinds of work, CPU ms per frame",
        [
            ("preset", "preset", "{}"), ("size", "size", "{}"), ("codecs", "codecs", "{:.1f}"),
            ("kernels", "kernels", "{:.1f}"), ("copies", "copies", "{:.1f}"), ("Python", "python", "{:.1f}"),
            ("copies and Python", "overhead", "{:.0%}"),
        ],
    ),
    "fusion": (
        "Fusion alone, one thread, two exposures",
        [
            ("method", "method", "{}"), ("size", "size", "{}"), ("CPU s / MP", "cpu_s_per_mp", "{:.4f}"),
            ("peak MB", "peak_mb", "{:.0f}"),
        ],
    ),
    "runs": (
        "Whole runs",
        [
            ("method", "method", "{}"), ("size", "size", "{}"), ("to", "output", "{}"), ("fps", "fps", "{:.1f}"),
            ("CPU s / MP", "cpu_s_per_mp", "{:.4f}"), ("peak MB", "peak_mb", "{:.0f}"),
        ],
    ),
}  # fmt: skip


def tables(figures: dict[str, Any]) -> Iterator[Table]:
    """Give one table for each part that was measured."""
    for part, (title, columns) in _COLUMNS.items():
        if rows := figures.get(part):
            cells = [tuple(how.format(row[key]) for _, key, how in columns) for row in rows]
            yield _table(title, tuple(heading for heading, _, _ in columns), cells)
    if figures.get("cores"):
        cores = list(figures["cores"][0]["fps"])
        yield _table(
            "Predicted frames per second on so many cores, and what limits them",
            ("preset", "size", *cores, "measured"),
            [
                (
                    row["preset"], row["size"],
                    *(f"{row['fps'][count]:.0f} ({row['limit'][count]})" for count in cores),
                    ", ".join(f"{count}: {fps:.1f}" for count, fps in row["measured_fps"].items()),
                )
                for row in figures["cores"]
            ],
        )  # fmt: skip
    if figures.get("ratios"):
        yield _table(
            "Frame rate over others, to disk",
            ("method", "size", "times", "with the start and the end of Python"),
            [
                (
                    row["method"],
                    row["size"],
                    *(
                        ", ".join(f"{times:g} x {name}" for name, times in row[kind].items())
                        for kind in ("over", "whole")
                    ),
                )
                for row in figures["ratios"]
            ],
        )


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:  # a cut size or name says nothing; a narrow screen breaks the lines of headings
        table.add_column(column, no_wrap=column in ("preset", "size", "stage"))
    for row in rows:
        table.add_row(*row)
    return table
