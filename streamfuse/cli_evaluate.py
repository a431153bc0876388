"""`streamfuse evaluate video`: parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(name="video")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CLIP...")
@click.option(
    "--preset", type=click.Choice(["fast", "balanced", "best"]), default="balanced", show_default=True
)
@click.option("--fuser", metavar="NAME", help="lcndr, lcndr-s, lcndr-xs or mertens; default: the preset's.")
@click.option("--align", type=click.Choice(["off", "global", "flow"]), help="Alignment; default: flow.")
@click.option("--ghost", type=click.Choice(["on", "off"]), help="Ghost fallback; default: on.")
@click.option("--smooth", type=click.Choice(["on", "off"]), help="Temporal smoothing; default: on.")
@click.option(
    "--gap",
    "gaps",
    type=click.FloatRange(0.5, 16),
    multiple=True,
    default=(3.0,),
    show_default=True,
    help="EV; repeatable.",
)
@click.option(
    "--count", type=click.IntRange(min=3), default=30, show_default=True, help="Frames of each clip."
)
@click.option("--width", type=click.IntRange(min=32), help="Scale videos to this width.")
@click.option("--noise", type=click.FloatRange(min=0), default=2e-3, show_default=True)
@click.option("--drop", type=click.FloatRange(0, 0.5), default=0.0, help="Share of frames lost.")
@click.option("--double", type=click.FloatRange(0, 0.5), default=0.0, help="Share of frames doubled.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="Measure peers in the same run.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures."
)
def evaluate_video(
    clips: tuple[Path, ...],
    preset: str,
    fuser: str | None,
    align: str | None,
    ghost: str | None,
    smooth: str | None,
    gaps: tuple[float, ...],
    count: int,
    width: int | None,
    noise: float,
    drop: float,
    double: float,
    peers: bool,
    json_file: Path | None,
) -> None:
    """Simulate alternating exposures from CLIPs and compare with the oracle of every instant.

    CLIP is a video, a folder of .hdr frames, or an .hdr panorama. The oracle is the fusion, by the same network, of
    both exposures simulated at the same instant.

    \b
    streamfuse evaluate video clip.mp4 hdr_frames/ --gap 3 --json figures.json
    """
    from streamfuse.config import load_config
    from streamfuse.errors import OutputError
    from streamfuse.evaluate.videos import VideoTrial, evaluate_videos

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise OutputError(
            f"There is no folder {json_file.absolute().parent} for {json_file.name}; make it first."
        )
    config = load_config("default").with_overrides(
        preset=preset,
        fuser=fuser,
        align=align,
        ghost=None if ghost is None else ghost == "on",
        smooth=None if smooth is None else smooth == "on",
    )
    trials = [VideoTrial(clip, gap, count, width, noise, drop, double) for clip in clips for gap in gaps]
    figures = evaluate_videos(trials, config, peers=peers, report=click.echo)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        click.echo(f"Figures written to {json_file}.")
