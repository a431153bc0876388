"""The whole jobs from Python: a file into a file, arrays, a camera, and frames for others over ZeroMQ."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from streamfuse.config import Config, configured
from streamfuse.core.arguments import checked_names, described
from streamfuse.core.frame import FusedFrame, Pixels
from streamfuse.core.options import FuseOptions, LiveOptions, PublishOptions
from streamfuse.core.protocols import Closable
from streamfuse.core.queue import END, Queue
from streamfuse.errors import UsageError

if TYPE_CHECKING:
    from streamfuse.core.protocols import SourceInfo
    from streamfuse.runtime.chain import Chain
    from streamfuse.runtime.file_run import Summary
    from streamfuse.runtime.statistics import Statistics

_FRAMES_THAT_WAIT = 8  # for the caller of `fuse_live`
_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; as text one line for people.

    Args:
        frames: fused so far.
        total: input frames in all; None where the source does not know.
        fps: fused frames per second.
    """

    frames: int
    total: int | None
    fps: float

    def __str__(self) -> str:
        return f"{self.frames}{f' of {self.total}' if self.total else ''} frames, {self.fps:.1f} fps"


def fuse_file(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    config: Config | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: threading.Event | None = None,
    fps: Fraction | float | None = None,
    **options: Unpack[FuseOptions],
) -> Summary:
    """Fuse a video into a file, as `streamfuse fuse` does; the preset is `balanced` unless it is named.

    Args:
        inputs: an alternating video, one video per exposure, a folder or pattern of images, `sample:`.
        output: a video file, a folder or a pattern for images.
        config: settings; the shipped defaults if None.
        progress: called a few times a second with a `Progress`, from this thread or another one: `print` will do.
        cancel: set it from another thread, and the run ends soon with the output finished.
        fps: frame rate of image sequences.
        options: single settings by the names of the command line: preset="fast", overwrite=True, codec="hevc" ...

    Returns:
        What `--json` prints: frames, rate, exposures found, outputs, warnings.

    Raises:
        StreamfuseError: as the message says.

    Example:
        >>> summary = fuse_file("sample:?frames=4&size=64x48", "null:", preset="fast")
        >>> summary.frames_out
        4
    """
    from streamfuse.runtime.file_run import FileFusion

    settings = configured(config, options)
    names = [str(name) for name in checked_names(inputs)]

    def report(statistics: Statistics, _: Chain, info: SourceInfo) -> None:
        if cancel is not None and cancel.is_set():
            fusion.stop()
        if progress is not None:
            total = None if info.frame_count is None else info.frame_count // info.simultaneous
            progress(Progress(statistics.frames_out, total, round(statistics.fps, 2)))

    rate = None if fps is None else Fraction(fps).limit_denominator(1_001_000)
    fusion = FileFusion(names, str(output), settings, fps=rate, progress=report)
    return fusion.run()


def fuse_frames(
    pictures: Iterable[Pixels],
    fps: Fraction | float = 25,
    *,
    config: Config | None = None,
    **options: Unpack[FuseOptions],
) -> Generator[FusedFrame, None, None]:
    """Fuse arrays in the order in which they were captured; the preset is `balanced` unless it is named.

    Args:
        pictures: (H, W, 3) R'G'B' or (H, W) luma, full range, uint8 or uint16, whose exposures alternate; a generator
            is asked for each when it is needed.
        fps: pictures per second.
        config: as in `fuse_file`.
        **options: as in `fuse_file`.

    Yields:
        `FusedFrame`, one for each picture, in order; `frame.rgb()` is an array again.

    Raises:
        StreamfuseError: as the message says; what is wrong with the settings at once, the rest with the first frame.

    Example:
        >>> import numpy as np
        >>> scene = np.linspace(0, 0.5, 64 * 48 * 3).reshape(48, 64, 3)
        >>> taken = [(scene * gain * 255).astype(np.uint8) for gain in (0.5, 1.9) * 3]
        >>> for frame in fuse_frames(taken, fps=30, preset="fast"):
        ...     picture = frame.bgr()
        >>> picture.shape
        (48, 64, 3)
    """
    from streamfuse.runtime.hdr_output import check_frames

    settings = configured(config, options)
    check_frames(settings)
    return _fused_arrays(pictures, fps, settings)


def _fused_arrays(
    pictures: Iterable[Pixels], fps: Fraction | float, settings: Config
) -> Generator[FusedFrame, None, None]:
    from streamfuse.capture.array_source import ArraySource
    from streamfuse.runtime.file_run import fused

    yield from fused(ArraySource(pictures, fps), settings)


