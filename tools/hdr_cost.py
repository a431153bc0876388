"""CPU time and memory of high dynamic range beside those of ordinary fusion, on the built-in scene at 1080p.

    python tools/hdr_cost.py --json benchmarks/hdr-cost.json

Each is run with few and with more frames, in turn; the difference is what frames cost, without the start. Of all rounds
the cheapest counts. Memory is the most that a run held at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tool_options import help_of

from streamfuse.cli.common_options import JSON_FILE, PRESETS
from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.stored import store
from streamfuse.synthetic.sample_source import open_sample

FEW, MORE = 6, 36
OUTPUTS = {"nothing": ("null:", ()), "hevc, 10 bit": ("out.mp4", ("--codec", "hevc", "--bits", "10"))}


@click.command(help=help_of(__doc__))
@JSON_FILE
@click.option("--preset", type=click.Choice(PRESETS), default="fast", show_default=True)
@click.option("--size", default="1920x1080", show_default=True, help="Of the built-in scene.")
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True, help="The cheapest counts.")
def main(json_file: Path | None, preset: str, size: str, rounds: int) -> None:
    """Measure, print and write."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mkv"
        store(clip, open_sample(f"sample:?frames={MORE}&size={size}"), codec="h264", crf=14)
        for name, (output, codec) in OUTPUTS.items():
            target = output if output == "null:" else str(Path(folder) / output)
            kinds = {"ordinary": codec, "hdr": ("--hdr", "pq")}
            few: dict[str, list[Cost]] = {kind: [] for kind in kinds}
            more: dict[str, list[Cost]] = {kind: [] for kind in kinds}
            for _ in range(rounds):
                for kind, options in kinds.items():
                    arguments = [str(clip), "-o", target, "--preset", preset, *options]
                    few[kind].append(_cost(arguments, FEW))
                    more[kind].append(_cost(arguments, MORE))
            row: dict[str, Any] = {"output": name}
            for kind in kinds:
                seconds = min(one.seconds for one in more[kind]) - min(one.seconds for one in few[kind])
                row |= {
                    f"{kind}_ms": 1e3 * seconds / (MORE - FEW),
                    f"{kind}_mb": max(one.mb for one in more[kind]),
                }
            row["ratio"] = row["hdr_ms"] / row["ordinary_ms"]
            row["memory_ratio"] = row["hdr_mb"] / row["ordinary_mb"]
            rows.append(row)
            click.echo(
                f"{name:14s} ordinary {row['ordinary_ms']:.0f} ms, hdr {row['hdr_ms']:.0f} ms: {row['ratio']:.2f} x; "
                f"{row['ordinary_mb']:.0f} and {row['hdr_mb']:.0f} MB: {row['memory_ratio']:.2f} x"
            )
    if json_file is not None:
        figures = {"environment": describe_environment(), "preset": preset, "size": size, "rows": rows}
        write_json_file(json_file, figures)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of a run in seconds, and the most memory that it held, in MB."""

    seconds: float
    mb: float


def _cost(arguments: list[str], frames: int) -> Cost:
    """Of a run over the first so many frames."""
    command = [sys.executable, "-m", "streamfuse", "fuse", *arguments, "--frames", f"0:{frames}"]
    process = subprocess.Popen([*command, "--overwrite", "--quiet"])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
