"""Runs between programs: fuse and publish, capture and publish, receive and record."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Unpack

from streamfuse.camera import open_camera
from streamfuse.camera.open import is_camera
from streamfuse.config import Config
from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.options import SinkOptions
from streamfuse.core.protocols import Drain, Source, SourceInfo, SourceWrapper, Stage
from streamfuse.core.queue import Policy
from streamfuse.core.secret import revealed
from streamfuse.errors import UsageError
from streamfuse.runtime.hdr_output import in_scene_light, live_target, sent
from streamfuse.runtime.job import FusionJob, Job
from streamfuse.runtime.line import Line
from streamfuse.runtime.live.events import Events
from streamfuse.runtime.live.live_config import LiveConfig, camera_options
from streamfuse.runtime.maps import AttachMaps
from streamfuse.runtime.sinks import check_target, open_recorder
from streamfuse.runtime.sources import FrameRange, open_source
from streamfuse.runtime.statistics import Statistics
from streamfuse.zmq.endpoint import parse_endpoint
from streamfuse.zmq.zmq_sink import ZmqSink, open_publisher

_DEFAULT_CAMERA = LiveConfig()
_FINISH_SECONDS = 15.0
_POLL_SECONDS = 0.05
_LATE_SECONDS = 5.0  # over which it is judged whether fusion is too slow
_LATE_SHARE = 0.1  # of the frames left out, from which on it is


@dataclass(frozen=True, slots=True)
class RelaySummary:
    """What a run did.

    Args:
        frames_in, frames_out: frames read, and frames that every output took.
        drops: frames that were left out because the stages could not keep up (live input only).
        fps: frames out per second of the run.
        seconds: how long it took.
        interrupted: ended early by Ctrl-C or SIGTERM, with the outputs finished.
        outputs: addresses, or files.
        received: what the receiving end counted, for a ZeroMQ input.
    """

    frames_in: int
    frames_out: int
    drops: int
    fps: float
    seconds: float
    interrupted: bool
    outputs: tuple[str, ...]
    received: dict[str, object] | None = None

    def as_dict(self) -> dict[str, object]:
        """Give plain values, ready for JSON."""
        return asdict(self)


class Relay:
    """Runs a job between programs: waits until somebody listens, and sums up what went through.

    Args:
        job: reads a source, and gives what comes of it to sinks.
        wait_for: subscribers to wait for before the first frame, at each sink that publishes live.
    """

    def __init__(
        self, job: FusionJob | Job[Frame, Frame] | Job[Frame, FusedFrame], wait_for: int = 0
    ) -> None:
        self.job = job
        self._wait_for = wait_for

    def run(self) -> RelaySummary:
        """Run to the end, to an interrupt or to the first error.

        Raises:
            StreamfuseError: the first error.
        """
        self._await_subscribers()
        done = self.job.run()
        received = self.job.source.report().received
        return RelaySummary(
            frames_in=done.frames_in,
            frames_out=done.frames_out,
            drops=done.drops,
            fps=round(done.fps, 2),
            seconds=round(done.elapsed, 2),
            interrupted=self.job.interrupted,
            outputs=self.job.outputs,
            received=asdict(received) if received is not None else None,
        )

    def stop(self) -> None:
        """End soon and cleanly, from any thread or a signal handler."""
        self.job.stop()

    def _await_subscribers(self) -> None:
        sinks = [sink for sink in self.job.sinks if isinstance(sink, ZmqSink) and sink.live]
        try:
            while not self.job.interrupted and any(self._wait_for > sink.subscribers for sink in sinks):
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            self.stop()


def publish(
    inputs: Sequence[str], endpoints: Sequence[str], config: Config, *,
    maps: Sequence[str] = (), pace: bool = False, wait_for: int = 0,
) -> Relay:  # fmt: skip
    """Fuse and publish. What is live and comes faster than it can be fused is left out, oldest first, and that is told.

    Args:
        inputs: as `open_source` takes them, or a camera, as `open_camera` does.
        endpoints: where to, each with its options; or files.
        config: the settings.
        maps: which of `streamfuse.runtime.maps.MAPS` ride along.
        pace: give out the input's frames by their time stamps, as a camera would.
        wait_for: see `Relay`.

    Raises:
        StreamfuseError: as the message says.
    """
    _check(endpoints)
    if live_target(config, "publish") is not None and maps:
        raise UsageError("--maps shows what the network sees: leave it out, or leave --hdr out.")
    opened = _open(inputs, config.live, config.input.frame_range, config.input.exposures)
    source = in_scene_light(opened, config)

    def open_sinks(info: SourceInfo) -> list[ZmqSink]:
        return _open_sinks(endpoints, sent(info, config), info.rate / info.simultaneous, "fused")

    job = FusionJob.opened(
        _Paced(source) if pace else source,
        config,
        open_sinks,
        [AttachMaps(maps)] if maps else (),
        policy=_policy(source.info, endpoints),
        on_progress=_Lateness(),
        finish_timeout=_FINISH_SECONDS,
    )
    return Relay(job, wait_for)


def capture_publish(
    inputs: Sequence[str], endpoints: Sequence[str], *, pace: bool = False, wait_for: int = 0,
    sidecar: Path | None = None, camera: LiveConfig = _DEFAULT_CAMERA,
) -> Relay:  # fmt: skip
    """Publish the frames of a source as they are, single exposures, to be fused elsewhere.

    Arguments as `publish`; `camera` says how to open one.

    Raises:
        StreamfuseError: as the message says.
    """
    _check(endpoints)
    with ExitStack() as opened:
        source = opened.enter_context(_open(inputs, camera, sidecar=sidecar))
        sinks: Sequence[Drain[Frame]] = _open_sinks(endpoints, source.info, source.info.rate, "exposure")
        opened.pop_all()
    nothing: Line[Frame, Frame] = Line.empty()
    job = Job(
        _Paced(source) if pace else source,
        nothing,
        sinks,
        policy=_policy(source.info, endpoints),
        finish_timeout=_FINISH_SECONDS,
    )
    return Relay(job, wait_for)


def record(endpoint: str, output: str, **options: Unpack[SinkOptions]) -> Relay:
    """Write what is published to a file; options are those of `open_sink`.

    Raises:
        StreamfuseError: as the message says.
    """
    check_target(output)
    with ExitStack() as opened:
        source = opened.enter_context(open_source(endpoint))
        sink = open_recorder(output, source.info, **options)
        opened.pop_all()
    line = Line("receive", AsReceived())
    return Relay(Job(source, line, [sink], finish_timeout=_FINISH_SECONDS))


class AsReceived(Stage[Frame, FusedFrame]):
    """Takes frames for fused ones, as which they were published."""

    def push(self, item: Frame) -> Iterator[FusedFrame]:
        """Give the same pixels at the same time."""
        yield FusedFrame.of(item)


def _check(endpoints: Sequence[str]) -> None:
    if not endpoints:
        raise UsageError("No endpoint was given: where shall the frames go?")
    for endpoint in endpoints:
        parse_endpoint(endpoint, "sink")


def _open_sinks(
    endpoints: Sequence[str], info: SourceInfo, rate: Fraction, content: Literal["fused", "exposure"]
) -> list[ZmqSink]:
    with ExitStack() as opened:
        sinks = [
            opened.enter_context(open_publisher(endpoint, info, rate=rate, content=content))
            for endpoint in endpoints
        ]
        opened.pop_all()
    return sinks


def _policy(info: SourceInfo, endpoints: Sequence[str]) -> Policy:
    """Only a live source whose frames nobody has to get may lose some."""
    live = all(parse_endpoint(endpoint, "sink").live for endpoint in endpoints)
    return "drop-oldest" if info.live and live else "wait"


def _open(
    inputs: Sequence[str], live: LiveConfig, frames: FrameRange | None = None, sidecar: Path | None = None
) -> Source:
    """Give a camera, or what `open_source` takes."""
    only = inputs[0] if len(inputs) == 1 and not Path(inputs[0]).is_file() else ""
    named = revealed(only)
    # The scene can be cut to a range; and a bare tcp:// is far more often meant for ZeroMQ, as the refusal says.
    if not is_camera(named) or named.startswith(("sim:", "tcp://")):
        return open_source([named] if named else list(inputs), frames=frames, sidecar=sidecar)
    if frames is not None or sidecar is not None:
        raise UsageError(
            "A camera has no frames to choose from, and no sidecar: leave --frames and --exposures out."
        )
    return open_camera(named, camera_options(live))


class _Lateness:
    """Tells once where frames are left out all the time, since fusion is too slow."""

    def __init__(self) -> None:
        self._first: Statistics | None = (
            None  # with a frame that came out: loops are compiled, presets loaded
        )
        self._told = False

    def __call__(self, now: Statistics) -> None:
        if now.frames_out and self._first is None:
            self._first = now
        seconds = 0.0 if self._first is None else now.elapsed - self._first.elapsed
        if self._told or self._first is None or seconds < _LATE_SECONDS:
            return
        frames, dropped = now.frames_in - self._first.frames_in, now.drops - self._first.drops
        if dropped > _LATE_SHARE * frames:
            self._told = True
            text = (
                f"This machine is too slow for the source: {dropped} frames were left out within {seconds:.0f} s, so "
                "that the others are not late. --preset fast takes less, and `streamfuse live CAMERA --sink "
                "pub:ADDRESS` chooses what this machine can hold."
            )
            Events().tell("late", text, level="warning")
        self._first = now


class _Paced(SourceWrapper):
    """Gives out frames by their time stamps, as a camera would; those without one as they come."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        began: float | None = None
        for frame in self._source:
            if frame.pts is not None:
                moment = float(frame.pts * frame.time_base)
                began = time.monotonic() - moment if began is None else began
                if self._closed.wait(max(0.0, began + moment - time.monotonic())):
                    return
            yield frame

    def close(self) -> None:
        self._closed.set()
        super().close()
