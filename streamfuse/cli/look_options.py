"""The options of a look, of all commands that fuse."""

from __future__ import annotations

import click

from streamfuse.cli.common_options import Option, with_options
from streamfuse.core.values import LOOKS

_AMOUNT = click.FloatRange(-1, 1)
LOOK_KEYS = ("look", "brightness", "contrast", "saturation", "highlights", "shadows", "detail", "lut")
LOOK: list[Option] = [
    click.option("--look", type=click.Choice(list(LOOKS)), help="A look to begin with; default: off."),
    click.option(
        "--brightness", type=_AMOUNT, metavar="EV", help="-1..1 as all of these; 0: as it was fused."
    ),
    click.option("--contrast", type=_AMOUNT, metavar="X", help="Of the mid-tones."),
    click.option("--saturation", type=_AMOUNT, metavar="X", help="-1: grey."),
    click.option("--highlights", type=_AMOUNT, metavar="X", help="Below 0: darker, with more contrast."),
    click.option("--shadows", type=_AMOUNT, metavar="X", help="Above 0: brighter."),
    click.option("--detail", type=_AMOUNT, metavar="X", help="Local contrast."),
    click.option("--lut", metavar="FILE.cube", help="A look-up table, applied last."),
]
look_options = with_options(LOOK)
