"""`streamfuse publish`, `subscribe`, `capture-publish`, `record` and `keys`: parse, call, print."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamfuse.cli import common_options as common
from streamfuse.cli.camera_options import HLG, STREAM
from streamfuse.cli.error_group import EXIT_INTERRUPTED
from streamfuse.cli.look_options import LOOK
from streamfuse.cli.signals import on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamfuse.runtime.live.live_config import LiveConfig
    from streamfuse.runtime.relay import Relay

_HINT_SECONDS = 3.0
_KEY = click.Path(path_type=Path)

_PUBLISHING: list[common.Option] = [
    click.option(
        "--to", "endpoints", multiple=True, required=True, metavar="ENDPOINT", help="Where to; repeatable."
    ),
    click.option("--encoding", type=click.Choice(["raw", "jpeg", "h264", "hevc"]), help="Default: raw."),
    click.option("--quality", type=click.IntRange(1, 100), help="Of JPEG; default: 85."),
    click.option("--topic", help="Default: fused, or exposure."),
    click.option(
        "--keys", type=_KEY, metavar="NAME.key_secret", help="Encrypt and sign with these keys (CURVE)."
    ),
    click.option("--clients", type=_KEY, metavar="DIR", help="Let in only those whose NAME.key lies in DIR."),
    click.option("--pace", is_flag=True, help="Give out a file by its time stamps, as a camera would."),
    click.option(
        "--wait-for", type=click.IntRange(min=0), default=0, help="Begin when N subscribers are there."
    ),
]
_OUTPUT: list[common.Option] = [
    click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output."),
    common.QUIET,
]
_RECORDING: list[common.Option] = [
    common.CODEC,
    common.CRF,
    common.depth(["8", "10", "12", "16"], "Depth to store; default: as received."),
    common.PIX_FMT,
    click.option("--speed", "preset", help="The encoder's own preset, such as veryfast."),
    click.option("--overwrite", is_flag=True, help="Replace an existing file."),
]
_TRUSTING: list[common.Option] = [
    click.option("--server", type=_KEY, metavar="NAME.key", help="The publisher's public key (CURVE)."),
    click.option(
        "--keys", type=_KEY, metavar="NAME.key_secret", help="Own keys, where the publisher asks for them."
    ),
]


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@common.with_options(_PUBLISHING, HLG)
@click.option(
    "--pixels", type=click.Choice(["native", "nv12", "rgb24", "bgr24", "gray"]), help="Layout of raw frames."
)
@click.option("--maps", metavar="NAMES", help="Ride along: weights, ghost, aligned (separated by commas).")
@common.CONFIG
@common.PRESET
@common.FUSER
@common.DEVICE
@common.THREADS
@common.CYCLE
@common.FIRST
@common.ALIGN
@common.FRAMES
@common.with_options(LOOK, STREAM, _OUTPUT)
def publish(
    inputs: tuple[str, ...], endpoints: tuple[str, ...], maps: str | None, config_name: str | None, pace: bool,
    wait_for: int, as_json: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Fuse a file or a camera, and publish the fused frames over ZeroMQ.

    \b
    streamfuse publish clip.mov --to tcp://127.0.0.1:5556
    streamfuse publish rtsp://10.0.0.5/cam --to tcp://127.0.0.1:5556 --preset fast
    streamfuse publish sim: --to tcp://127.0.0.1:5556 --encoding jpeg
    streamfuse publish clip.mov --to push:ipc:///tmp/frames     (loss-free, one receiver)

    Of a camera, frames that come too fast for this machine are left out, oldest first, and counted; `streamfuse live
    CAMERA --sink pub:ADDRESS` chooses the preset that holds, opens the camera with its settings, and has --lookahead.
    """
    from streamfuse.config import load_config
    from streamfuse.runtime.relay import publish as run

    addressed = _addressed(endpoints, options)
    config = load_config(config_name or "default")
    camera = _camera(config.live, options)
    config = config.with_overrides(**options).model_copy(update={"live": camera})
    names = maps.split(",") if maps else []
    relay = run(inputs, addressed, config, maps=names, pace=pace, wait_for=wait_for)
    _run(relay, as_json, quiet)


