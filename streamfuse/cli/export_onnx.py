"""`streamfuse export`: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click


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
