"""The outputs for people who watch now: how each is named, checked and opened; a new kind is a line of `_OUTPUTS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

from streamfuse.core.options import EncodeOptions, SinkOptions
from streamfuse.core.output_file import check_folder
from streamfuse.core.protocols import Sink, SourceInfo

NETWORK = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "tcp", "srt")
MJPEG = "mjpeg"


class LiveOutput(NamedTuple):
    """A kind of output.

    Args:
        begins, ends: of its names, any of these; the end in any case.
        check: refuses the name of one that can never work, without opening it.
        open: opens it for the frames of a source; options that it has no use for are left alone.
        listens: it opens a port, which is to be found taken before a run begins, and not in the middle.
    """

    begins: tuple[str, ...]
    check: Callable[[str], object]
    open: Callable[[str, SourceInfo, SinkOptions], Sink]
    ends: tuple[str, ...] = ()
    listens: bool = False


def live_output(target: str) -> LiveOutput | None:
    """Give the kind of output of that name; None where it names files, or nothing."""
    for output in _OUTPUTS:
        if target.startswith(output.begins) or (output.ends and target.lower().endswith(output.ends)):
            return output
    return None


def _check_stream(target: str) -> None:
    from streamfuse.encode.network_sink import check_url

    check_url(target)


def _open_stream(target: str, info: SourceInfo, options: SinkOptions) -> Sink:
    from streamfuse.encode.network_sink import NetworkSink

    return NetworkSink(target, info, **_encoding(options))


def _check_mjpeg(target: str) -> None:
    from streamfuse.encode.mjpeg_sink import check_url

    check_url(target)


def _open_mjpeg(target: str, info: SourceInfo, options: SinkOptions) -> Sink:
    from streamfuse.encode.mjpeg_sink import MjpegSink

    return MjpegSink(target)


def _check_hls(target: str) -> None:
    from streamfuse.encode.hls_sink import playlist

    check_folder(playlist(target).parent, make=True)


def _open_hls(target: str, info: SourceInfo, options: SinkOptions) -> Sink:
    from streamfuse.encode.hls_sink import HlsSink

    seconds, overwrite = options.get("segment_seconds"), options.get("overwrite", False)
    return HlsSink(target, info, segment_seconds=seconds, overwrite=overwrite, **_encoding(options))


def _check_virtual(target: str) -> None:
    from streamfuse.encode.virtual_sink import library

    library()


def _open_virtual(target: str, info: SourceInfo, options: SinkOptions) -> Sink:
    from streamfuse.encode.virtual_sink import VirtualCameraSink

    return VirtualCameraSink(target, info)


def _check_preview(target: str) -> None:
    from streamfuse.encode.preview_sink import check_windows

    check_windows()


def _open_preview(target: str, info: SourceInfo, options: SinkOptions) -> Sink:
    from streamfuse.encode.preview_sink import PreviewSink

    return PreviewSink()


def _encoding(options: SinkOptions) -> EncodeOptions:
    known = EncodeOptions.__annotations__
    return cast(EncodeOptions, {key: value for key, value in options.items() if key in known})


_OUTPUTS = (
    LiveOutput(tuple(f"{scheme}://" for scheme in NETWORK), _check_stream, _open_stream),
    LiveOutput((f"{MJPEG}://",), _check_mjpeg, _open_mjpeg, listens=True),
    LiveOutput(("hls:",), _check_hls, _open_hls, ends=(".m3u8",)),
    LiveOutput(("virtual:",), _check_virtual, _open_virtual),
    LiveOutput(("preview:",), _check_preview, _open_preview),
)