@click.command(name="capture-publish")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@common.with_options(_PUBLISHING)
@click.option("--exposures", type=_KEY, metavar="SIDECAR", help="CSV or JSON: frame, exposure_us, gain.")
@common.with_options(STREAM, _OUTPUT)
def capture_publish(
    inputs: tuple[str, ...], endpoints: tuple[str, ...], exposures: Path | None, pace: bool, wait_for: int,
    as_json: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Publish a camera's or a file's single exposures, to be fused by another process or machine.

    \b
    streamfuse capture-publish sim: --to push:tcp://127.0.0.1:5557
    streamfuse fuse pull:tcp://127.0.0.1:5557 -o push:tcp://127.0.0.1:5558
    streamfuse record pull:tcp://127.0.0.1:5558 -o fused.mp4
    """
    from streamfuse.runtime.live.live_config import LiveConfig
    from streamfuse.runtime.relay import capture_publish as run

    addressed = _addressed(endpoints, options)
    camera = _camera(LiveConfig(), options)
    relay = run(inputs, addressed, pace=pace, wait_for=wait_for, sidecar=exposures, camera=camera)
    _run(relay, as_json, quiet)


@click.command()
@click.argument("endpoint")
@click.option("-o", "--output", required=True, metavar="OUTPUT", help="Video file, image folder or pattern.")
@click.option("--topic", help="Only topics that begin so.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds of silence; default: 30."
)
@common.with_options(_TRUSTING, _RECORDING, _OUTPUT)
def record(
    endpoint: str, output: str, topic: str | None, timeout: float | None, server: Path | None, keys: Path | None,
    as_json: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Write a published stream to a file.

    \b
    streamfuse record tcp://127.0.0.1:5556 -o fused.mp4
    streamfuse record pull:tcp://127.0.0.1:5558 -o fused.mkv --codec ffv1
    """
    from streamfuse.runtime.relay import record as run
    from streamfuse.zmq.endpoint import with_options

    asked = with_options(endpoint, {"topic": topic, "timeout": timeout, "server": server, "keys": keys})
    asked = asked if asked.startswith(("zmq", "sub", "pull")) else f"zmq:{asked}"
    with nullcontext() if quiet else _hint(endpoint):
        relay = run(asked, output, **options)
    _run(relay, as_json, quiet)


@click.command()
@click.argument("endpoint")
@click.option("--record", "output", metavar="FILE", help="Write the frames to a file as well.")
@click.option("--view", is_flag=True, help="Show the frames in a window.")
@click.option("--topic", default="", help="Only topics that begin so.")
@click.option("--latest", is_flag=True, help="The newest frame only.")
@click.option("--follow", is_flag=True, help="After the end of a stream wait for the next one.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True)
@click.option("--count", type=click.IntRange(min=1), help="End after so many frames.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@common.with_options(_TRUSTING, _RECORDING, _OUTPUT)
def subscribe(
    endpoint: str, output: str | None, view: bool, topic: str, latest: bool, follow: bool, timeout: float,
    count: int | None, duration: float | None, server: Path | None, keys: Path | None,
    as_json: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Receive a published stream: print rates and delays, show it, record it.

    \b
    streamfuse subscribe tcp://127.0.0.1:5556
    streamfuse subscribe tcp://127.0.0.1:5556 --record fused.mp4 --count 300

    A frame that waited longer than 50 ms is left out where a newer one is there, and counted as skipped; --record keeps
    all (ENDPOINT?max_age=SECONDS or none says otherwise).

    Frames a second, megabytes a second, the time from publishing to here and, where the publisher knows it, from
    capture, and what was lost. In --json these times are `age_ms` and `delay_ms`.
    """
    from streamfuse.runtime.watch import watch
    from streamfuse.zmq.subscription import DEFAULT_MAX_AGE
    from streamfuse.zmq.subscription import subscribe as open_subscription

    subscription = open_subscription(
        endpoint, topic=topic, timeout=timeout, latest=latest, follow=follow, server=server, keys=keys,
        max_age=None if output else DEFAULT_MAX_AGE,
    )  # fmt: skip
    if not quiet:
        _warn(subscription.warnings)
    report = None
    silent = lambda: subscription.statistics.received == 0  # noqa: E731
    connected = lambda: bool(topic) and subscription.statistics.connects > 0  # noqa: E731
    hint = nullcontext() if quiet else _hint(endpoint, silent, connected)
    with on_signals(subscription.close, signal.SIGTERM), hint:
        for report in watch(
            subscription, output=output, view=view, frames=count, seconds=duration, **options
        ):
            if not quiet and not as_json:
                click.echo(_line(report.as_dict()), err=True)
    if as_json and report is not None:
        click.echo(json.dumps(report.as_dict() | {"outputs": [output] if output else []}))


@click.group()
def keys() -> None:
    """Make and show CURVE keys, which encrypt a stream and say who may read it."""


@keys.command(name="new")
@click.argument("name", type=_KEY)
def keys_new(name: Path) -> None:
    """Make NAME.key (to give away) and NAME.key_secret (to keep).

    \b
    streamfuse keys new camera
    streamfuse publish sim: --to tcp://*:5556 --keys camera.key_secret
    streamfuse subscribe tcp://HOST:5556 --server camera.key
    """
    from streamfuse.zmq.security import new_keys

    public, secret = new_keys(name)
    click.echo(f"{public}: the public key, for the other end\n{secret}: the secret key; keep it to yourself")


@keys.command(name="show")
@click.argument("file", type=_KEY)
def keys_show(file: Path) -> None:
    """Print the public half of a key file."""
    from streamfuse.zmq.security import load_keys

    click.echo(load_keys(file, secret=False).public.decode())


def _addressed(endpoints: tuple[str, ...], options: dict[str, Any]) -> list[str]:
    """Give the endpoints with the options that are theirs; those are taken out of `options`."""
    from streamfuse.zmq.endpoint import with_options

    names = ("encoding", "quality", "topic", "pixels", "keys", "clients")
    taken = {name: options.pop(name, None) for name in names}
    return [with_options(endpoint, taken) for endpoint in endpoints]


def _camera(live: LiveConfig, options: dict[str, Any]) -> LiveConfig:
    """Tell how to open a camera; what was said of that is taken out of `options`."""
    from streamfuse.runtime.live.live_config import STREAM_KEYS, LiveConfig

    taken = {name: options.pop(name, None) for name in STREAM_KEYS}
    return LiveConfig.checked(live, {name: value for name, value in taken.items() if value is not None})


@contextmanager
def _hint(
    endpoint: str, silent: Callable[[], bool] = lambda: True, connected: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Say after a while what may be wrong where nothing comes."""
    from streamfuse.errors import without_credentials

    def tell() -> None:
        if silent():
            asked = (
                "a publisher is there, but sends nothing under this topic: does it have another?"
                if connected()
                else "is a publisher running there (`streamfuse publish clip.mov --to ADDRESS`), and is the address "
                "right?"
            )
            click.echo(
                f"Nothing has come from {without_credentials(endpoint)} for {_HINT_SECONDS:.0f} s: {asked} Still "
                "waiting.",
                err=True,
            )

    timer = threading.Timer(_HINT_SECONDS, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _run(relay: Relay, as_json: bool, quiet: bool) -> None:
    from streamfuse.core.jit import when_compiling
    from streamfuse.runtime.progress import Reporter

    if not quiet:
        _warn(relay.job.warnings)
        click.echo(", ".join(relay.job.outputs), err=True)
    with on_signals(relay.stop, signal.SIGTERM), when_compiling(Reporter(quiet=quiet or as_json).compiling):
        summary = relay.run()
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        click.echo(
            f"{', '.join(summary.outputs)}: {'interrupted after' if summary.interrupted else 'done:'} "
            f"{summary.frames_out} frames from {summary.frames_in} in {summary.seconds:.1f} s ({summary.fps:.1f} fps)"
            f"{f'; {summary.drops} left out, as this machine was late' if summary.drops else ''}.",
            err=True,
        )
    if summary.interrupted:
        sys.exit(EXIT_INTERRUPTED)


def _warn(sentences: Sequence[str]) -> None:
    for text in sentences:
        click.echo(f"Warning: {text}", err=True)


def _line(report: dict[str, object]) -> str:
    age = (
        ""
        if report["age_ms"] is None
        else f", {report['age_ms']:.1f} ms on the way (at most {report['age_ms_max']:.1f})"
    )
    delay = "" if report["delay_ms"] is None else f", {report['delay_ms']:.1f} ms since capture"
    return (
        f"{report['frames']} frames, {report['fps']:.1f} fps, {report['megabytes_per_second']:.1f} MB/s{age}{delay}, "
        f"{report['lost']} lost on the way, {report['skipped']} skipped here, {report['refused']} messages refused"
    )


COMMANDS = (publish, capture_publish, subscribe, record, keys)
