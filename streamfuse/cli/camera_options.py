"""Options of cameras that more than one command has."""

from __future__ import annotations

import click

from streamfuse.cli.common_options import Option

_SECONDS = click.FloatRange(min=0, min_open=True, max=3600)
STREAM: list[Option] = [
    click.option("--wait/--no-wait", default=None, help="Wait for a camera that is not there at the start."),
    click.option(
        "--timeout", type=_SECONDS, metavar="SECONDS",
        help="Silence after which a camera counts as lost; default: 5.",
    ),
    click.option(
        "--open-timeout", type=_SECONDS, metavar="SECONDS", help="That opening a camera may take; default: 10."
    ),
    click.option(
        "--keyframe-timeout", type=_SECONDS, metavar="SECONDS",
        help="That a stream may send before its first keyframe; default: 30.",
    ),
    click.option(
        "--transport", type=click.Choice(["auto", "tcp", "udp", "multicast", "http"]),
        help="Of RTSP; auto, the default: TCP, and UDP where the camera has no other way.",
    ),
    click.option(
        "--demuxer", metavar="NAME", help="What a stream is sent in, by FFmpeg's name: mjpeg, mpegts, h264 ..."
    ),
    click.option(
        "--assume-fps", type=click.FloatRange(min=0, min_open=True, max=1000), metavar="RATE",
        help="Rate of a stream that does not tell; default: measured.",
    ),
    click.option(
        "--damaged", type=click.Choice(["drop", "keep"]),
        help="Pictures that lost a part on the way: drop (default), until the next keyframe, or keep.",
    ),
]  # fmt: skip


HLG: list[Option] = [
    click.option(
        "--hdr", type=click.Choice(["off", "hlg"]),
        help="Send real dynamic range in 10 bit, as HLG; default: off. (PQ is for files: `fuse`.)",
    ),
    click.option(
        "--white", type=float, metavar="EV",
        help="Of --hdr: how far diffuse white lies below what clips in the darkest exposure; default: found.",
    ),
]  # fmt: skip
