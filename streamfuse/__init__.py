"""streamfuse: alternating-exposure video and bracketed photographs in, one well-exposed picture out.

    import streamfuse
    fused = streamfuse.fuse_pair(under, over)           # (H, W, 3) R'G'B' or (H, W) luma, uint8 or uint16
    streamfuse.fuse_file("clip.mov", "fused.mp4")       # as `streamfuse fuse` does
    for frame in streamfuse.fuse_video("clip.mov"):     # FusedFrame: .rgb(), .time, .save(path), .tensor()
        ...
    for frame in streamfuse.fuse_frames(arrays, fps=24):
        ...

Names are imported when they are first used, so that `import streamfuse` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamfuse._version import __version__
from streamfuse.core import forking as _forking  # noqa: F401 (sees to it that forked processes work)

if TYPE_CHECKING:
    from streamfuse.api import Progress as Progress
    from streamfuse.api import fuse_file as fuse_file
    from streamfuse.api import fuse_frames as fuse_frames
    from streamfuse.api import fuse_live as fuse_live
    from streamfuse.api import publish as publish
    from streamfuse.config import Config as Config
    from streamfuse.config import load_config as load_config
    from streamfuse.core.frame import Frame, FusedFrame
    from streamfuse.core.protocols import Sink, Source, SourceInfo, Stage
    from streamfuse.core.reports import SinkReport, SourceReport
    from streamfuse.errors import CameraError as CameraError
    from streamfuse.errors import ConfigError as ConfigError
    from streamfuse.errors import DeviceError as DeviceError
    from streamfuse.errors import EncoderError as EncoderError
    from streamfuse.errors import ExposureError as ExposureError
    from streamfuse.errors import ForkedError as ForkedError
    from streamfuse.errors import InputError as InputError
    from streamfuse.errors import InputNotFoundError as InputNotFoundError
    from streamfuse.errors import OutputError as OutputError
    from streamfuse.errors import OutputExistsError as OutputExistsError
    from streamfuse.errors import StageTimeoutError as StageTimeoutError
    from streamfuse.errors import StreamAccessError as StreamAccessError
    from streamfuse.errors import StreamfuseError as StreamfuseError
    from streamfuse.errors import StreamTimeoutError as StreamTimeoutError
    from streamfuse.errors import UsageError as UsageError
    from streamfuse.errors import WeightsError as WeightsError
    from streamfuse.errors import WireError as WireError
    from streamfuse.errors import WireLimitError as WireLimitError
    from streamfuse.errors import WireVersionError as WireVersionError
    from streamfuse.look.look import Look as Look
    from streamfuse.photo.still_fusion import Fuser, fuse_pair
    from streamfuse.runtime.file_run import fuse_video
    from streamfuse.runtime.line import Line
    from streamfuse.runtime.live.live_run import LiveRun
    from streamfuse.runtime.pipeline import Pipeline
    from streamfuse.runtime.sinks import open_sink
    from streamfuse.runtime.sources import open_source
    from streamfuse.zmq.subscription import subscribe, subscribe_async

_HOME = {
    "CameraError": "streamfuse.errors",
    "Config": "streamfuse.config",
    "ConfigError": "streamfuse.errors",
    "DeviceError": "streamfuse.errors",
    "EncoderError": "streamfuse.errors",
    "ExposureError": "streamfuse.errors",
    "ForkedError": "streamfuse.errors",
    "Frame": "streamfuse.core.frame",
    "FusedFrame": "streamfuse.core.frame",
    "Fuser": "streamfuse.photo.still_fusion",
    "InputError": "streamfuse.errors",
    "InputNotFoundError": "streamfuse.errors",
    "Line": "streamfuse.runtime.line",
    "LiveRun": "streamfuse.runtime.live.live_run",
    "Look": "streamfuse.look.look",
    "OutputError": "streamfuse.errors",
    "OutputExistsError": "streamfuse.errors",
    "Pipeline": "streamfuse.runtime.pipeline",
    "Progress": "streamfuse.api",
    "Sink": "streamfuse.core.protocols",
    "SinkReport": "streamfuse.core.reports",
    "Source": "streamfuse.core.protocols",
    "SourceInfo": "streamfuse.core.protocols",
    "SourceReport": "streamfuse.core.reports",
    "Stage": "streamfuse.core.protocols",
    "StageTimeoutError": "streamfuse.errors",
    "StreamAccessError": "streamfuse.errors",
    "StreamTimeoutError": "streamfuse.errors",
    "StreamfuseError": "streamfuse.errors",
    "UsageError": "streamfuse.errors",
    "WeightsError": "streamfuse.errors",
    "WireError": "streamfuse.errors",
    "WireLimitError": "streamfuse.errors",
    "WireVersionError": "streamfuse.errors",
    "fuse_file": "streamfuse.api",
    "fuse_frames": "streamfuse.api",
    "fuse_live": "streamfuse.api",
    "fuse_pair": "streamfuse.photo.still_fusion",
    "fuse_video": "streamfuse.runtime.file_run",
    "load_config": "streamfuse.config",
    "open_sink": "streamfuse.runtime.sinks",
    "open_source": "streamfuse.runtime.sources",
    "publish": "streamfuse.api",
    "subscribe": "streamfuse.zmq.subscription",
    "subscribe_async": "streamfuse.zmq.subscription",
}

__all__ = [
    "CameraError",
    "Config",
    "ConfigError",
    "DeviceError",
    "EncoderError",
    "ExposureError",
    "ForkedError",
    "Frame",
    "FusedFrame",
    "Fuser",
    "InputError",
    "InputNotFoundError",
    "Line",
    "LiveRun",
    "Look",
    "OutputError",
    "OutputExistsError",
    "Pipeline",
    "Progress",
    "Sink",
    "SinkReport",
    "Source",
    "SourceInfo",
    "SourceReport",
    "Stage",
    "StageTimeoutError",
    "StreamAccessError",
    "StreamTimeoutError",
    "StreamfuseError",
    "UsageError",
    "WeightsError",
    "WireError",
    "WireLimitError",
    "WireVersionError",
    "__version__",
    "fuse_file",
    "fuse_frames",
    "fuse_live",
    "fuse_pair",
    "fuse_video",
    "load_config",
    "open_sink",
    "open_source",
    "publish",
    "subscribe",
    "subscribe_async",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'streamfuse' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
