"""The command line: parse, call, print."""

from __future__ import annotations

import json
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from streamfuse._version import __version__
from streamfuse.cli import batch as cli_batch
from streamfuse.cli import bench as cli_bench
from streamfuse.cli import common_options as common
from streamfuse.cli import evaluate as cli_evaluate
from streamfuse.cli import export_onnx as cli_export
from streamfuse.cli import live as cli_live
from streamfuse.cli import stills as cli_stills
from streamfuse.cli import zmq as cli_zmq
from streamfuse.cli.config_group import config_group
from streamfuse.cli.error_group import EXIT_INTERRUPTED, ErrorGroup
from streamfuse.cli.hdr_options import hdr_options
from streamfuse.cli.look_options import LOOK_KEYS, look_options
from streamfuse.cli.signals import leave, on_signals
from streamfuse.core.process import importing, keep_memory
from streamfuse.core.rates import read_rate
from streamfuse.errors import (
    UsageError,
    shortened,
)


@click.group(
    cls=ErrorGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="streamfuse")
def main() -> None:
    """Fuse alternating-exposure video and bracketed photographs into well-exposed pictures.

    \b
    streamfuse fuse clip.mov -o fused.mp4          an alternating (under, over, under ...) clip
    streamfuse fuse under.mp4 over.mp4 -o out.mp4  one file per exposure
    streamfuse fuse sample: -o sample.mp4          a built-in scene, to try it
    streamfuse still dark.jpg bright.jpg -o o.jpg  photographs
    streamfuse doctor                              what works on this machine

    Exit status: 0 done, 1 a run failed, 2 wrong usage or configuration, 130 interrupted (with the output finished).
    """


@main.command(context_settings={"token_normalize_func": common.renamed})
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--output", required=True, metavar="OUTPUT", help="Video file, image folder or pattern, or null:."
)
@common.CONFIG
@common.CYCLE
@common.FIRST
@click.option("--under-first", "first", flag_value="under", help="Same as --first under.")
@click.option("--over-first", "first", flag_value="over", help="Same as --first over.")
@common.SIDECAR
@click.option(
    "--offset",
    type=float,
    metavar="SECONDS",
    help="Of two files, one per exposure: how much later the second began; default: found out.",
)
@common.DEINTERLACE
@common.RATE
@click.option(
    "--fps",
    metavar="RATE",
    help="Frame rate of images and of bare streams (.h264), such as 25 or 24000/1001.",
)
@common.with_options(common.STAGES)
@look_options
@common.CODEC
@common.CRF
@common.PIX_FMT
@click.option("--speed", help="The encoder's own preset, such as veryfast.")
@common.AUDIO
@hdr_options
@click.option("--side-by-side", is_flag=True, default=None, help="Write under | over | fused.")
@click.option(
    "--dump-stages",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Pictures of every 10th frame as each stage saw it: exposures, trust, weights, fused.",
)
@common.FRAMES
@common.PRESET
@common.FUSER
@common.DEVICE
@common.THREADS
@common.BITS
@common.OVERWRITE
@common.JSON
@common.QUIET
def fuse(
    inputs: tuple[str, ...],
    output: str,
    config_name: str | None,
    fps: str | None,
    dump_stages: Path | None,
    as_json: bool,
    quiet: bool,
    bits: int | None,
    **options: Any,
) -> None:
    """Fuse files: an alternating video, one video per exposure, images, `sample:`, or - (Y4M).

    \b
    streamfuse fuse clip.mov -o fused.mp4
    streamfuse fuse frames/ -o fused.mkv --fps 24 --codec hevc --bits 10
    streamfuse fuse sample: -o sample.mp4 --side-by-side
    streamfuse fuse clip.mov -o fused.mp4 --hdr hlg    for HDR screens; light_%05d.exr: linear light
    streamfuse fuse clip.mov -o log_%05d.tif --hdr log ACEScct in 16 bit, for grading; .png too
    streamfuse fuse bracket/ -o fused.jpg              one picture: as `streamfuse still`

    What is found (exposures, order, gap) is printed; --cycle, --first and --exposures are hints, and what
    speaks against them is told.
    """
    keep_memory()
    with importing():
        from streamfuse.config import load_config
        from streamfuse.core.jit import when_compiling
        from streamfuse.encode.image_sink import is_one_picture
        from streamfuse.imaging.coded import is_picture
        from streamfuse.runtime.file_run import FileFusion
        from streamfuse.runtime.progress import Reporter

    if is_one_picture(output) and all(Path(name).is_dir() or is_picture(name) for name in inputs):
        click.get_current_context().invoke(
            cli_stills.still, inputs=inputs, output=Path(output), preset=options["preset"] or "best",
            fuser=options["fuser"], device=options["device"] or "auto", align=options["align"] or "auto",
            bits=bits, white=options["white"], overwrite=bool(options["overwrite"]), as_json=as_json, quiet=quiet,
            **{key: options[key] for key in LOOK_KEYS},
        )  # fmt: skip
        return
    config = load_config(config_name or "default")
    config = config.with_overrides(bits=bits, **options)
    with Reporter(quiet=quiet or as_json) as reporter, when_compiling(reporter.compiling):
        fusion = FileFusion(
            inputs, output, config, fps=_rate(fps), dump=dump_stages, progress=reporter.update
        )
        reporter.tell(fusion.notes)
        with on_signals(fusion.stop, signal.SIGTERM, signal.SIGHUP):
            summary = fusion.run()
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        reporter.summarise(summary)
    if summary.interrupted:
        sys.exit(EXIT_INTERRUPTED)


