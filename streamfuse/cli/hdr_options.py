"""The options of commands that write files in high dynamic range."""

from __future__ import annotations

from typing import get_args

import click

from streamfuse.cli.common_options import Option, with_options
from streamfuse.core.values import SceneTransfer

_OPTIONS: list[Option] = [
    click.option(
        "--hdr",
        type=click.Choice(["off", "hlg", "pq", "log"]),
        help="Write real dynamic range: HLG or HDR10 (PQ) for HDR screens; log: ACEScct in .tif or .png pictures, "
        "for grading; default: off.",
    ),
    click.option(
        "--transfer",
        type=click.Choice(["auto", *get_args(SceneTransfer)]),
        help="Of --hdr: how the camera coded light; default: auto, which knows HLG and PQ by the file's tag.",
    ),
    click.option(
        "--peak-nits", type=float, metavar="NITS", help="Of --hdr pq: nothing is brighter; default: 1000."
    ),
    click.option(
        "--white",
        type=float,
        metavar="EV",
        help="Of HDR: how far diffuse white lies below what clips in the darkest exposure; default: found.",
    ),
]
hdr_options = with_options(_OPTIONS)
