"""The messages of wire protocol version 1: `[topic, header, part, part ...]`; docs/zmq.md is their specification.

The header is JSON and says what each part is; all parts may also come joined to one. Nothing is believed before it
was compared with what really came: a message that does not fit is refused as a whole, by an error of its kind.
Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Final, Literal, TypedDict

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from streamfuse.core.frame import Array
from streamfuse.errors import WireError, WireLimitError, WireVersionError
from streamfuse.zmq.joined import split
from streamfuse.zmq.pixels import FORMATS, PlaneShape, planes_of

VERSION: Final = 1
DTYPES: Final = {
    "uint8": "|u1",
    "uint16": "<u2",
    "float16": "<f2",
    "float32": "<f4",
}  # bytes are little-endian
TOPIC_BYTES: Final = 255
_PIXEL_BYTES: Final = 8  # three planes of 16 bit, or a map of each of eight exposures
_SLACK_BYTES: Final = 1 << 20  # for the header, and coded pictures that are very small
_ITEM_BYTES: Final = {name: np.dtype(code).itemsize for name, code in DTYPES.items()}

_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Positive = Annotated[int, Field(ge=1, lt=2**31)]
_Seconds = Annotated[float, Field(ge=0, lt=2**40)]
_Code = Annotated[int, Field(ge=0, le=255)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]

Encoding = Literal["raw", "jpeg", "h264", "hevc"]


class _Model(BaseModel):
    # Fields that are not known are passed over: version 1 may grow by optional ones.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class PartInfo(_Model):
    """One payload part: an array in C order, or coded bytes as a uint8 array."""

    name: _Name
    dtype: Literal["uint8", "uint16", "float16", "float32"]
    shape: Annotated[tuple[_Positive, ...], Field(min_length=1, max_length=4)]

    @property
    def nbytes(self) -> int:
        """Size of the part."""
        return prod(self.shape) * _ITEM_BYTES[self.dtype]


class Color(_Model):
    """ITU-T H.273 code points; 2 = unspecified. matrix 0 = R'G'B'."""

    matrix: _Code
    primaries: _Code
    transfer: _Code
    full_range: bool


class ExposureInfo(_Model):
    """What is known of a single exposure; rank 0 = darkest."""

    time_us: Annotated[float, Field(gt=0)] | None = None
    gain: Annotated[float, Field(gt=0)] | None = None
    rank: Annotated[int, Field(ge=0, le=255)] | None = None


class _Envelope(_Model):
    """What every header says."""

    streamfuse: Annotated[int, Field(ge=VERSION, le=VERSION)] = VERSION
    stream: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]  # one run of one publisher
    seq: _Count  # frame: its number from 0; else: how many frames there were before
    published_at: _Seconds  # Unix time
    dropped: _Count = 0  # frames that the publisher itself has left out so far


class _Picture(_Envelope):
    """What the pictures of a stream are like."""

    content: Literal["fused", "exposure"]
    encoding: Encoding
    pixel_format: Literal[*sorted(FORMATS)]  # type: ignore[valid-type]
    width: Annotated[int, Field(ge=1, le=65535)]
    height: Annotated[int, Field(ge=1, le=65535)]
    color: Color
    time_base: tuple[_Positive, _Positive]  # seconds per pts unit: numerator, denominator
    rate: tuple[_Positive, _Positive]  # nominal frames per second
    simultaneous: Annotated[int, Field(ge=1, le=16)] = 1
    sample_aspect: tuple[_Positive, _Positive] = (1, 1)  # width : height of a pixel


class HelloHeader(_Picture):
    """Sent when somebody subscribes: what the stream is like, before its next frame."""

    kind: Literal["hello"] = "hello"


