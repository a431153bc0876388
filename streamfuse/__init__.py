"""streamfuse: alternating-exposure video and bracketed photographs in, one well-exposed picture out.

    import streamfuse
    fused = streamfuse.fuse_pair(under, over)           # (H, W, 3) R'G'B' or (H, W) luma, uint8 or uint16
    for frame in streamfuse.fuse_video("clip.mov"):     # FusedFrame: .rgb(), .planes, .pts
        ...

Names are imported when they are first used, so that `import streamfuse` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamfuse import forking as _forking  # noqa: F401 (sees to it that forked processes work)
from streamfuse._version import __version__

if TYPE_CHECKING:
    from streamfuse.capture.open import open_source as open_source
    from streamfuse.encode.open import open_sink as open_sink
    from streamfuse.frame import FusedFrame as FusedFrame
    from streamfuse.pipeline import Pipeline as Pipeline
    from streamfuse.run import fuse_video as fuse_video
    from streamfuse.stills import Fuser as Fuser
    from streamfuse.stills import fuse_pair as fuse_pair
    from streamfuse.subscription import subscribe as subscribe
    from streamfuse.subscription import subscribe_async as subscribe_async

_HOME = {
    "FusedFrame": "streamfuse.frame",
    "Fuser": "streamfuse.stills",
    "Pipeline": "streamfuse.pipeline",
    "fuse_pair": "streamfuse.stills",
    "fuse_video": "streamfuse.run",
    "open_sink": "streamfuse.encode.open",
    "open_source": "streamfuse.capture.open",
    "subscribe": "streamfuse.subscription",
    "subscribe_async": "streamfuse.subscription",
}

__all__ = [
    "FusedFrame",
    "Fuser",
    "Pipeline",
    "__version__",
    "fuse_pair",
    "fuse_video",
    "open_sink",
    "open_source",
    "subscribe",
    "subscribe_async",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'streamfuse' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
