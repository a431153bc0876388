"""CPU time of high dynamic range beside that of ordinary fusion, on the built-in scene at 1080p.

    python tools/hdr_cost.py --json benchmarks/hdr-cost.json

Each is run with few and with more frames, in turn; the difference is what frames cost, without the start.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click
from outside import cpu_of_children
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
            spent: dict[str, list[float]] = {kind: [] for kind in kinds}
            for _ in range(rounds):
                for kind, options in kinds.items():
                    arguments = [str(clip), "-o", target, "--preset", preset, *options]
                    few, more = (_seconds(arguments, frames) for frames in (FEW, MORE))
                    spent[kind].append((more - few) / (MORE - FEW))
            ordinary, hdr = (min(spent[kind]) for kind in ("ordinary", "hdr"))
            rows.append(
                {"output": name, "ordinary_ms": 1e3 * ordinary, "hdr_ms": 1e3 * hdr, "ratio": hdr / ordinary}
            )
            click.echo(
                f"{name:14s} ordinary {1e3 * ordinary:.0f} ms, hdr {1e3 * hdr:.0f} ms: {hdr / ordinary:.2f} x"
            )
    if json_file is not None:
        figures = {"environment": describe_environment(), "preset": preset, "size": size, "rows": rows}
        write_json_file(json_file, figures)


def _seconds(arguments: list[str], frames: int) -> float:
    """CPU time of a run over the first so many frames."""
    command = [sys.executable, "-m", "streamfuse", "fuse", *arguments, "--frames", f"0:{frames}"]
    before = cpu_of_children()
    subprocess.run([*command, "--overwrite", "--quiet"], check=True)
    return cpu_of_children() - before


if __name__ == "__main__":
    main()
