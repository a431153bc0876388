"""AVIF: a picture in PQ, 10 bit, for HDR screens, by SVT-AV1 and the muxer of FFmpeg."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import av

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Plane
from streamfuse.core.output_file import replacing
from streamfuse.encode.ordinary_priority import ordinary_priority
from streamfuse.encode.video_sink import av_frame
from streamfuse.errors import EncoderError, OutputError

SUFFIX = ".avif"
_ENCODER, _LAYOUT = "libsvtav1", "yuv420p10le"
_OPTIONS = {"crf": "15", "preset": "6"}  # hardly to be told from lossless


def require_avif(path: Path) -> None:
    """Refuse at the start what could only fail at the end.

    Raises:
        EncoderError: this FFmpeg has no encoder or no muxer for it.
    """
    if _ENCODER not in av.codecs_available or "avif" not in av.formats_available:
        raise EncoderError(
            f"{path} cannot be written: the FFmpeg of this PyAV has no {_ENCODER} or no AVIF. Name an .exr file."
        )


def write_avif(path: Path, planes: tuple[Plane, Plane, Plane], color: ColorInfo) -> None:
    """Write a picture in one go: the file is complete, or as it was before.

    Args:
        path: the file.
        planes: Y, Cb, Cr of 10 bit and 4:2:0, uint16.
        color: of them.

    Raises:
        EncoderError: as `require_avif`.
        OutputError: it cannot be encoded, no space, no permission ...
    """
    require_avif(path)
    os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 tells its life on stderr
    height, width = planes[0].shape
    picture = av_frame(planes, _LAYOUT)
    picture.color_range = 2 if color.full_range else 1
    picture.colorspace, picture.color_primaries, picture.color_trc = (
        color.matrix,
        color.primaries,
        color.transfer,
    )
    with replacing(path) as part:
        try:
            with av.open(f"file:{part}", "w", format="avif") as container:
                stream = cast(av.VideoStream, container.add_stream(_ENCODER, rate=1, options=_OPTIONS))
                stream.width, stream.height, stream.pix_fmt = width, height, _LAYOUT
                context = stream.codec_context
                context.color_range = picture.color_range
                context.color_primaries, context.color_trc = color.primaries, color.transfer
                context.colorspace = color.matrix
                with ordinary_priority():
                    container.start_encoding()
                container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
        except av.FFmpegError as error:
            raise OutputError(
                f"{path} cannot be written ({error.strerror}): free space, choose another folder, or name an .exr file."
            ) from error