class FrameNews(_Model):
    """What is new with each frame; all else that its header says is the same for the frames of a stream."""

    seq: _Count
    published_at: _Seconds
    dropped: _Count = 0
    index: _Count
    pts: _Int64 | None
    captured_at: _Seconds | None = None  # Unix time
    keyframe: bool = True
    exposures: Annotated[tuple[_Count, ...], Field(max_length=64)] = ()
    exposure: ExposureInfo | None = None
    stats: Annotated[dict[_Name, float], Field(max_length=64)] = Field(default_factory=dict)


class FrameHeader(FrameNews, _Picture):
    """One picture."""

    kind: Literal["frame"] = "frame"
    parts: Annotated[tuple[PartInfo, ...], Field(min_length=1, max_length=64)]

    def renewed(self, news: FrameNews) -> FrameHeader:
        """Give a header that is new in `news` and shares the rest; `model_copy` in a third of its time."""
        copy = FrameHeader.__new__(FrameHeader)
        for name, value in (
            ("__dict__", self.__dict__ | news.__dict__),
            ("__pydantic_fields_set__", self.__pydantic_fields_set__),
            ("__pydantic_extra__", None),
            ("__pydantic_private__", None),
        ):
            object.__setattr__(copy, name, value)
        return copy


class HeartbeatHeader(_Envelope):
    """Sent when there was no frame for a while: the publisher is alive."""

    kind: Literal["heartbeat"] = "heartbeat"


class EndHeader(_Envelope):
    """The stream is complete: no more frames will come."""

    kind: Literal["end"] = "end"


