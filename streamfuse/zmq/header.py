"""What the messages of a published stream say of its pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Array, Exposure, Frame, FusedFrame
from streamfuse.core.protocols import SourceInfo
from streamfuse.errors import EncoderError
from streamfuse.zmq.message import (
    DTYPES,
    Color,
    Envelope,
    ExposureInfo,
    FrameHeader,
    PartInfo,
    encode_lasting,
    encode_news,
)
from streamfuse.zmq.payload import Payload, PayloadEncoder
from streamfuse.zmq.pixels import planes_of

Content = Literal["fused", "exposure"]

_DTYPE_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


class HeaderMaker:
    """Makes headers.

    Args:
        info: the source of the frames.
        encoder: what makes their payloads.
        rate: nominal frames per second.
        content: what the frames are.
    """

    def __init__(self, info: SourceInfo, encoder: PayloadEncoder, rate: Fraction, content: Content) -> None:
        self._encoding, self._pixel_format = encoder.encoding, encoder.pixel_format
        self.content: Content = content
        self._picture: dict[str, Any] = {
            "encoding": encoder.encoding,
            "pixel_format": encoder.pixel_format,
            "width": info.width,
            "height": info.height,
            "color": _color(encoder.color),
            "rate": rate.as_integer_ratio(),
            "sample_aspect": info.sample_aspect.as_integer_ratio(),
        }
        self._time_base = info.time_base
        self._alike: tuple[object, ...] | None = None  # what the encoded half was made of
        self._lasting = b""
        self._simultaneous = info.simultaneous

    def picture(self, time_base: Fraction | None = None) -> dict[str, Any]:
        """Give what all headers say; `time_base` is that of the frame, by default the source's."""
        return self._picture | {
            "content": self.content,
            "simultaneous": self._simultaneous if self.content == "exposure" else 1,
            "time_base": (time_base or self._time_base).as_integer_ratio(),
        }

    def frame(self, frame: Frame | FusedFrame, payload: Payload, known: Envelope) -> bytes:
        """Give the encoded header of one frame; `known` is what the publisher knows: stream, seq, ...

        Raises:
            EncoderError: a map that cannot be published.
        """
        stats: Mapping[str, float] = {}
        maps: Mapping[str, Array] = {}
        exposures: tuple[int, ...] = ()
        exposure: Exposure | None = None
        if isinstance(frame, FusedFrame):
            stats, maps, exposures = frame.stats, frame.maps, frame.exposures
        else:
            exposure = frame.exposure
        news: dict[str, Any] = {
            "seq": known["seq"],
            "published_at": known["published_at"],
            "dropped": known["dropped"],
            "index": frame.index,
            "pts": frame.pts,
            "captured_at": frame.captured_unix,
            "keyframe": payload.keyframe,
            "exposures": exposures,
            "exposure": exposure,
            "stats": {key: float(value) for key, value in stats.items() if math.isfinite(value)},
        }
        coded = None if self._encoding == "raw" else payload.arrays[0].shape
        alike = (
            known["stream"], self.content, frame.time_base.as_integer_ratio(), frame.planes[0].shape, coded,
            [(name, array.dtype, array.shape) for name, array in maps.items()] if maps else None, [*stats],
        )  # fmt: skip
        if alike != self._alike:
            self._lasting, self._alike = self._encode_lasting(frame, coded, known["stream"], news), alike
        return encode_news(news, self._lasting)

    def _encode_lasting(
        self, frame: Frame | FusedFrame, coded: tuple[int, ...] | None, stream: str, news: dict[str, Any]
    ) -> bytes:
        """Give what the headers of all frames like this one say; this one's is checked as a whole."""
        if coded is None:
            parts = _raw_parts(self._pixel_format, frame.width, frame.height)
        else:
            parts = (PartInfo(name=self._encoding, dtype="uint8", shape=coded),)
        parts += (
            tuple(_map_part(name, array) for name, array in frame.maps.items())
            if isinstance(frame, FusedFrame)
            else ()
        )
        fields = news | {"exposure": _exposure(news["exposure"])} | self.picture(frame.time_base)
        return encode_lasting(FrameHeader(stream=stream, parts=parts, **fields))


@lru_cache(maxsize=16)
def _raw_parts(pixel_format: str, width: int, height: int) -> tuple[PartInfo, ...]:
    found = planes_of(pixel_format, width, height)
    return tuple(PartInfo(name=plane.name, dtype=plane.dtype, shape=plane.shape) for plane in found)


def _color(color: ColorInfo) -> Color:
    return Color(**{field.name: getattr(color, field.name) for field in fields(color)})


def _map_part(name: str, array: Array) -> PartInfo:
    found = _DTYPE_NAMES.get(array.dtype)
    if found is None:
        raise EncoderError(f"The map {name!r} is {array.dtype}: only {', '.join(DTYPES)} can be published.")
    return PartInfo.model_validate({"name": name, "dtype": found, "shape": array.shape})


def _exposure(exposure: Exposure | None) -> ExposureInfo | None:
    if exposure is None:
        return None
    return ExposureInfo(time_us=exposure.time_us, gain=exposure.gain, rank=exposure.rank)
