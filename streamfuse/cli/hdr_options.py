"""The options of commands that write files in high dynamic range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = [
    click.option(
        "--hdr",
        type=click.Choice(["off", "hlg", "pq"]),
        help="Write real dynamic range, for HDR screens: HLG or HDR10 (PQ); default: off.",
    ),
    click.option(
        "--peak-nits", type=float, metavar="NITS", help="Of --hdr pq: nothing is brighter; default: 1000."
    ),
    click.option(
        "--white",
        type=float,
        metavar="EV",
        help="Of HDR: how far diffuse white lies below what clips in the darkest exposure; default: 2/3 of the "
        "difference of the exposures.",
    ),
]


def hdr_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of high dynamic range."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
