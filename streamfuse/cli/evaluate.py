"""`streamfuse evaluate`: its commands parse, call and print."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, get_args

import click

from streamfuse.cli import common_options as common
from streamfuse.cli.signals import leave, on_signals
from streamfuse.core.values import Degradation, Preset


@click.group()
@click.pass_context
def evaluate(context: click.Context) -> None:
    """Measure quality, beside other tools."""
    from streamfuse.core.jit import when_compiling
    from streamfuse.runtime.progress import Reporter

    context.with_resource(when_compiling(Reporter().compiling))
    context.with_resource(on_signals(leave, signal.SIGTERM))


@evaluate.command(name="video")
@common.CLIPS
@common.ONE_PRESET
@common.FUSER
@common.with_options(common.STAGES)
@common.GAPS
@common.SIMULATED_CYCLE
@click.option(
    "--frames",
    "--count",
    "count",
    type=click.IntRange(min=3),
    default=30,
    show_default=True,
    help="Frames of each clip.",
)
@click.option(
    "--step",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Take every so manieth frame of a video or folder: faster motion.",
)
@common.WIDTH
@click.option("--range", "range_ev", type=click.FloatRange(1, 30), help="Stretch videos to this range, EV.")
@common.NOISE
@click.option("--drop", type=click.FloatRange(0, 0.5), default=0.0, help="Share of frames lost.")
@click.option("--double", type=click.FloatRange(0, 0.5), default=0.0, help="Share of frames doubled.")
@click.option("--drift", type=click.FloatRange(0, 4), default=0.0, help="Slow swing of the exposure, EV.")
@click.option(
    "--white-balance",
    type=click.FloatRange(-2, 2),
    default=0.0,
    help="How much more red and less blue the brightest exposure shows, EV.",
)
@click.option("--shake", type=click.FloatRange(0, 50), default=0.0, help="Of the hand, pixels.")
@click.option(
    "--flicker", type=click.FloatRange(0, 0.5), default=0.0, help="Ripple of lamps on the mains, a share."
)
@click.option(
    "--degrade",
    "degradations",
    type=click.Choice(get_args(Degradation)),
    multiple=True,
    default=("none",),
    show_default=True,
    help="Film each clip once with each: alternating ISO, motion blur of the bright exposure (with --step 3 or more), "
    "a camera's H.264, bands of lamps. Repeatable.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise, losses and shake.")
@click.option(
    "--flow",
    is_flag=True,
    help="CLIPs are .hdr panoramas or folders of them: pan through each, and score the flow.",
)
@click.option(
    "--objects", type=click.IntRange(0, 20), help="Things that fly through a panorama; with --flow: 2."
)
@common.BASELINES
@common.JSON_FILE
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path), metavar="FILE", help="Write an HTML page."
)
def evaluate_video(
    clips: tuple[Path, ...],
    preset: str,
    fuser: str | None,
    align: str | None,
    ghost: bool | None,
    denoise: bool | None,
    bands: bool | None,
    smooth: bool | None,
    deflicker: bool | None,
    gaps: tuple[float, ...],
    degradations: tuple[Degradation, ...],
    flow: bool,
    objects: int | None,
    baselines: bool,
    json_file: Path | None,
    report_file: Path | None,
    **filming: Any,
) -> None:
    """Simulate alternating exposures from CLIPs, fuse them, and compare with what would be right.

    CLIP is a video, a folder of .hdr frames, or an .hdr panorama. What would be right (called oracle in figures) is the
    fusion, by the same network, of both exposures simulated at the same instant. Panoramas know the exact motion, so
    that the flow is scored too.

    \b
    streamfuse evaluate video clip.mp4 hdr_frames/ --gap 3 --json figures.json --report figures.html
    streamfuse evaluate video --flow panoramas/ --gap 3 --gap 5 --no-baselines
    """
    from streamfuse.config import load_config
    from streamfuse.lab.evaluate.metrics import left_out
    from streamfuse.lab.evaluate.report import ReportWriter
    from streamfuse.lab.evaluate.video_report import VideoReport
    from streamfuse.lab.evaluate.videos import VideoTrial, evaluate_videos, legend, panoramas

    _check(json_file)
    _check(report_file)
    config = load_config("default").with_overrides(
        preset=preset,
        fuser=fuser,
        align=align,
        ghost=ghost,
        denoise=denoise,
        bands=bands,
        smooth=smooth,
        deflicker=deflicker,
    )
    if objects is None:
        objects = 2 if flow else 0
    scenes = panoramas(clips) if flow else clips
    trials = [
        VideoTrial(clip, gap, objects=objects, degrade=degrade, **filming)
        for clip in scenes
        for gap in gaps
        for degrade in degradations
    ]
    if report_file is None:
        figures = evaluate_videos(trials, config, baselines=baselines, say=click.echo)
    else:
        with ReportWriter(report_file, "streamfuse evaluate video") as page:
            figures = evaluate_videos(
                trials, config, baselines=baselines, say=click.echo, report=VideoReport(page)
            )
            for name, value in figures["environment"].items():
                page.fact(name, value)
        click.echo(f"Report written to {click.format_filename(report_file)}.")
    click.echo(legend(with_flow=flow))
    if missing := left_out():
        click.echo(missing, err=True)
    _write(json_file, figures)


@evaluate.command(name="stills")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@common.JSON_FILE
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
@common.QUIET
def evaluate_stills(
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
    from streamfuse.lab.evaluate.metrics import left_out
    from streamfuse.lab.evaluate.still_scores import require_scenes
    from streamfuse.lab.evaluate.still_sets import StillsEvaluation, render_summary
    from streamfuse.lab.evaluate.still_sets import evaluate_stills as evaluated

    def progress(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    _check(json_file)
    require_scenes(folder, names)
    if held_back is not None:
        from streamfuse.lab.train.train_config import load_train_config

        names += load_train_config(held_back).held_back
    found: StillsEvaluation = evaluated(
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


@evaluate.command(name="hdr")
@common.CLIPS
@click.option(
    "--preset",
    "presets",
    type=click.Choice(common.PRESETS),
    multiple=True,
    default=("balanced",),
    show_default=True,
    help="Repeatable.",
)
@common.GAPS
@common.SIMULATED_CYCLE
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="First frame.")
@click.option("--frames", "count", type=click.IntRange(min=3), help="Frames of each clip; default: all.")
@common.WIDTH
@common.NOISE
@click.option("--seed", type=int, default=0, show_default=True, help="Of the noise.")
@click.option("--told", is_flag=True, help="Frames say how they were exposed, as a sidecar would.")
@common.JSON_FILE
def evaluate_hdr(
    clips: tuple[Path, ...],
    presets: tuple[Preset, ...],
    gaps: tuple[float, ...],
    json_file: Path | None,
    **filming: Any,
) -> None:
    """Simulate alternating exposures from CLIPs, merge them into radiance, and compare with the true one.

    CLIP is a folder of .hdr frames, a video, or an .hdr panorama. Beside it: the merge of all exposures of the very
    instant, and pairing with and without dense flow, merged after Debevec.

    \b
    streamfuse evaluate hdr hdr_frames/ --gap 3 --gap 5 --preset fast --preset balanced --json hdr.json
    """
    from streamfuse.lab.evaluate import hdr

    _check(json_file)
    trials = [hdr.HdrTrial(clip, gap, **filming) for clip in clips for gap in gaps]
    figures = hdr.evaluate_hdr(trials, presets, say=click.echo)
    click.echo(hdr.LEGEND)
    _write(json_file, figures)


@evaluate.command(name="brackets")
@click.argument("stacks", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STACK...")
@common.JSON_FILE
def evaluate_brackets(stacks: tuple[Path, ...], json_file: Path | None) -> None:
    """Merge photographs without the longest exposure of each stack, and compare with that one.

    A stack is a folder of at least three photographs of one still scene.

    \b
    streamfuse evaluate brackets stacks/* --json brackets.json
    """
    from streamfuse.lab.evaluate import brackets

    _check(json_file)
    _write(json_file, brackets.evaluate_brackets(stacks, say=click.echo))


@evaluate.command(name="ablation")
@common.CLIPS
@common.ONE_PRESET
@common.GAPS
@click.option(
    "--frames", "count", type=click.IntRange(min=3), default=30, show_default=True, help="Of each clip."
)
@common.WIDTH
@common.JSON_FILE
def evaluate_ablation(
    clips: tuple[Path, ...], preset: str, gaps: tuple[float, ...], json_file: Path | None, **filming: Any
) -> None:
    """Measure CLIPs with each stage of alignment and smoothing switched off in turn.

    \b
    streamfuse evaluate ablation clip.mp4 hdr_frames/ --json ablation.json
    """
    from streamfuse.config import load_config
    from streamfuse.lab.evaluate import ablation
    from streamfuse.lab.evaluate.videos import VideoTrial

    _check(json_file)
    config = load_config("default").with_overrides(preset=preset)
    trials = [VideoTrial(clip, gap, **filming) for clip in clips for gap in gaps]
    _write(json_file, ablation.evaluate_ablation(trials, config, say=click.echo))


@evaluate.command(name="labels")
@common.CLIPS
@click.option(
    "--gap",
    "gaps",
    type=click.FloatRange(0.5, 16),
    multiple=True,
    default=(1.5, 2.0, 3.0, 4.0, 5.0, 6.0),
    show_default=True,
    help="EV between exposures; repeatable.",
)
@common.SIMULATED_CYCLE
@click.option("--frames", type=click.IntRange(min=2), default=1000, show_default=True, help="Of each trial.")
@click.option("--width", type=click.IntRange(min=48), default=192, show_default=True, help="Of the pictures.")
@click.option("--drop", type=click.FloatRange(0, 0.5), default=0.01, show_default=True, help="Share lost.")
@click.option(
    "--double", type=click.FloatRange(0, 0.5), default=0.01, show_default=True, help="Share doubled."
)
@click.option("--swap", type=click.FloatRange(0, 0.5), default=0.0, show_default=True, help="Out of order.")
@click.option(
    "--scenario",
    "scenarios",
    type=click.Choice(["steady", "fades", "lights", "window to wall", "cuts"]),
    multiple=True,
    default=("steady",),
    show_default=True,
    help="What happens to the light; repeatable.",
)
@click.option("--drift", type=click.FloatRange(0, 4), default=0.0, help="Slow swing of the exposure, EV.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise and losses.")
@common.JSON_FILE
def evaluate_labels(json_file: Path | None, **options: Any) -> None:
    """Count wrong labels in long alternations made from CLIPs, with frames lost, doubled and out of order.

    CLIP is a video, a folder of .hdr frames, or an .hdr panorama through which a camera pans.

    \b
    streamfuse evaluate labels clip.mp4 hdr_frames/ --drop 0.01 --double 0.01 --json labels.json
    """
    from streamfuse.lab.evaluate.labels import LabelTrials, evaluate_labels

    _check(json_file)
    figures = evaluate_labels(LabelTrials(**options), report=click.echo)
    _write(json_file, figures)


def _check(file: Path | None) -> None:
    """Say that nothing can be written there before the work is done."""
    from streamfuse.core.output_file import check_output_file

    if file is not None:
        check_output_file(file)


def _write(file: Path | None, figures: dict[str, object]) -> None:
    from streamfuse.core.output_file import write_json_file

    if file is not None:
        write_json_file(file, figures)
        click.echo(f"Figures written to {click.format_filename(file)}.")
