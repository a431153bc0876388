"""Settings of a live run: the section `live` of a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamfuse.errors import UsageError, shortened

if TYPE_CHECKING:
    from streamfuse.camera import CameraOptions
    from streamfuse.config import Config
    from streamfuse.core.values import Preset

AutoPreset = Literal["auto", "fast", "balanced", "best"]
_Seconds = Annotated[float, Field(gt=0, le=3600)]
STREAM_KEYS = (
    "wait", "timeout", "open_timeout", "keyframe_timeout", "transport", "demuxer", "assume_fps", "damaged",
)  # fmt: skip
"""Settings of cameras that are those of `CameraOptions` as they are."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OutputSpec(_Section):
    """One output of a live run."""

    to: str = Field(
        description="where to: a file, a folder, a URL, hls:FOLDER, mjpeg://HOST:PORT, zmq+pub://..."
    )
    codec: str | None = Field(default=None, description="h264, hevc ...; null: that of the output")
    bitrate: Annotated[int, Field(ge=10_000)] | None = Field(
        default=None, description="bits per second of a stream; null: constant quality"
    )
    crf: Annotated[float, Field(ge=0, le=63)] | None = Field(
        default=None, description="constant rate factor, lower is better; null: that of the output"
    )
    speed: str | None = Field(default=None, description="the encoder's preset; null: that of the output")
    segment: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="seconds per file or HLS segment; null: one file, 2 s for HLS"
    )
    keep: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="files to keep of a segmented recording; null: all"
    )
    queue: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="frames that may wait for this output; null: 8, files 64"
    )
    restart: bool = Field(default=True, description="open it again after a failure; false: give it up")
    overwrite: bool = Field(default=False, description="replace a file that is there already")


class LiveConfig(_Section):
    """How to run a camera live."""

    camera: str | None = Field(
        default=None, description="index, /dev/videoN, URL or sim:; null: named on the command line"
    )
    preset: AutoPreset | None = Field(
        default="auto", description="auto: the best that holds the camera's rate; null: that of fuse.preset"
    )
    lookahead: Literal[0, 1] = Field(
        default=1,
        description="frames after an instant that its fused frame waits for; 0: only frames that are there already, "
        "so that a missing exposure comes from the past alone",
    )
    size: Annotated[str, Field(pattern=r"^\d{1,5}x\d{1,5}$")] | None = Field(
        default=None, description="WIDTHxHEIGHT to ask of the camera; null: its own"
    )
    fps: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="frames per second to ask of the camera; null: its own"
    )
    exposures: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="under and over to begin with, in microseconds; null: found out"
    )
    auto_exposure: bool = Field(default=True, description="under and over follow the light")
    gap_ev: Annotated[float, Field(ge=1, le=8)] | None = Field(
        default=None, description="fixed difference between under and over in EV; null: as the scene needs it"
    )
    drive: bool = Field(
        default=True, description="alternate the exposure; false: the camera does so by itself"
    )
    wait: bool = Field(default=False, description="wait for a camera that is not there at the start")
    timeout: _Seconds = Field(
        default=5.0, description="seconds of silence after which a camera counts as lost"
    )
    open_timeout: _Seconds = Field(default=10.0, description="seconds that opening a camera may take")
    keyframe_timeout: _Seconds = Field(
        default=30.0, description="seconds that a stream may send before its first keyframe"
    )
    transport: Literal["auto", "tcp", "udp", "multicast", "http"] = Field(
        default="auto",
        description="how RTSP comes; auto: over TCP, over UDP where the camera has no other way",
    )
    demuxer: str | None = Field(
        default=None, description="FFmpeg's name of what a stream is sent in, such as mjpeg; null: found out"
    )
    assume_fps: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="frames per second of a stream that does not tell; null: measured"
    )
    damaged: Literal["drop", "keep"] = Field(
        default="drop",
        description="pictures that lost a part on the way, and those made of them: left out until the next keyframe, "
        "or kept",
    )
    outputs: tuple[OutputSpec, ...] = Field(default=(), description="where the fused frames go")
    record_dir: Path | None = Field(
        default=None, description="folder for recordings that the page starts; null: none"
    )
    segment: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="seconds per file of recordings; null: one file"
    )
    keep: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="files to keep of each segmented recording; null: all"
    )
    web: Annotated[str, Field(pattern=r"^.*:\d{1,5}$")] | None = Field(
        default=None,
        description="HOST:PORT of the web page, :PORT for this machine only, *:PORT for all others too; null: none",
    )

    @classmethod
    def checked(cls, settings: Self, changes: Mapping[str, object]) -> Self:
        """Give the settings with some replaced.

        Raises:
            UsageError: a value that does not fit.
        """
        try:
            return cls.model_validate({**settings.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name = "-".join(str(part) for part in first["loc"][:1]).replace("_", "-")
            raise UsageError(f"--{name} {shortened(first['input'])} does not fit: {first['msg']}.") from error


def camera_options(live: LiveConfig) -> CameraOptions:
    """Collect what is asked of the camera.

    Raises:
        UsageError: a value out of its range.
    """
    from streamfuse.camera import CameraOptions
    from streamfuse.core.frame import Exposure

    size = None
    if live.size is not None:
        width, height = live.size.split("x")
        size = int(width), int(height)
    exposures = None
    if live.exposures is not None:
        exposures = Exposure(time_us=live.exposures[0], rank=0), Exposure(time_us=live.exposures[1], rank=1)
    return CameraOptions(
        size=size,
        fps=live.fps,
        drive=live.drive,
        auto=live.auto_exposure,
        exposures=exposures,
        gap_ev=live.gap_ev,
        **{name: getattr(live, name) for name in STREAM_KEYS},
    )


def fixed_preset(config: Config) -> Preset | None:
    """Give the preset of a run that does not choose by itself; None for one that does."""
    chosen = config.live.preset
    return None if chosen == "auto" else chosen or config.fuse.preset


def stride(config: Config) -> int:
    """Input frames for each fused one."""
    return (config.input.cycle or 2) if config.input.rate == "half" else 1
