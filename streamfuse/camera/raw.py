"""From the bytes of a camera's frame to planes."""

from __future__ import annotations

import av
import numpy as np

from streamfuse.capture.avframe import DecodedPicture, picture_of
from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import InputError

RAW_FORMATS = ("NV12", "YU12", "YUYV", "GREY")
_CAMERA = ColorInfo()


class JpegDecoder:
    """Motion JPEG, picture by picture."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("mjpeg", "r")

    def decode(self, data: bytes) -> DecodedPicture | None:
        """Give the picture; None if it is damaged, or nothing at all."""
        if not data:  # which would tell the decoder that the stream has ended
            return None
        try:
            frames = self._codec.decode(av.Packet(data))
            return picture_of(frames[0]) if frames and not frames[0].is_corrupt else None
        except (av.FFmpegError, InputError, ValueError):
            return None


def raw_picture(data: bytes, name: str, width: int, height: int, line: int) -> DecodedPicture | None:
    """Planes out of an uncompressed frame.

    Args:
        data: the frame; too little of it gives None.
        name: one of `RAW_FORMATS`.
        width, height: in pixels.
        line: bytes from one line to the next of the first plane.
    """
    pixels = np.frombuffer(data, np.uint8)
    if name == "GREY":
        need, subsampling = line * height, (0, 0)
    elif name == "YUYV":
        need, subsampling = line * height, (1, 0)
    else:
        need, subsampling = line * height * 3 // 2, (1, 1)
    if len(pixels) < need:
        return None
    lines = pixels[: line * height].reshape(height, line)
    if name == "GREY":
        return DecodedPicture((lines[:, :width].copy(),), 8, subsampling, _CAMERA)
    if name == "YUYV":
        views = (lines[:, : 2 * width : 2], lines[:, 1 : 2 * width : 4], lines[:, 3 : 2 * width : 4])
        return DecodedPicture(tuple(np.ascontiguousarray(view) for view in views), 8, subsampling, _CAMERA)
    rest = pixels[line * height : need]
    if name == "NV12":
        pairs = rest.reshape(height // 2, line)[:, :width]
        chroma = (pairs[:, 0::2], pairs[:, 1::2])
    else:
        halves = rest.reshape(2, height // 2, line // 2)[:, :, : width // 2]
        chroma = (halves[0], halves[1])
    return DecodedPicture(
        (lines[:, :width].copy(), *(plane.copy() for plane in chroma)), 8, subsampling, _CAMERA
    )