def fuse_live(
    camera: int | str,
    *,
    config: Config | None = None,
    duration: float | None = None,
    **options: Unpack[LiveOptions],
) -> Generator[FusedFrame, None, None]:
    """Fuse a camera until the loop over the frames ends, or the camera does.

    It is a run of `streamfuse live` in threads of its own: a caller that is slow loses frames, oldest first, and does
    not hold it up. The preset is the best that holds the camera's rate unless it is named.

    Args:
        camera: index, /dev/videoN, an address such as rtsp://..., or `sim:`.
        config: settings; the shipped defaults if None. Its outputs are served, too.
        duration: seconds after which it ends; None: never.
        options: settings of `live` (`preset`, `lookahead`, `size`, `fps`, ...), or others by the names of the command
            line.

    Yields:
        `FusedFrame`, in order.

    Raises:
        StreamfuseError: as the message says; what is wrong with the settings at once, the rest with the first frame.

    Example:
        >>> for frame in fuse_live("sim:?size=64x48", preset="fast"):
        ...     if frame.index > 20:
        ...         break
        >>> frame.bgr().shape
        (48, 64, 3)
    """
    from streamfuse.runtime.live.live_config import LiveConfig

    live = {name: value for name, value in options.items() if name in LiveConfig.model_fields}
    settings = configured(config, {name: value for name, value in options.items() if name not in live})
    if isinstance(camera, bool) or not isinstance(camera, int | str):
        raise UsageError(f"A camera is an index or an address, and {described(camera)} was given.")
    checked = LiveConfig.checked(settings.live, {**live, "camera": str(camera)})
    return _live_frames(settings.model_copy(update={"live": checked}), duration)


def _live_frames(config: Config, duration: float | None) -> Generator[FusedFrame, None, None]:
    from streamfuse.camera import open_camera
    from streamfuse.runtime.live.lanes import Lanes
    from streamfuse.runtime.live.live_config import camera_options
    from streamfuse.runtime.live.live_run import LiveRun

    waiting: Queue[FusedFrame] = Queue(_FRAMES_THAT_WAIT, "drop-oldest")

    def work() -> None:
        try:
            run.run(duration)
        except BaseException as error:
            waiting.end(error)
        finally:
            waiting.end()

    lanes = Lanes(config)  # before the camera gives frames that nobody could fuse yet
    lanes.compile_ahead(lambda: None)
    assert config.live.camera is not None
    run = LiveRun(
        open_camera(config.live.camera, camera_options(config.live)),
        config,
        lanes=lanes,
        listener=waiting.put,
    )
    thread = threading.Thread(target=work, name="streamfuse live", daemon=True)

    def end() -> None:
        run.stop()
        thread.join(_END_SECONDS)

    # Where the loop was left and the program ends with the iterator still held, threads that compute would abort it.
    atexit.register(end)
    thread.start()
    try:
        while (frame := waiting.get()) is not END:
            yield frame
    finally:
        atexit.unregister(end)
        end()


class FramePublisher(Closable):
    """Sends frames to subscribers; see `publish`. A context manager: `close` says goodbye to them."""

    def __init__(self, endpoint: str, rate: Fraction | float, options: PublishOptions) -> None:
        from streamfuse.runtime.sinks import open_sink
        from streamfuse.zmq.endpoint import is_endpoint

        if not isinstance(endpoint, str) or not is_endpoint(endpoint):
            raise UsageError(
                f"{endpoint if isinstance(endpoint, str) else described(endpoint)} is no endpoint to publish at: "
                "write pub:tcp://127.0.0.1:5556."
            )
        mark = "&" if "?" in endpoint else "?"
        query = "&".join(f"{name}={value}" for name, value in options.items() if value is not None)
        self._sink = open_sink(endpoint + mark * bool(query) + query, None, rate)

    def send(self, picture: FusedFrame | Pixels) -> None:
        """Send one frame, or an array as `FusedFrame.from_rgb` takes it; all have to be of one size and depth.

        Raises:
            StreamfuseError: as the message says.
        """
        self._sink.write(picture)

    def close(self) -> None:
        """Send what waits, and end the stream."""
        self._sink.close()


def publish(
    endpoint: str, *, rate: Fraction | float = 25, **options: Unpack[PublishOptions]
) -> FramePublisher:
    """Publish frames over ZeroMQ, for `streamfuse.subscribe` and others (docs/zmq.md); opens with the first frame.

    Args:
        endpoint: such as pub:tcp://127.0.0.1:5556.
        rate: nominal frames per second.
        options: `encoding`, `quality`, `topic`, `wait` ... as in the endpoint's query.

    Raises:
        UsageError: that is no endpoint.

    Example:
        >>> import streamfuse
        >>> with publish("pub+bind:ipc://frames") as publisher:
        ...     for frame in streamfuse.fuse_video("sample:?frames=4&size=64x48", preset="fast"):
        ...         publisher.send(frame)
    """
    return FramePublisher(endpoint, rate, options)