Header = HelloHeader | FrameHeader | HeartbeatHeader | EndHeader
PictureHeader = HelloHeader | FrameHeader
_NEWS: Final = set(FrameNews.model_fields)
_ADAPTER: TypeAdapter[Header] = TypeAdapter(Annotated[Header, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Limits:
    """What a receiver accepts. Whatever is larger is refused before anything is allocated for it.

    Args:
        pixels: width x height.
        part_bytes: of one message part; the socket itself enforces it.
        header_bytes: of the header.
        parts: payload parts of a message.
    """

    pixels: int = 8192 * 8192
    part_bytes: int = 256 << 20
    header_bytes: int = 64 << 10
    parts: int = 32

    def for_pixels(self, pixels: int) -> Limits:
        """Give the same for pictures of so many pixels, and parts of what these need at most."""
        return replace(self, pixels=pixels, part_bytes=_PIXEL_BYTES * pixels + _SLACK_BYTES)


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message that passed all checks.

    Args:
        topic: what it was published under.
        header: what it says.
        arrays: the payload, as `header.parts` says, read-only; empty for all but frames.
    """

    topic: str
    header: Header
    arrays: tuple[Array, ...] = ()


class Envelope(TypedDict):
    """What every header says."""

    stream: str
    seq: int
    published_at: float
    dropped: int


def encode_header(header: Header) -> bytes:
    """Give the JSON bytes of a header."""
    return header.model_dump_json().encode()


def encode_lasting(header: FrameHeader) -> bytes:
    """Give the part of a frame's header that is the same for others of its stream, as the end of a JSON object."""
    return b"," + header.model_dump_json(exclude=_NEWS).encode()[1:]


def encode_news(news: dict[str, object], lasting: bytes) -> bytes:
    """Give the JSON bytes of a frame's header: what is new comes first, so that a receiver knows the rest again.

    Args:
        news: the fields of `FrameNews`.
        lasting: of `encode_lasting`.
    """
    return to_json(news)[:-1] + lasting


def decode_header(data: bytes | memoryview) -> Header:
    """Parse and check a header.

    Raises:
        WireVersionError: it is of another version.
        WireError: it is not a header.
    """
    try:
        return _ADAPTER.validate_json(bytes(data))
    except ValidationError as error:
        raise _refusal(bytes(data), error) from None


def decode_message(parts: Sequence[bytes | memoryview], limits: Limits = DEFAULT_LIMITS) -> Message:
    """Check a message and give its payload as arrays, without a copy.

    Raises:
        WireLimitError: it is larger than `limits`.
        WireVersionError: it is of another version.
        WireError: it is not a message, or its parts are not what its header says.
    """
    if len(parts) < 2:
        raise WireError(f"A message has a topic and a header; this one has {len(parts)} part(s).")
    topic, data, payload = parts[0], parts[1], parts[2:]
    if len(topic) > TOPIC_BYTES or len(data) > limits.header_bytes or len(payload) > limits.parts:
        raise WireLimitError(
            f"A message with {len(topic)} bytes of topic, {len(data)} of header and {len(payload)} parts is over "
            f"the limit ({TOPIC_BYTES}, {limits.header_bytes}, {limits.parts})."
        )
    try:
        name = bytes(topic).decode()
    except UnicodeDecodeError:
        raise WireError("The topic of a message is not UTF-8.") from None
    header = decode_header(data)
    if isinstance(header, PictureHeader) and header.width * header.height > limits.pixels:
        raise WireLimitError(
            f"A picture of {header.width}x{header.height} is over the limit of {limits.pixels} pixels."
        )
    if not isinstance(header, FrameHeader):
        if payload:
            raise WireError(f"A {header.kind} message has no payload; this one has {len(payload)} part(s).")
        return Message(name, header)
    if len(payload) == 1 < len(header.parts):
        payload = split(payload[0], [info.nbytes for info in header.parts])
    _check_parts(header, payload, limits)
    return Message(name, header, tuple(map(_array, header.parts, payload)))


def _check_parts(header: FrameHeader, payload: Sequence[bytes | memoryview], limits: Limits) -> None:
    """Compare what the header says with what came, and with what the pixel format asks for."""
    if len(payload) != len(header.parts):
        raise WireError(f"The header names {len(header.parts)} parts, the message has {len(payload)}.")
    for info, part in zip(header.parts, payload, strict=True):
        wanted = info.nbytes
        if max(wanted, len(part)) > limits.part_bytes:
            raise WireLimitError(f"The part {info.name!r} is over the limit of {limits.part_bytes} bytes.")
        if wanted != len(part):
            raise WireError(
                f"The part {info.name!r} has {len(part)} bytes; its shape and dtype ask for {wanted}."
            )
    if len({info.name for info in header.parts}) != len(header.parts):
        raise WireError("Two parts of a message have the same name.")
    expected = planes_of(header.pixel_format, header.width, header.height)
    if header.encoding != "raw":
        expected = (PlaneShape(header.encoding, "uint8", (len(payload[0]),)),)
    found = tuple((part.name, part.dtype, part.shape) for part in header.parts[: len(expected)])
    if found != expected:
        raise WireError(
            f"The parts are not those of {header.width}x{header.height} {header.pixel_format} ({header.encoding})."
        )


def picture_parts(header: FrameHeader) -> int:
    """Tell how many parts the picture itself has; they come first, any further ones are maps."""
    if header.encoding != "raw":
        return 1
    return len(planes_of(header.pixel_format, header.width, header.height))


def _array(info: PartInfo, part: bytes | memoryview) -> Array:
    array = np.frombuffer(part, DTYPES[info.dtype]).reshape(info.shape)
    if not array.flags.aligned:  # small parts may lie anywhere in the socket's buffer
        array = array.copy()
    array.flags.writeable = False
    return array


def _refusal(data: bytes, error: ValidationError) -> WireError:
    """Give the sentence for a header that did not validate: most of all, whether it is of another version."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return WireError("The header of a message is not JSON.")
    version = found.get("streamfuse") if isinstance(found, dict) else None
    if isinstance(version, int) and not isinstance(version, bool) and version != VERSION:
        return WireVersionError(
            f"The publisher speaks version {str(version)[:20]} of the protocol, this is version {VERSION}: "
            "use the same streamfuse on both ends."
        )
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"][1:])) or "it"
    return WireError(
        f"The header of a message does not fit the protocol: {where[:80]}: {first['msg'][:120]}."
    )


def header_schema() -> dict[str, object]:
    """JSON schema of all headers."""
    return _ADAPTER.json_schema()
