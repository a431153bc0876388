"""What each kind of output needs: how it is checked, opened and guarded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.secret import revealed
from streamfuse.encode.container import CONTAINERS
from streamfuse.encode.segments import RecordingSink, check_recording, numbered
from streamfuse.encode.video_sink import check_output
from streamfuse.errors import without_credentials
from streamfuse.runtime.live.live_config import OutputSpec
from streamfuse.runtime.live.outputs import Guard, Opener
from streamfuse.runtime.live_sinks import live_output
from streamfuse.runtime.sinks import check_target, open_sink
from streamfuse.zmq.endpoint import is_endpoint, parse_endpoint, with_options

_FILE_QUEUE_BYTES = 256 << 20
_FILE_QUEUE = 64
_LIVE_QUEUE = 8
_FILE_HANG_SECONDS = 60.0
_STREAM_OPTIONS = ("codec", "bitrate", "crf", "speed")


@dataclass(frozen=True, slots=True)
class Target:
    """An output that was checked and can be opened.

    Args:
        name: without credentials.
        opener: opens it, in its own thread.
        guard: what is done about failures.
    """

    name: str
    opener: Opener
    guard: Guard


def plan(spec: OutputSpec, info: SourceInfo, rate: Fraction) -> Target:
    """Check an output without waiting for anything, and say how to open it.

    Args:
        spec: the output; `to` may stand for an address that is kept elsewhere, see `revealed`.
        info: of the source.
        rate: fused frames per second, nominally.

    Raises:
        UsageError, EncoderError, OutputError, OutputExistsError: it cannot work, as the message says.
    """
    spec = spec.model_copy(update={"to": revealed(spec.to)})
    if Path(spec.to).suffix.lower() in CONTAINERS and "://" not in spec.to:
        return _plan_file(spec, info, rate)
    check_target(spec.to)
    options = {key: getattr(spec, key) for key in _STREAM_OPTIONS if getattr(spec, key) is not None}
    if spec.segment is not None:
        options["segment_seconds"] = spec.segment
    if spec.overwrite:
        options["overwrite"] = True
    to = _without_waiting(spec.to)
    # Before the run begins, so that a port that is taken is told at once.
    output = live_output(to)
    listens = is_endpoint(to) or (output is not None and output.listens)
    ready = [_open(to, _live_info(info, rate), options)] if listens else []

    def opener(frame: FusedFrame, attempt: int) -> Sink:
        found = _info_of(frame, info, rate)
        if ready and _same_format(found, info):
            return ready.pop()
        for sink in ready:
            sink.close()
        return _open(to, found, options)

    guard = Guard(queue=spec.queue or _LIVE_QUEUE, restart=spec.restart)
    return Target(without_credentials(spec.to), opener, guard)


def plan_recording(spec: OutputSpec, info: SourceInfo, rate: Fraction) -> Target:
    """Give a file that is written from the next frame on, under exactly its name or, in segments, dated ones.

    Raises:
        OutputError, OutputExistsError: as `plan`.
    """
    return _plan_file(spec, info, rate)


def _plan_file(spec: OutputSpec, info: SourceInfo, rate: Fraction) -> Target:
    path = Path(spec.to)
    options: dict[str, Any] = {
        "codec": spec.codec,
        "crf": spec.crf,
        "speed": spec.speed or _live_speed(spec),
    }
    if spec.segment is None:
        check_output(path, [], spec.overwrite)
    else:
        check_recording(path)

    def opener(frame: FusedFrame, attempt: int) -> Sink:
        found = _info_of(frame, info, rate)
        # What was written before a failure, or in another size, stays as it is.
        name = numbered(path) if attempt and spec.segment is None else path
        overwrite = spec.overwrite and not attempt
        return RecordingSink(
            name, found, seconds=spec.segment, keep=spec.keep, overwrite=overwrite, **options
        )

    frame_bytes = info.width * info.height * (1 if info.bits == 8 else 2) * 3 // 2
    queue = spec.queue or max(_LIVE_QUEUE, min(_FILE_QUEUE, _FILE_QUEUE_BYTES // max(1, frame_bytes)))
    return Target(
        str(path), opener, Guard(queue=queue, restart=spec.restart, hang_seconds=_FILE_HANG_SECONDS)
    )


def _without_waiting(to: str) -> str:
    """Give the address; a ZeroMQ `push` keeps no old frame for a receiver that is not there, unless it is told to."""
    if not is_endpoint(to):
        return to
    endpoint = parse_endpoint(to, "sink")
    return to if endpoint.live or "late" in endpoint.options else with_options(to, {"late": "drop"})


def _live_speed(spec: OutputSpec) -> str | None:
    """A camera does not wait for the encoder: that of H.264 and HEVC is told to hurry."""
    hurries = (spec.codec or "h264") in ("h264", "hevc") and not spec.to.lower().endswith(".webm")
    return "superfast" if hurries else None


def _open(target: str, info: SourceInfo, options: Mapping[str, Any]) -> Sink:
    return open_sink(target, info, **options)


def _live_info(info: SourceInfo, rate: Fraction) -> SourceInfo:
    return replace(info, rate=rate, frame_count=None, media=None, simultaneous=1)


def _info_of(frame: FusedFrame, info: SourceInfo, rate: Fraction) -> SourceInfo:
    """Give the frame's own description: a camera that came back may have another size."""
    return replace(
        _live_info(info, rate), width=frame.width, height=frame.height, bits=frame.bits, color=frame.color,
        subsampling=frame.subsampling, time_base=frame.time_base, has_chroma=len(frame.planes) == 3,
    )  # fmt: skip


def _same_format(one: SourceInfo, other: SourceInfo) -> bool:
    def form(info: SourceInfo) -> tuple[object, ...]:
        return info.width, info.height, info.bits, info.subsampling, info.time_base, info.has_chroma

    return form(one) == form(other)
