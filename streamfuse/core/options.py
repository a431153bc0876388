"""The options of functions that pass them on, by name and type, so that a type checker sees what it lets through."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from streamfuse.core.values import AlignMode, Audio, Deinterlace, First, LookName, Preset, Rate, SceneTransfer

if TYPE_CHECKING:
    from streamfuse.core.mastering import Mastering
    from streamfuse.runtime.live.live_config import OutputSpec
    from streamfuse.zmq.message import Limits


class CommonOptions(TypedDict, total=False):
    """Settings of files and of live runs by the names of the command line."""

    cycle: int | None
    first: First | None
    rate: Rate
    transfer: Literal["auto", SceneTransfer]
    align: AlignMode
    ghost: bool
    denoise: bool | None
    bands: bool
    fuser: str | None
    device: str
    threads: int | None
    smooth: bool
    deflicker: bool
    look: LookName
    brightness: float | None
    contrast: float | None
    saturation: float | None
    highlights: float | None
    shadows: float | None
    detail: float | None
    lut: Path | str | None
    hdr: Literal["off", "hlg", "pq", "linear", "log"]
    peak_nits: float | None
    white: float | None


class FuseOptions(CommonOptions, total=False):
    """Single settings by the names of the command line; `streamfuse config schema` says what each means."""

    preset: Preset
    exposures: Path | str | None
    offset: float | None
    frames: str | None
    deinterlace: Deinterlace
    codec: str | None
    crf: float | None
    speed: str | None
    bits: Literal[8, 10, 12, 16] | None
    pix_fmt: str | None
    side_by_side: bool
    audio: Audio
    overwrite: bool


class LiveOptions(CommonOptions, total=False):
    """Settings of a live run by their names in the section `live` of the settings, and those that files have, too."""

    preset: Literal["auto", Preset] | None
    lookahead: Literal[0, 1]
    size: str | None
    fps: float | None
    exposures: tuple[float, float] | None
    auto_exposure: bool
    gap_ev: float | None
    drive: bool
    wait: bool
    timeout: float
    open_timeout: float
    keyframe_timeout: float
    transport: Literal["auto", "tcp", "udp", "multicast", "http"]
    demuxer: str | None
    assume_fps: float | None
    damaged: Literal["drop", "keep"]
    outputs: Sequence[OutputSpec]
    record_dir: Path | str | None
    segment: float | None
    keep: int | None
    web: str | None


class EncodeOptions(TypedDict, total=False):
    """Options of `StreamEncoder`: of what people watch now."""

    codec: str | None
    bitrate: int | None
    crf: float | None
    speed: str | None


class SinkOptions(TypedDict, total=False):
    """Options of `open_sink`, of every kind of output; one leaves alone what it has no use for."""

    codec: str | None
    crf: float | None
    bits: int | None
    pix_fmt: str | None
    overwrite: bool
    threads: int
    audio: Audio
    bitrate: int | None
    speed: str | None
    quick: bool
    segment_seconds: float
    mastering: Mastering | None
    log: bool


class FileOptions(TypedDict, total=False):
    """Options of `VideoFileSink`."""

    codec: str | None
    crf: float | None
    speed: str | None
    quick: bool
    bits: int | None
    pix_fmt: str | None
    rate: Fraction | None
    overwrite: bool
    threads: int
    audio: Audio
    mastering: Mastering | None


class SubscribeOptions(TypedDict, total=False):
    """Options of `subscribe`."""

    topic: str
    timeout: float | None
    latest: bool
    max_age: float | None
    follow: bool
    strict: bool
    server: Path | str | None
    keys: Path | str | None
    limits: Limits


class PublishOptions(TypedDict, total=False):
    """Options of an endpoint to publish at, as in its query; docs/zmq.md says what each means."""

    topic: str
    encoding: str
    pixels: str
    quality: int
    crf: float
    workers: int
    hwm: int
    heartbeat: float
    wait: float
    late: str
    keys: Path | str
    clients: Path | str
