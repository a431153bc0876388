"""Options that several commands have, each written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from streamfuse.core.values import PRESET_NETWORK

Option = Callable[..., Any]
PRESETS = list(PRESET_NETWORK)

PRESET: Option = click.option(
    "--preset", type=click.Choice(PRESETS), help="Speed against quality, of all stages."
)
FUSER: Option = click.option(
    "--fuser", metavar="NAME", help="lcndr, lcndr-s, lcndr-xs or mertens; default: the preset's."
)
DEVICE: Option = click.option("--device", metavar="auto|cpu|cuda[:i]", help="Where the network runs.")
CYCLE: Option = click.option(
    "--cycle", type=click.IntRange(2, 5), help="Number of exposures, as a hint; default: found."
)
DEINTERLACE: Option = click.option(
    "--deinterlace",
    type=click.Choice(["auto", "on", "off"]),
    help="Make whole pictures of interlaced frames; auto: of those that bear the flag.",
)
CODEC: Option = click.option("--codec", help="h264, hevc, av1, vp9, ffv1, prores, or an encoder's own name.")
CRF: Option = click.option("--crf", type=float, help="Constant rate factor: lower is better and larger.")
PIX_FMT: Option = click.option("--pix-fmt", help="Pixel format to store, such as yuv420p10le.")
BITS: Option = click.option(
    "--bits", type=click.Choice(["8", "10", "12", "16"]), help="Output depth; default: the input's."
)
CONFIG: Option = click.option(
    "--config", "config_name", metavar="FILE|NAME", help="Settings; see `streamfuse config show`."
)
JSON: Option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON summary on standard output."
)
QUIET: Option = click.option("--quiet", is_flag=True, help="Print errors only.")

# Of measuring.
ONE_PRESET: Option = click.option(
    "--preset", type=click.Choice(PRESETS), default="balanced", show_default=True
)
GAPS: Option = click.option(
    "--gap",
    "gaps",
    type=click.FloatRange(0.5, 16),
    multiple=True,
    default=(3.0,),
    show_default=True,
    help="EV between exposures; repeatable.",
)
SIMULATED_CYCLE: Option = click.option(
    "--cycle", type=click.IntRange(2, 5), default=2, show_default=True, help="Number of exposures."
)
NOISE: Option = click.option(
    "--noise",
    type=click.FloatRange(min=0),
    default=2e-3,
    show_default=True,
    help="Sigma in linear light, on the dark frames.",
)
BASELINES: Option = click.option(
    "--baselines/--no-baselines",
    "--peers/--no-peers",
    "baselines",
    default=True,
    show_default=True,
    help="Measure other methods in the same run.",
)
JSON_FILE: Option = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures."
)


def with_options(*groups: list[Option]) -> Callable[[Option], Option]:
    """Give a command the options of these groups, in the order in which its help lists them."""

    def decorate(command: Option) -> Option:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate
