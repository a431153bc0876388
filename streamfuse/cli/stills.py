"""`streamfuse still`: parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click

from streamfuse.cli.common_options import FUSER, JSON, PRESETS, QUIET, depth
from streamfuse.cli.look_options import look_options
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
