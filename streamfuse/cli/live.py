"""`streamfuse live`: parse, call, print."""

from __future__ import annotations

import json
import logging
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from streamfuse.cli.camera_options import HLG, STREAM
from streamfuse.cli.common_options import ALIGN, CONFIG, CYCLE, DEVICE, FUSER, RATE, Option, with_options
from streamfuse.cli.error_group import EXIT_INTERRUPTED
from streamfuse.cli.look_options import LOOK, LOOK_KEYS
from streamfuse.cli.signals import on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamfuse.config import Config
    from streamfuse.runtime.live.live_run import LiveRun
    from streamfuse.runtime.live.status import LiveSummary

_MAX_BITS = 10e9
_TOKEN = "STREAMFUSE_WEB_TOKEN"
_SECONDS = click.FloatRange(min=0, min_open=True)
_PLAIN = ("preset", "size", "fps", "gap_ev", "drive", "record_dir", "segment", "keep", "web")


_CAMERA: list[Option] = [
    click.option("--size", metavar="WxH", help="Size to ask of the camera, such as 1280x720."),
    click.option("--fps", type=float, help="Frames per second to ask of the camera."),
    click.option(
        "--exposures", metavar="UNDER,OVER", help="Exposure times to begin with, in microseconds: 500,4000."
    ),
    click.option("--gap", "gap_ev", type=float, help="Fixed difference between under and over in EV."),
    click.option(
        "--drive/--no-drive", default=None, help="--no-drive: the camera alternates its exposures by itself."
    ),
]
_FUSION: list[Option] = [
    click.option(
        "--preset",
        type=click.Choice(["auto", "fast", "balanced", "best"]),
        help="auto, the default: the best that holds the camera's rate.",
    ),
    click.option(
        "--lookahead",
        type=click.Choice(["0", "1"]),
        help="Frames after an instant that its fused frame waits for (default 1); 0: the least latency.",
    ),
    FUSER,
    DEVICE,
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="Of the network and OpenCV; default: half of the CPUs.",
    ),
    CYCLE,
    RATE,
    ALIGN,
]
_OUTPUTS: list[Option] = [
    click.option(
        "--sink", "sinks", multiple=True, metavar="URL",
        help="Where fused frames go; repeatable: rtsp://, rtmp://, udp://, tcp://, srt://, hls:FOLDER, "
        "mjpeg://HOST:PORT, pub:tcp://HOST:PORT (ZeroMQ), virtual:, preview:; or @FILE or env:NAME that holds one.",
    ),
    click.option("-o", "--output", "files", multiple=True, metavar="FILE", help="Write a file; repeatable."),
    click.option("--segment", type=_SECONDS, metavar="SECONDS", help="Begin a new file so often."),
    click.option(
        "--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N files of a segmented recording."
    ),
    click.option("--codec", help="Of files and streams: h264 (default), hevc, or an encoder's own name."),
    click.option("--bitrate", metavar="BITS", help="Of streams, per second, such as 4M; default: constant quality."),
    click.option("--overwrite", is_flag=True, help="Replace files that are there already."),
    click.option(
        "--record-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where the page's recordings go."
    ),
    click.option(
        "--web", metavar="[HOST]:PORT",
        help="Serve a page with picture, figures and controls (to record from it: --record-dir); without a host for "
        "this machine only.",
    ),
    click.option(
        "--web-token", metavar="TOKEN", envvar=_TOKEN, show_envvar=True,
        help="What the page's visitors have to know; required beyond this machine. @FILE or env:NAME.",
    ),
]  # fmt: skip
_RUN: list[Option] = [
    click.option(
        "--duration",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="End after so long.",
    ),
    CONFIG,
    click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON summary on standard output at the end."
    ),
    click.option(
        "--log-json", is_flag=True, help="Tell events on standard error as one JSON object per line."
    ),
    click.option("--quiet", is_flag=True, help="Tell problems only."),
]


