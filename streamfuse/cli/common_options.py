"""Options that several commands have, each written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from streamfuse.core.values import FORMER_NAMES, FUSERS, PRESET_NETWORK

Command = Callable[..., object]
Option = Callable[[Command], Command]
PRESETS = list(PRESET_NETWORK)


def depth(depths: Sequence[str], text: str) -> Option:
    """Make an option of a bit depth: a number for the command."""
    return click.option(
        "--bits",
        type=click.Choice(depths),
        callback=lambda context, option, value: None if value is None else int(value),
        help=text,
    )


def _switch(name: str, text: str) -> Option:
    """Make an option that is on or off: True or False for the command."""
    return click.option(
        name,
        type=click.Choice(["on", "off"]),
        callback=lambda context, option, value: None if value is None else value == "on",
        help=text,
    )


PRESET: Option = click.option(
    "--preset", type=click.Choice(PRESETS), help="Speed against quality, of all stages."
)
FUSER: Option = click.option(
    "--fuser",
    metavar="NAME",
    help=f"{', '.join(FUSERS)}, a .safetensors file, or one that is installed (see doctor); default: the preset's.",
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
BITS = depth(["8", "10", "12", "16"], "Output depth; default: the input's.")
RATE: Option = click.option(
    "--rate",
    type=click.Choice(["full", "half"]),
    help="full: a fused frame for every frame; half: per bracket.",
)
SIDECAR: Option = click.option(
    "--exposures", metavar="SIDECAR", help="CSV or JSON: frame, exposure_us, gain."
)
FRAMES: Option = click.option(
    "--frames", metavar="A:B", help="Frames A to B-1 only, counted from 0; they keep their times."
)
AUDIO: Option = click.option(
    "--audio",
    type=click.Choice(["auto", "copy", "none"]),
    help="auto: copy sound, convert what the container cannot hold; copy: never convert; none: leave it out.",
)
OVERWRITE: Option = click.option("--overwrite", is_flag=True, default=None, help="Replace existing outputs.")
THREADS: Option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="That work at once; default: one for each CPU."
)
FIRST: Option = click.option(
    "--first",
    type=click.Choice(["under", "over"]),
    help="The first exposure, as a hint where nothing is seen of it.",
)
ALIGN: Option = click.option(
    "--align", type=click.Choice(["off", "global", "flow"]), help="How far things move between exposures."
)
STAGES: list[Option] = [
    ALIGN,
    _switch("--ghost", "Fall back to the reference where exposures disagree; default: on."),
    _switch(
        "--denoise", "Take noise out of dark frames that stand in for bright ones; default: on, off at fast."
    ),
    _switch("--bands", "Take bands of lamps on the mains out of short exposures; default: on."),
    _switch("--smooth", "Smooth weights and tone over time; default: on."),
    _switch("--deflicker", "Damp the flicker of lamps; default: off."),
]
CONFIG: Option = click.option(
    "--config", "config_name", metavar="FILE|NAME", help="Settings; see `streamfuse config show`."
)
JSON: Option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON summary on standard output."
)
QUIET: Option = click.option("--quiet", is_flag=True, help="Print errors only.")

# Of measuring.
CLIPS: Option = click.argument(
    "clips", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CLIP..."
)
WIDTH: Option = click.option(
    "--width", type=click.IntRange(min=32), help="Scale videos to this width; of panoramas: 320."
)
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


def renamed(name: str) -> str:
    """Give the name that an option has now, and say so where an earlier one was written."""
    if name not in FORMER_NAMES:
        return name
    click.echo(f"--{name} is called --{FORMER_NAMES[name]} now.", err=True)
    return FORMER_NAMES[name]


def with_options(*groups: Sequence[Option]) -> Option:
    """Give a command the options of these groups, in the order in which its help lists them."""

    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate
