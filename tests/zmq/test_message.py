"""Decoding: what is refused, by which error, and that nothing else ever comes out of it."""

from __future__ import annotations

import contextlib
import json

import golden_vectors
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_frames import fused_frame

from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import WireError, WireLimitError, WireVersionError
from streamfuse.zmq.decode import Arrived, FrameDecoder
from streamfuse.zmq.message import DEFAULT_LIMITS, Limits, Message, decode_message
from streamfuse.zmq.pixels import FORMATS, pack, planes_of, unpack

HEADER, PARTS = golden_vectors.raw("yuv420p", golden_vectors.YUV420)


def message(header=HEADER, parts=PARTS, topic=b"fused"):
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return [topic, data, *parts]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"streamfuse": 2}, WireVersionError),
        ({"streamfuse": 2, "parts": "in another way"}, WireVersionError),
        ({"streamfuse": 10**5000}, WireError),
        ({"streamfuse": True}, WireError),
        ({"kind": "picture"}, WireError),
        ({"seq": -1}, WireError),
        ({"seq": "7"}, WireError),
        ({"stream": "../etc/passwd"}, WireError),
        ({"pixel_format": "yuv421p"}, WireError),
        ({"pixel_format": "nv12"}, WireError),  # not the parts of nv12
        ({"width": 0}, WireError),
        ({"width": 8}, WireError),  # not the planes of this width
        ({"width": 60000, "height": 60000}, WireLimitError),
        ({"time_base": [1, 0]}, WireError),
        ({"published_at": float("nan")}, WireError),
        ({"parts": []}, WireError),
        ({"parts": HEADER["parts"] * 2}, WireError),
        ({"parts": [HEADER["parts"][0], *[HEADER["parts"][1]] * 2]}, WireError),  # one name twice
        ({"parts": [HEADER["parts"][0] | {"dtype": "object"}, *HEADER["parts"][1:]]}, WireError),
        ({"parts": [HEADER["parts"][0] | {"shape": [2**31 - 1] * 4}, *HEADER["parts"][1:]]}, WireLimitError),
        ({"parts": [HEADER["parts"][0] | {"shape": [-4, -6]}, *HEADER["parts"][1:]]}, WireError),
    ],
)
def test_wrong_headers_are_refused(changes, error):
    try:
        data = json.dumps(HEADER | changes).encode()
    except ValueError:  # Python writes no integer of 5000 digits
        data = json.dumps(HEADER).encode().replace(b'"streamfuse": 1', b'"streamfuse": ' + b"9" * 5000)
    with pytest.raises(error) as caught:
        decode_message(message(data))
    assert type(caught.value) is error
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([], WireError),
        ([b"topic"], WireError),
        (message(topic=b"\xff"), WireError),
        (message(topic=b"t" * 256), WireLimitError),
        (message(b"[" * 60000), WireError),
        (message(b"x" * (DEFAULT_LIMITS.header_bytes + 1)), WireLimitError),
        (message(parts=[b""] * (DEFAULT_LIMITS.parts + 1)), WireLimitError),
        (message(golden_vectors.ENVELOPE | {"kind": "end"}, [b"payload"]), WireError),
    ],
)
def test_wrong_messages_are_refused(parts, error):
    with pytest.raises(error):
        decode_message(parts)


def test_limits_are_configurable():
    with pytest.raises(WireLimitError):
        decode_message(message(), Limits(pixels=23))
    with pytest.raises(WireLimitError):
        decode_message(message(), Limits(part_bytes=23))
    assert decode_message(message(), Limits(pixels=24, part_bytes=24)).header.width == 6


def decode_all(parts):
    """Everything that a receiver does with a message."""
    found = decode_message(parts, Limits(pixels=10_000, part_bytes=100_000))
    if found.header.kind == "frame":
        FrameDecoder(Limits(pixels=10_000)).decode(Arrived(found, found.header, 0.0))
    return found


@given(st.lists(st.binary(max_size=200), max_size=8))
@settings(max_examples=100)
def test_garbage_gives_a_wire_error_only(parts):
    with contextlib.suppress(WireError):
        decode_all(parts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VECTORS = [vector for vector in golden_vectors.load() if "expect" in vector]


@given(st.sampled_from(VECTORS), st.data())
@settings(max_examples=200)
def test_a_changed_message_is_decoded_or_refused(vector, data):
    """Fields replaced, removed, parts cut or swapped: a message or a `WireError`, never anything else."""
    topic, raw, *parts = vector["message"]
    header = json.loads(raw)
    for key in data.draw(st.lists(st.sampled_from(sorted(header)), max_size=3)):
        if data.draw(st.booleans()):
            header[key] = data.draw(JSON)
        else:
            header.pop(key, None)
    if parts and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(parts) - 1))
        parts[place] = data.draw(st.binary(max_size=60))
    with contextlib.suppress(WireError):
        decode_all([topic, json.dumps(header).encode(), *parts])


@given(st.sampled_from(VECTORS), st.data())
@settings(max_examples=100)
def test_flipped_bytes_are_decoded_or_refused(vector, data):
    message = [bytearray(part) for part in vector["message"]]
    for _ in range(data.draw(st.integers(1, 4))):
        part = message[data.draw(st.integers(0, len(message) - 1))]
        if part:
            part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        decode_all([bytes(part) for part in message])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_raw_formats_lead_back(name):
    """Every format that holds the frame's own depth gives back its planes, or its R'G'B'."""
    kind, bits, subsampling = FORMATS[name]
    chroma = kind != "gray"
    frame = fused_frame(width=22, height=13, bits=bits, subsampling=subsampling, chroma=chroma)
    arrays = tuple(pack(frame, name))
    expected = planes_of(name, 22, 13)
    assert [(array.shape, array.dtype.name) for array in arrays] == [
        (plane.shape, plane.dtype) for plane in expected
    ]
    back = unpack(name, arrays, frame.color)
    if kind in {"rgb", "bgr"}:
        assert np.array_equal(back.rgb, frame.rgb())
    else:
        assert all(np.array_equal(a, b) for a, b in zip(back.planes, frame.planes, strict=True))


def jpeg_message(data, width=6, height=4):
    header = golden_vectors.frame(
        "yuv420p", [("jpeg", "uint8", (len(data),))], width, height, encoding="jpeg"
    )
    found = decode_message(message(header, [data]))
    assert isinstance(found, Message)
    return Arrived(found, found.header, 0.0)  # type: ignore[arg-type]


def jpeg(width, height):
    import cv2

    return cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def test_a_jpeg_larger_than_its_header_says_is_refused_before_it_is_decoded():
    bomb = bytearray(jpeg(6, 4))
    place = bomb.index(b"\xff\xc0")
    bomb[place + 5 : place + 9] = b"\xff\xff\xff\xff"  # 65535 x 65535
    with pytest.raises(WireLimitError, match="65535x65535"):
        FrameDecoder(DEFAULT_LIMITS).decode(jpeg_message(bytes(bomb)))


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"no jpeg", jpeg(6, 4)[:120], b"\xff\xd8\xff\xe0\x00\x00" * 20]
)
def test_a_damaged_jpeg_is_refused(data):
    with pytest.raises(WireError):
        FrameDecoder(DEFAULT_LIMITS).decode(jpeg_message(data))


def test_a_whole_jpeg_is_decoded():
    frame = FrameDecoder(DEFAULT_LIMITS).decode(jpeg_message(jpeg(6, 4)))
    assert np.abs(frame.rgb().astype(int) - 90).max() <= 8  # the header says limited range, the JPEG is full
    assert frame.color == ColorInfo(1, 1, 1, False)
