"""Make an alternating-exposure clip, with known truth, from an ordinary clip or from HDR frames.

python tools/make_alternating.py clip.mp4 alternating.mkv --gap 3
python tools/make_alternating.py frames_hdr/ alternating.mkv --drop 0.01 --truth truth.csv
python tools/make_alternating.py panorama.hdr pngs/ --count 24 --objects 2 --oracle oracle/
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, cast

import av
import click
import cv2
import numpy as np

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import Frame
from streamfuse.core.protocols import SourceInfo
from streamfuse.errors import OutputError, OutputExistsError, StreamfuseError, UsageError
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation

VIDEO_SUFFIXES = {".mkv", ".mp4", ".mov", ".avi"}
SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
BT709 = 1  # of ITU-T H.273: primaries, transfer and matrix alike
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG


class Writer(Protocol):
    """Takes frames; a context manager, on an error it leaves nothing behind."""

    def write(self, frame: Frame) -> None: ...
    def __enter__(self) -> Writer: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class VideoWriter:
    """A video file with BT.709 tags and the frames' own time stamps."""

    def __init__(self, path: Path, info: SourceInfo, codec: str, crf: int) -> None:
        chroma = {value: key for key, value in SUBSAMPLING.items()}[info.subsampling]
        self._pixel_format = f"yuv{chroma}p" + (f"{info.bits}le" if info.bits > 8 else "")
        odd = info.width % (1 << info.subsampling[0]) or info.height % (1 << info.subsampling[1])
        if codec == "libx264" and odd:
            raise UsageError(
                f"libx264 cannot write {info.width}x{info.height} at 4:{chroma[1]}:{chroma[2]}; "
                "give --subsampling 444, --codec ffv1 or another --width"
            )
        if not path.parent.is_dir():
            raise OutputError(f"there is no folder {path.parent} for {path.name}; make it first")
        self._path = path
        options = {"crf": str(crf)} if codec == "libx264" else {}
        self._container = av.open(str(path), "w")
        self._stream = cast(
            av.VideoStream, self._container.add_stream(codec, rate=info.rate, options=options)
        )
        self._stream.width, self._stream.height = info.width, info.height
        self._stream.pix_fmt = self._pixel_format
        context = self._stream.codec_context
        context.time_base = info.time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE

    def write(self, frame: Frame) -> None:
        picture = av.VideoFrame(frame.width, frame.height, self._pixel_format)
        for target, plane in zip(picture.planes, frame.planes, strict=True):
            line = np.zeros(
                (target.buffer_size // target.line_size, target.line_size // plane.itemsize), plane.dtype
            )
            line[: plane.shape[0], : plane.shape[1]] = plane
            target.update(line.tobytes())
        picture.pts, picture.time_base = frame.pts, frame.time_base
        picture.colorspace, picture.color_range = BT709, LIMITED_RANGE
        self._encode(picture)

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(picture))
        except av.FFmpegError as error:
            raise OutputError(f"{self._path} cannot be written ({error}); check disk and folder") from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = False
        try:
            if kind is None:
                self._encode(None)
                finished = True
        finally:
            self._container.close()
            if not finished:
                self._path.unlink(missing_ok=True)


class PngWriter:
    """A folder of numbered RGB PNG files, 16 bit for frames deeper than 8 bit."""

    def __init__(self, folder: Path, name: Callable[[int], str] = "{:06d}.png".format) -> None:
        self._folder = folder
        self._name = name
        self._written: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputExistsError(f"folder {folder} is not empty; empty it or give another one")

    def write(self, frame: Frame) -> None:
        rgb = planes_to_rgb(frame.planes, frame.bits, frame.subsampling, frame.color)
        path = self._folder / self._name(len(self._written))
        if not cv2.imwrite(str(path), rgb[..., ::-1]):
            raise OutputError(f"{path} cannot be written; check the folder and the space on the disk")
        self._written.append(path)

    def __enter__(self) -> PngWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for path in self._written:
                path.unlink(missing_ok=True)


def open_writer(path: Path, info: SourceInfo, codec: str, crf: int) -> Writer:
    """A video file where the name ends like one, else a folder of PNG files."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoWriter(path, info, codec, crf)
    return PngWriter(path)


def write_alternating(clip: SimulatedClip, path: Path, codec: str, crf: int) -> None:
    with open_writer(path, clip.info, codec, crf) as writer:
        for frame in _progress(clip, len(clip)):
            writer.write(frame)


def write_separate(clip: SimulatedClip, path: Path, codec: str, crf: int) -> None:
    """One output for each exposure, `name_0` the darkest; every instant is in all of them."""
    with ExitStack() as stack:
        writers = [
            stack.enter_context(open_writer(part, clip.info, codec, crf))
            for part in separate_paths(path, clip.cycle)
        ]
        for instant in _progress(range(clip.instants), clip.instants):
            for writer, frame in zip(writers, clip.exposures(instant), strict=True):
                writer.write(frame)


def separate_paths(path: Path, cycle: int) -> list[Path]:
    return [path.with_name(f"{path.stem}_{rank}{path.suffix}") for rank in range(cycle)]


def write_oracle(clip: SimulatedClip, folder: Path) -> None:
    """Both (all) exposures of every instant: `000012_0.png` is the darkest of instant 12."""
    cycle = clip.cycle
    with PngWriter(folder, lambda number: f"{number // cycle:06d}_{number % cycle}.png") as writer:
        for instant in range(clip.instants):
            for frame in clip.exposures(instant):
                writer.write(frame)


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


@click.command(help=__doc__)
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
        gaps_ev=tuple(options["gap"] * rank for rank in range(options["cycle"])),
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
    outputs = separate_paths(output, clip.cycle) if options["separate"] else [output]
    extra = [path for path in (options["oracle"], options["truth"]) if path is not None]
    for path in [*outputs, *extra]:
        if path.is_file() and not options["overwrite"]:
            raise OutputExistsError(f"{path} exists already; give --overwrite or another name")
    write = write_separate if options["separate"] else write_alternating
    write(clip, output, options["codec"], options["crf"])
    if options["oracle"] is not None:
        write_oracle(clip, options["oracle"])
    if options["truth"] is not None:
        write_truth(clip, options["truth"])


if __name__ == "__main__":
    main()
