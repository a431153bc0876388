"""Make an alternating-exposure clip, with known truth, from an ordinary clip or from HDR frames.

python tools/make_alternating.py clip.mp4 alternating.mkv --gap 3
python tools/make_alternating.py frames_hdr/ alternating.mkv --drop 0.01 --truth truth.csv
python tools/make_alternating.py panorama.hdr pngs/ --count 24 --objects 2 --oracle oracle/
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from tool_options import help_of

from streamfuse.core.frame import FusedFrame
from streamfuse.core.output_file import check_output_file
from streamfuse.core.protocols import Sink
from streamfuse.errors import OutputExistsError, StreamfuseError
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation, even_gaps
from streamfuse.runtime.sinks import open_sink

SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}


@contextmanager
def opened(path: Path, clip: SimulatedClip, options: dict[str, Any]) -> Iterator[Sink]:
    """A video file, or a folder of PNG files; where an error ends it nothing is left behind."""
    if path.is_dir() and any(path.iterdir()):
        raise OutputExistsError(f"folder {path} is not empty; empty it or give another one")
    sink = open_sink(path, clip.info, **options)
    try:
        with sink:
            yield sink
    except BaseException:
        for made in sink.outputs:
            Path(made).unlink(missing_ok=True)
        raise
    for sentence in sink.report().warnings:
        click.echo(sentence, err=True)


def write_alternating(clip: SimulatedClip, path: Path, options: dict[str, Any]) -> None:
    with opened(path, clip, options) as sink:
        for frame in _progress(clip, len(clip)):
            sink.write(FusedFrame.of(frame))


def write_separate(clip: SimulatedClip, paths: Iterable[Path], options: dict[str, Any]) -> None:
    """One output for each exposure, the darkest first; every instant is in all of them."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(opened(path, clip, options)) for path in paths]
        for instant in _progress(range(clip.instants), clip.instants):
            for sink, frame in zip(sinks, clip.exposures(instant), strict=True):
                sink.write(FusedFrame.of(frame))


def separate_paths(path: Path, cycle: int) -> list[Path]:
    """`name_0` for the darkest."""
    return [path.with_name(f"{path.stem}_{rank}{path.suffix}") for rank in range(cycle)]


def oracle_paths(folder: Path, cycle: int) -> list[Path]:
    """`000012_0.png` is the darkest exposure of instant 12."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise OutputExistsError(f"folder {folder} is not empty; empty it or give another one")
    return [folder / f"%06d_{rank}.png" for rank in range(cycle)]


def write_truth(clip: SimulatedClip, path: Path) -> None:
    """One line for each delivered frame."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["index", "pts", "instant", "rank", "ev"])
        for index, truth in enumerate(clip.truth):
            ev = clip.simulation.gaps_ev[truth.rank]
            table.writerow([index, clip.frame(index).pts, truth.instant, truth.rank, ev])


def _progress(items: Iterable[Any], length: int) -> Iterable[Any]:
    with click.progressbar(items, length=length, label="Simulating") as bar:
        yield from bar


@click.command(help=help_of(__doc__))
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--gap", default=3.0, show_default=True, help="EV between neighbouring exposures.")
@click.option("--cycle", default=2, show_default=True, help="Number of exposures.")
@click.option("--first", type=click.Choice(["under", "over"]), default="under", show_default=True)
@click.option("--noise", default=2e-3, show_default=True, help="Sigma on the darkest, in linear light.")
@click.option("--drift", default=0.0, show_default=True, help="Slow swing of all exposures, EV.")
@click.option("--shake", default=0.0, show_default=True, help="Hand shake, pixels.")
@click.option("--drop", default=0.0, show_default=True, help="Share of frames that are lost.")
@click.option("--double", default=0.0, show_default=True, help="Share of frames that come twice.")
@click.option("--pts-gaps", is_flag=True, help="Lost frames leave gaps in the time stamps.")
@click.option("--seed", default=0, show_default=True)
@click.option("--start", default=0, show_default=True, help="First frame of the source.")
@click.option("--count", type=int, help="Number of frames of the source.")
@click.option("--width", type=int, help="Scale a video to this width.")
@click.option("--range-ev", type=float, help="Stretch a video to this dynamic range.")
@click.option("--objects", default=0, show_default=True, help="Things that move, with a panorama.")
@click.option("--bits", type=click.Choice(["8", "10"]), default="8", show_default=True)
@click.option("--subsampling", type=click.Choice(list(SUBSAMPLING)), default="420", show_default=True)
@click.option("--codec", type=click.Choice(["libx264", "ffv1"]), default="libx264", show_default=True)
@click.option("--crf", default=12, show_default=True, help="Quality of libx264; 0 is lossless at 8 bit.")
@click.option("--separate", is_flag=True, help="One file for each exposure, all instants in each.")
@click.option("--oracle", type=click.Path(path_type=Path), help="Folder for all exposures of all instants.")
@click.option("--truth", type=click.Path(path_type=Path), help="CSV of instant and exposure of each frame.")
@click.option("--overwrite", is_flag=True)
def main(source: Path, output: Path, **options: Any) -> None:
    try:
        run(source, output, **options)
    except StreamfuseError as error:
        raise click.ClickException(str(error)) from error


def run(source: Path, output: Path, **options: Any) -> None:
    simulation = Simulation(
        gaps_ev=even_gaps(options["gap"], options["cycle"]),
        noise=options["noise"],
        first=options["first"],
        drift_ev=options["drift"],
        shake_px=options["shake"],
        drop=options["drop"],
        double=options["double"],
        pts_gaps=options["pts_gaps"],
        bits=int(options["bits"]),
        subsampling=SUBSAMPLING[options["subsampling"]],
        seed=options["seed"],
    )
    where = {key: options[key] for key in ("start", "count", "width", "range_ev", "objects")}
    clip = film(source, simulation, **where)
    encoding = {"codec": options["codec"], "crf": options["crf"], "overwrite": options["overwrite"]}
    if options["truth"] is not None:
        check_output_file(options["truth"], overwrite=options["overwrite"])
    if options["separate"]:
        write_separate(clip, separate_paths(output, clip.cycle), encoding)
    else:
        write_alternating(clip, output, encoding)
    if options["oracle"] is not None:
        write_separate(clip, oracle_paths(options["oracle"], clip.cycle), {})
    if options["truth"] is not None:
        write_truth(clip, options["truth"])


if __name__ == "__main__":
    main()