for command in (
    cli_batch.batch, cli_stills.still, cli_evaluate.evaluate, cli_export.export, config_group, cli_bench.bench,
    cli_live.live, *cli_zmq.COMMANDS,
):  # fmt: skip
    main.add_command(command)


@main.command()
@click.option(
    "--camera",
    is_flag=False,
    flag_value="",
    metavar="[DEVICE]",
    help="Try a camera instead: its mode, its exposure control and how late it obeys. Default: the first one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(camera: str | None, as_json: bool) -> None:
    """Say what works here: versions, devices, networks, encoders that really open, cameras; fuse and encode a little.

    \b
    streamfuse doctor
    streamfuse doctor --camera /dev/video0     about ten seconds; the camera's settings are put back

    Exit status 1 where fusing, encoding or a network does not work.
    """
    from streamfuse.cli.doctor import examine, examine_camera, render, render_camera, works

    if camera is None:
        findings = examine()
        click.echo(json.dumps(findings, indent=2) if as_json else render(findings))
        if not works(findings):
            sys.exit(1)
        return
    with on_signals(leave, signal.SIGTERM):  # so that its settings are put back
        findings = examine_camera(camera)
    click.echo(json.dumps(findings, indent=2) if as_json else render_camera(findings))


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(min=1), help="Train this many steps instead of the file's.")
@click.option("--device", help="cpu or cuda[:i] instead of the file's.")
def train(config: Path, steps: int | None, device: str | None) -> None:
    """Train the networks that CONFIG describes; run it again to resume.

    \b
    streamfuse train configs/train-lcndr.yaml
    """
    from streamfuse.lab.train.loop import train as run
    from streamfuse.lab.train.train_config import load_train_config

    changes: dict[str, Any] = {"steps": steps} if steps else {}
    if device:
        changes["device"] = device
    written = run(load_train_config(config).model_copy(update=changes), click.echo)
    for name, path in written.items():
        click.echo(f"{name}: {path}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: `streamfuse completion bash >> ~/.bashrc`."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "streamfuse", "_STREAMFUSE_COMPLETE").source())


def _rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        rate = read_rate(text)
    except ValueError:
        rate = Fraction(0)
    if not 0 < rate <= 10000:
        raise UsageError(f"--fps {shortened(text)} is not a frame rate; write 25 or 24000/1001.")
    return rate


if __name__ == "__main__":
    main()
