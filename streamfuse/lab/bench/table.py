"""Figures of `streamfuse bench` as tables on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


def tables(figures: dict[str, Any]) -> Iterator[Table]:
    """One table for each part that was measured."""
    if figures.get("stages"):
        yield _table(
            "Stages alone, one thread, ms per frame (calls: the calls alone; of peak: of what the machine can do)",
            ("preset", "size", "stage", "CPU ms", "p50", "p95", "p99", "calls", "of peak"),
            [
                (
                    row["preset"], row["size"], row["stage"], f"{row['cpu_ms']:.2f}", f"{row['p50_ms']:.2f}",
                    f"{row['p95_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{row['calls_ms']:.2f}", f"{row['share']:.0%}",
                )
                for row in figures["stages"]
            ],
        )  # fmt: skip
    if figures.get("profile"):
        yield _table(
            "Kinds of work, CPU ms per frame",
            ("preset", "size", "codecs", "kernels", "copies", "Python", "copies and Python"),
            [
                (
                    row["preset"], row["size"], f"{row['codecs']:.1f}", f"{row['kernels']:.1f}",
                    f"{row['copies']:.1f}", f"{row['python']:.1f}", f"{row['overhead']:.0%}",
                )
                for row in figures["profile"]
            ],
        )  # fmt: skip
    if figures.get("fusion"):
        yield _table(
            "Fusion alone, one thread, two exposures",
            ("method", "size", "CPU s / MP", "peak MB"),
            [
                (row["method"], row["size"], f"{row['cpu_s_per_mp']:.4f}", f"{row['peak_mb']:.0f}")
                for row in figures["fusion"]
            ],
        )
    if figures.get("runs"):
        yield _table(
            "Whole runs",
            ("method", "size", "to", "fps", "CPU s / MP", "peak MB"),
            [
                (
                    row["method"], row["size"], row["output"], f"{row['fps']:.1f}", f"{row['cpu_s_per_mp']:.4f}",
                    f"{row['peak_mb']:.0f}",
                )
                for row in figures["runs"]
            ],
        )  # fmt: skip
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
