"""The options of functions that pass them on, by name and type, so that a type checker sees what it lets through."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from streamfuse.core.values import SceneTransfer

if TYPE_CHECKING:
    from streamfuse.core.mastering import Mastering
    from streamfuse.zmq.message import Limits


class FuseOptions(TypedDict, total=False):
    """Single settings by the names of the command line; `streamfuse config schema` says what each means."""

    cycle: int | None
    first: Literal["under", "over"] | None
    rate: Literal["full", "half"]
    exposures: Path | str | None
    offset: float | None
    frames: str | None
    transfer: Literal["auto", SceneTransfer]
    deinterlace: Literal["auto", "on", "off"]
    align: Literal["off", "global", "flow"]
    ghost: bool
    denoise: bool | None
    preset: Literal["fast", "balanced", "best"]
    fuser: str | None
    device: str
    threads: int | None
    smooth: bool
    deflicker: bool
    look: Literal["off", "natural", "vivid", "flat"]
    brightness: float | None
    contrast: float | None
    saturation: float | None
    highlights: float | None
    shadows: float | None
    detail: float | None
    lut: Path | str | None
    codec: str | None
    crf: float | None
    speed: str | None
    bits: Literal[8, 10, 12, 16] | None
    pix_fmt: str | None
    side_by_side: bool
    audio: Literal["auto", "copy", "none"]
    hdr: Literal["off", "hlg", "pq", "linear", "log"]
    peak_nits: float | None
    white: float | None
    overwrite: bool


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
    preset: str | None
    bits: int | None
    pix_fmt: str | None
    overwrite: bool
    threads: int
    audio: Literal["auto", "copy", "none"]
    bitrate: int | None
    speed: str | None
    segment_seconds: float
    mastering: Mastering | None
    log: bool


class FileOptions(TypedDict, total=False):
    """Options of `VideoFileSink`."""

    codec: str | None
    crf: float | None
    preset: str | None
    bits: int | None
    pix_fmt: str | None
    rate: Fraction | None
    overwrite: bool
    threads: int
    audio: Literal["auto", "copy", "none"]
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
