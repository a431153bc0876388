"""The commands around photographs and the network: `still`, `evaluate`, `export`."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, Literal

import click

from streamfuse.cli.common_options import FUSER, JSON, JSON_FILE, PRESETS, QUIET, depth
from streamfuse.cli.look_options import look_options
from streamfuse.cli.signals import leave, on_signals
from streamfuse.core.process import importing, keep_memory


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="PICTURE...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="JPEG, PNG or TIFF to write; .exr or .hdr: linear light; .avif: HDR in PQ.",
)
@click.option(
    "--preset", type=click.Choice(PRESETS), default="best", show_default=True, help="Speed against quality."
)
@FUSER
@click.option("--device", metavar="auto|cpu|cuda[:i]", default="auto", help="Where the network runs.")
@click.option(
    "--align", type=click.Choice(["auto", "off", "global", "flow"]), default="auto", show_default=True,
    help="auto: those that lie more than half a pixel off; global: all, the camera moved; flow: things moved too.",
)  # fmt: skip
@look_options
@depth(["8", "16"], "Output depth; default: the input's.")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG.")
@click.option(
    "--white",
    type=float,
    metavar="EV",
    help="Of linear light: how far diffuse white (1.0) lies below what clips in the darkest exposure.",
)
@click.option(
    "--hdr",
    type=click.Choice(["gainmap", "log"]),
    help="gainmap: a JPEG with one, for HDR screens (Ultra HDR); log: ACEScct in .tif or .png.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
@JSON
@QUIET
def still(
    inputs: tuple[str, ...],
    output: Path,
    preset: str,
    fuser: str | None,
    device: str,
    align: str,
    bits: int | None,
    quality: int,
    white: float | None,
    hdr: Literal["gainmap", "log"] | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **look: Any,
) -> None:
    """Fuse 2 or more photographs of one scene, in any order: files, a folder, or a pattern.

    \b
    streamfuse still dark.jpg middle.jpg bright.jpg -o fused.jpg
    streamfuse still bracket/ -o fused.tif --bits 16 --align off
    streamfuse still bracket/ -o fused.jpg --look vivid --shadows 0.3
    streamfuse still bracket/ -o scene.exr             linear light of the scene; .hdr too; .avif: HDR
    streamfuse still bracket/ -o scene.jpg --hdr gainmap
    streamfuse still bracket/ -o scene.tif --hdr log   light in ACEScct, 16 bit

    Exif and colour profile are kept, and transparency in PNG and TIFF.
    """
    from dataclasses import asdict

    keep_memory()
    with importing():
        from streamfuse.config import Config
        from streamfuse.core.jit import when_compiling
        from streamfuse.photo.still_fusion import fuse_stills
        from streamfuse.runtime.progress import Reporter

    with when_compiling(Reporter(quiet=quiet or as_json).compiling):
        summary = fuse_stills(
            inputs, output, preset=preset, fuser=fuser, device=device, align=align,  # type: ignore[arg-type]
            bits=bits, quality=quality, overwrite=overwrite,
            look=Config().with_overrides(**look).look.look, white=white, hdr=hdr,
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(asdict(summary)))
    elif not quiet:
        for note in summary.notes:
            click.echo(note, err=True)
        for warning in summary.warnings:
            click.echo(f"Warning: {warning}", err=True)
        how = "merged into linear light" if summary.fuser == "radiance" else f"fused by {summary.fuser}"
        click.echo(f"{', '.join(summary.outputs)}: {summary.frames_in} exposures {how}.")


@click.group()
@click.pass_context
def evaluate(context: click.Context) -> None:
    """Measure quality, beside other tools."""
    from streamfuse.core.jit import when_compiling
    from streamfuse.runtime.progress import Reporter

    context.with_resource(when_compiling(Reporter().compiling))
    context.with_resource(on_signals(leave, signal.SIGTERM))


@evaluate.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@JSON_FILE
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write a page to look at the pictures.",
)
@click.option(
    "--fuser", "fusers", multiple=True, metavar="NAME", help="Repeatable; default: the three networks."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N scenes.")
@click.option("--scene", "names", multiple=True, metavar="NAME", help="Repeatable; default: all scenes.")
@click.option(
    "--held-back",
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="Only the scenes that this training configuration holds back.",
)
@click.option(
    "--exposures",
    type=click.IntRange(min=2),
    metavar="N",
    help="Use N of each scene, evenly from the darkest to the brightest; scenes with fewer are left out.",
)
@click.option(
    "--speed/--no-speed", default=True, show_default=True, help="Also measure time and memory at 2 MP."
)
@click.option("--device", metavar="auto|cpu|cuda[:i]", default="auto", help="Where the networks run.")
@QUIET
def stills(
    folder: Path,
    json_file: Path | None,
    report: Path | None,
    fusers: tuple[str, ...],
    limit: int | None,
    names: tuple[str, ...],
    held_back: Path | None,
    exposures: int | None,
    speed: bool,
    device: str,
    quiet: bool,
) -> None:
    """Fuse the scenes in DIR with streamfuse and its baselines, and measure what comes out.

    A scene is a folder of two or more pictures (under and over, or 00, 01 ... from dark to bright), and with a
    picture called `reference` where the wanted result is known.

    \b
    streamfuse evaluate stills scenes/ --json stills.json --report stills.html
    streamfuse evaluate stills train/ --held-back configs/train-lcndr.yaml --exposures 3
    """
    from streamfuse.core.output_file import check_output_file
    from streamfuse.lab.evaluate.metrics import left_out
    from streamfuse.lab.evaluate.still_scores import require_scenes
    from streamfuse.lab.evaluate.still_sets import StillsEvaluation, evaluate_stills, render_summary

    def progress(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    if json_file is not None:
        check_output_file(json_file)
    require_scenes(folder, names)
    if held_back is not None:
        from streamfuse.lab.train.train_config import load_train_config

        names += load_train_config(held_back).held_back
    found: StillsEvaluation = evaluate_stills(
        folder,
        fusers=fusers or None,
        limit=limit,
        names=names,
        exposures=exposures,
        speed=speed,
        device=device,
        report=report,
        progress=progress,
    )
    if json_file is not None:
        found.write_json(json_file)
    if not quiet:
        click.echo(render_summary(found))
    if missing := left_out():
        progress(missing)


@click.group()
def export() -> None:
    """Write the network for other runtimes."""


@export.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT.onnx")
@click.option(
    "--fuser", default="lcndr", show_default=True, metavar="NAME", help="lcndr, lcndr-s or lcndr-xs."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def onnx(output: Path, fuser: str, overwrite: bool) -> None:
    """Write the network as ONNX: two exposures in, fused luma and maps out, any size.

    \b
    streamfuse export onnx lcndr.onnx

    `streamfuse.lab.export` describes the inputs and outputs. Needs the packages of streamfuse[onnx].
    """
    from streamfuse.lab.export import export_onnx

    export_onnx(fuser, output, overwrite=overwrite)
    click.echo(f"{click.format_filename(output)}: {fuser}, two exposures, sides that are multiples of 32.")