@click.command()
@click.argument("camera", required=False)
@with_options(_OUTPUTS, _FUSION, LOOK, _CAMERA, STREAM, HLG, _RUN)
def live(
    camera: str | None, duration: float | None, config_name: str | None, web_token: str | None, as_json: bool,
    log_json: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Fuse a running camera, and stream, record, publish and show the result.

    CAMERA is an index, /dev/videoN, a URL (rtsp, http, udp, tcp ...) or sim: (a built-in scene). It is opened again
    when it is lost, and so is each output; none of them can stop the others.

    \b
    streamfuse live 0 --web 127.0.0.1:8080
    streamfuse live rtsp://10.0.0.5/cam --sink rtsp://10.0.0.9:8554/fused -o day.mp4 --segment 600
    streamfuse live sim:?size=320x180 --sink pub:tcp://127.0.0.1:5556 --duration 60 --json

    An address or a token that nobody else should read: @FILE stands for the first line of a file, env:NAME for an
    environment variable (CAMERA, --sink, --web-token, and the same in --config).

    SIGTERM and --duration end it cleanly (exit status 0), Ctrl-C too (130); SIGHUP reads --config again and takes over
    its outputs and preset.
    """
    from streamfuse.errors import StreamfuseError
    from streamfuse.runtime.live.events import Events, log_to_stderr, stop_logging

    handler = log_to_stderr(as_json=log_json, level=logging.WARNING if quiet else logging.INFO)
    _warn_of_shown_secrets(camera, options["sinks"], web_token)
    try:
        with ExitStack() as stack:
            summary = _run(
                stack, camera, config_name, options, duration, web_token, quiet or log_json, as_json
            )
    except StreamfuseError as error:
        if not log_json:
            raise
        Events().tell("error", str(error), level="error")
        sys.exit(error.exit_code)
    finally:
        stop_logging(handler)
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        click.echo(_last_words(summary), err=True)
    if summary.interrupted:
        sys.exit(EXIT_INTERRUPTED)


def _warn_of_shown_secrets(camera: str | None, sinks: tuple[str, ...], web_token: str | None) -> None:
    """Whatever stands on the command line can be read by everybody on this machine."""
    from streamfuse.core.secret import ADVICE, holds_secret, is_reference
    from streamfuse.runtime.live.events import Events
    from streamfuse.zmq.endpoint import is_endpoint

    given = click.get_current_context().get_parameter_source("web_token") is ParameterSource.COMMANDLINE
    named = [camera or "", *(sink for sink in sinks if not is_endpoint(sink))]  # keys of ZeroMQ are files
    shown = [f"of {address}" for address in named if holds_secret(address)]
    if web_token is not None and given and not is_reference(web_token):
        shown.append("given by --web-token")
    for whose in shown:
        text = f"The secret {whose} can be read in the list of processes: {ADVICE}."
        Events().tell("secret", text, level="warning")


def _run(
    stack: ExitStack, camera: str | None, config_name: str | None, options: dict[str, Any], duration: float | None,
    token: str | None, quiet: bool, as_json: bool,
) -> LiveSummary:  # fmt: skip
    from streamfuse.camera import open_camera
    from streamfuse.errors import UsageError
    from streamfuse.runtime.live.events import Events
    from streamfuse.runtime.live.lanes import Lanes
    from streamfuse.runtime.live.live_config import camera_options
    from streamfuse.runtime.live.live_run import LiveRun
    from streamfuse.runtime.live.monitor import Monitor
    from streamfuse.runtime.progress import COMPILING

    def settings() -> Config:
        return _settings(config_name, camera, options)

    config = settings()
    if config.live.camera is None:
        raise UsageError("No camera was named: give an index, /dev/videoN, a URL or sim:.")
    # Until the run is there, there is nothing to finish.
    stack.enter_context(on_signals(lambda: sys.exit(0), signal.SIGTERM))
    lanes = Lanes(config)  # before the camera gives frames that nobody could fuse yet
    events = Events()
    lanes.compile_ahead(lambda: events.tell_once("compile", COMPILING))
    run = LiveRun(
        open_camera(config.live.camera, camera_options(config.live)), config, events=events, lanes=lanes
    )
    if config.live.web is not None:
        stack.enter_context(_page(run, config.live.web, token))
    monitor = stack.enter_context(Monitor(quiet=quiet))
    stack.enter_context(on_signals(run.stop, signal.SIGTERM))
    # In the thread of the run, at its next report.
    stack.enter_context(on_signals(lambda: monitor.ask(lambda: run.reload(settings())), signal.SIGHUP))
    try:
        return run.run(duration, monitor.update)
    except Exception:
        if as_json:
            click.echo(json.dumps(run.summary().as_dict()))
        raise


def _settings(config_name: str | None, camera: str | None, options: dict[str, Any]) -> Config:
    """Give the file's settings with the command line's over them; read again for each reload."""
    from streamfuse.config import load_config
    from streamfuse.runtime.live.live_config import STREAM_KEYS, LiveConfig, OutputSpec

    config = load_config(config_name or "default")
    keys = ("fuser", "device", "threads", "cycle", "rate", "align", "hdr", "white", *LOOK_KEYS)
    config = config.with_overrides(**{key: options[key] for key in keys})
    live = config.live
    common = {"codec": options["codec"], "overwrite": options["overwrite"]}
    cut = {"segment": options["segment"], "keep": options["keep"]}
    bitrate = _bits(options["bitrate"])
    named = [OutputSpec(to=url, bitrate=bitrate, **common) for url in options["sinks"]]
    named += [OutputSpec(to=file, **common, **cut) for file in options["files"]]
    changes: dict[str, Any] = {
        "camera": camera,
        "outputs": (*live.outputs, *named) if named else None,
        "exposures": _times(options["exposures"]),
        **{key: options[key] for key in (*_PLAIN, *STREAM_KEYS)},
        "lookahead": None if options["lookahead"] is None else int(options["lookahead"]),
    }
    checked = LiveConfig.checked(live, {key: value for key, value in changes.items() if value is not None})
    return config.model_copy(update={"live": checked})


def _times(text: str | None) -> tuple[float, float] | None:
    from streamfuse.errors import UsageError

    if text is None:
        return None
    try:
        under, over = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--exposures {text!r} is not understood: write under,over in microseconds: 500,4000."
        ) from None
    return under, over


def _bits(text: str | None) -> int | None:
    from streamfuse.errors import UsageError, shortened

    if text is None:
        return None
    number, factor = (text[:-1], {"k": 1e3, "M": 1e6}[text[-1]]) if text[-1:] in ("k", "M") else (text, 1.0)
    try:
        bits = float(number) * factor
    except ValueError:
        bits = 0.0
    if not 10_000 <= bits <= _MAX_BITS:
        raise UsageError(
            f"--bitrate {shortened(text)} is not a bit rate: write 4M, 800k or 4000000 (10k to 10000M)."
        )
    return int(bits)


@contextmanager
def _page(run: LiveRun, address: str, token: str | None) -> Iterator[None]:
    from streamfuse.core.secret import revealed
    from streamfuse.runtime.live.events import Events
    from streamfuse.web.server import WebServer, parse_address

    try:
        host, port = parse_address(address)
        server = WebServer(run, host, port, None if token is None else revealed(token))
        server.start()
    except BaseException:
        run.close()
        raise
    Events().tell("web", f"The page is at {server.url}", url=server.url)
    try:
        yield
    finally:
        server.close()


def _last_words(summary: LiveSummary) -> str:
    status = summary.status
    ended = "interrupted after" if summary.interrupted else "done:"
    middle, _, highest = status.age_ms
    written = ", ".join(summary.files[:3]) + (" ..." if len(summary.files) > 3 else "")
    counts = (
        (status.dropped, "left out, as this machine was late"),
        (
            status.discarded,
            "of the camera not used, as the exposure was changing or the run was starting or ending",
        ),
        (status.repaired, "fused across a lost frame"),
    )
    told = [f"{_frames(count)} {why}" for count, why in counts if count]
    if status.reconnects:
        told.append(
            f"the camera was opened again {'once' if status.reconnects == 1 else f'{status.reconnects} times'}"
        )
    rest = "".join(f"; {text}" for text in (*told, written) if text) + "."
    if not status.frames_out:  # neither a preset nor a latency to tell of
        return (
            f"{ended} no frame was fused of {status.frames_in} in {summary.seconds:.0f} s: presets are timed and "
            f"exposures looked for first, which takes some seconds; let it run longer{rest}"
        )
    return (
        f"{ended} {_frames(status.frames_out)} from {status.frames_in} in {summary.seconds:.0f} s, preset "
        f"{status.effort}, {middle:.0f} ms from capture to fused (99 % below {highest:.0f}){rest}"
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
