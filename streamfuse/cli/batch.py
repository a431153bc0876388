"""The command for many files."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamfuse.cli import common_options as common
from streamfuse.cli.error_group import EXIT_INTERRUPTED
from streamfuse.cli.hdr_options import hdr_options
from streamfuse.cli.look_options import look_options
from streamfuse.cli.signals import on_signals
from streamfuse.errors import StreamfuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamfuse.runtime.batch.plan import Film

_MAX_LOOKED_AT = 50  # files, before the first is begun


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="GLOB...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the results.",
)
@click.option("--suffix", metavar=".mkv", help="Kind of file to write; default: that of each input, or .mkv.")
@click.option(
    "--segments", type=click.IntRange(min=1), default=1, show_default=True, help="Cut each file into N."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: half of the CPUs.")
@click.option("--ray", metavar="ADDRESS", help="Use a Ray cluster: auto, local, or ray://HOST:PORT.")
@click.option("--resume", is_flag=True, help="Go on where an earlier run with the same settings ended.")
@common.CONFIG
@common.PRESET
@common.FUSER
@common.DEVICE
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of each process; default: all CPUs, shared out.",
)
@common.DEINTERLACE
@look_options
@common.CODEC
@common.CRF
@common.BITS
@common.AUDIO
@hdr_options
@common.OVERWRITE
@common.JSON
@common.QUIET
def batch(
    inputs: tuple[str, ...],
    output: Path,
    suffix: str | None,
    segments: int,
    workers: int | None,
    ray: str | None,
    resume: bool,
    config_name: str | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Fuse many files, and long files in segments, several at a time.

    \b
    streamfuse batch 'clips/*.mov' -o fused/
    streamfuse batch long.mov -o fused/ --segments 8 --workers 4
    streamfuse batch 'clips/*.mov' -o fused/ --resume        after an interruption

    Each input is an alternating video or a folder of images. A file that fails does not stop the others; the exit
    status is then 1. Segments are joined without a seam: each reads some frames before and after its own.
    """
    from streamfuse.config import load_config
    from streamfuse.look.cube import read_cube
    from streamfuse.runtime.batch.batch_run import Batch
    from streamfuse.runtime.batch.plan import find_sources, plan_films
    from streamfuse.runtime.progress import BatchReporter

    config = load_config(config_name or "default")
    config = config.with_overrides(**options)
    if config.look.lut is not None:
        read_cube(config.look.lut)
    processes = workers or max(1, (os.cpu_count() or 1) // 2)
    shown = BatchReporter(quiet=quiet or as_json)
    try:
        with on_signals(_interrupt, signal.SIGTERM, signal.SIGHUP), shown:
            films = plan_films(find_sources(inputs), output, config, segments, suffix)
            run = Batch(films, workers=processes, ray=ray, resume=resume, report=shown.tell)
            shown.begin(len(films), sum(len(film.parts) for film in films), processes)
            if ray is None and len(films) > 0:
                _compile_ahead(films, shown.compiling)
            results = run.run()
    except KeyboardInterrupt:
        click.echo("Interrupted: what is complete is kept; the same command with --resume goes on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    failed = [file for file in results if file.status == "failed"]
    for file in failed:
        click.echo(f"Error: {file.result.error}", err=True)
    if as_json:
        click.echo(json.dumps({"files": [file.as_dict() for file in results], "workers": processes}))
    elif not quiet:
        kept = sum(file.status == "kept" for file in results)
        click.echo(
            f"{len(results) - len(failed) - kept} done, {kept} kept, {len(failed)} failed, in {output}.",
            err=True,
        )
    if failed:
        sys.exit(1)


def _interrupt() -> None:
    """A run that is told to end tidies up as after Ctrl-C."""
    raise KeyboardInterrupt


def _compile_ahead(films: Sequence[Film], compiling: Callable[[], None]) -> None:
    """Once for each kind of pictures, and not in every process at the same time."""
    from streamfuse.runtime.ahead import Kind, compile_ahead
    from streamfuse.runtime.sources import open_source

    first = {str(film.source): film for film in reversed(films)}  # of a file's segments one is enough
    kinds = set()
    for film in list(first.values())[:_MAX_LOOKED_AT]:
        with suppress(StreamfuseError):  # what is wrong is said of each file
            with open_source(film.source, deinterlace=film.config.input.deinterlace) as source:
                kind = Kind.of(source.info, film.config)
            if kind not in kinds:
                kinds.add(kind)
                compile_ahead(film.config, kind, compiling)
