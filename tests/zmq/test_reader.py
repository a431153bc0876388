"""A reader that knows messages again reads them as one that has never seen any."""

from __future__ import annotations

import json

import golden_vectors
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.errors import WireError
from streamfuse.zmq import reader
from streamfuse.zmq.message import FrameNews, Limits, decode_message
from streamfuse.zmq.reader import MessageReader

HEADER, PARTS = golden_vectors.raw("yuv420p", golden_vectors.YUV420)
NEWS = [*FrameNews.model_fields]


def halves(header):
    """A header as streamfuse writes it: what is new, then the rest."""
    first = {name: header[name] for name in NEWS if name in header}
    rest = {name: value for name, value in header.items() if name not in NEWS}
    ordered = {"streamfuse": rest.pop("streamfuse")} | rest
    return json.dumps(first | ordered, separators=(",", ":")).encode()


def message(header=HEADER, parts=PARTS, topic=b"fused"):
    return [topic, header if isinstance(header, bytes) else halves(header), *parts]


def told(read, parts):
    """All that a reader says of a message."""
    try:
        found = read(parts)
    except WireError as error:
        return type(error), str(error)
    arrays = [(a.dtype, a.shape, a.tobytes(), a.flags.writeable) for a in found.arrays]
    return found.topic, type(found.header), found.header.model_dump(), arrays


@pytest.fixture
def whole(monkeypatch):
    """Counts the messages that were read as a whole."""
    read = []
    monkeypatch.setattr(reader, "decode_message", lambda *a: (read.append(1), decode_message(*a))[1])
    return read


@pytest.mark.parametrize("parts", [PARTS, [b"".join(PARTS)]])
def test_the_rest_of_a_stream_is_known_again(whole, parts):
    stream = MessageReader()
    for seq in range(5):
        news = HEADER | {"seq": seq, "pts": seq - 2, "stats": {"share": seq / 4}, "keyframe": seq != 3}
        one = message(news, parts)
        assert told(stream.read, one) == told(decode_message, one)
    assert len(whole) == 1


def test_several_topics_are_known_at_once(whole):
    stream = MessageReader()
    for seq in range(4):
        for topic in (b"fused", b"exposure"):
            assert stream.read(message(HEADER | {"seq": seq}, topic=topic)).topic == topic.decode()
    assert len(whole) == 2


def test_what_it_remembers_is_limited():
    stream = MessageReader()
    for number in range(100):
        stream.read(message(HEADER | {"more": number}))
    assert len(stream._known) <= reader._REMEMBERED


def test_a_header_in_another_order_is_read_as_well(whole):
    stream = MessageReader()
    for seq in range(3):
        one = message(json.dumps(HEADER | {"seq": seq}).encode())
        assert told(stream.read, one) == told(decode_message, one)
    assert len(whole) == 3


def test_samples_of_two_bytes_at_an_odd_address():
    header, parts = golden_vectors.raw("gray16le", [("y", "uint16", (4, 6))])
    stream = MessageReader()
    for seq in range(2):
        memory = bytearray(b"\0" + parts[0])
        found = stream.read(message(header | {"seq": seq}, [memoryview(memory)[1:]]))
        assert found.arrays[0].flags.aligned
        assert not found.arrays[0].flags.writeable
        np.testing.assert_array_equal(found.arrays[0].ravel(), np.frombuffer(parts[0], "<u2"))


def changed(data):
    """Headers that differ from a known one somewhere, in ways a cunning sender might think of."""
    known = halves(HEADER)
    place = known.rfind(b',"streamfuse":')
    return [
        known.replace(b'"seq":', b'"seq":-'),
        known.replace(b'"seq":', b'"seq":1.5,"seq":'),
        b'{"width":9999,' + known[1:],
        b'{"parts":[],' + known[1:],
        b'{"kind":"end",' + known[1:],
        b'{"unknown":{"deep":[1]},' + known[1:],
        known[:place] + b"}" + known[place:],
        known[:place] + b',"stats":{"a":1' + known[place:],
        b"{" + known[place:],
        known[place:],
        known[:-1] + b',"seq":99999}',
        known[:-1] + b',"stats":{"x":1,"streamfuse":1}}',
        b"[" * 3000 + known,
        known + b" ",
        known.replace(b'"index":', b'"index":"x","index":'),
        data + known[place:],
    ]


@given(st.binary(max_size=30), st.integers(0, 15))
@settings(deadline=None)
def test_a_known_half_vouches_for_nothing_else(data, which):
    stream = MessageReader()
    stream.read(message())
    one = message(changed(data)[which])
    assert told(stream.read, one) == told(decode_message, one)
    assert told(stream.read, one) == told(decode_message, one)  # it has learnt nothing wrong from it
    assert told(stream.read, message()) == told(decode_message, message())


@pytest.mark.parametrize(
    "parts", [PARTS[:-1], [*PARTS, b"x"], [b"".join(PARTS) + b"x"], [PARTS[0], PARTS[1] + b"x", PARTS[2]], []]
)
def test_a_payload_of_another_size_is_refused(parts):
    stream = MessageReader()
    stream.read(message())
    assert told(stream.read, message(parts=parts)) == told(decode_message, message(parts=parts))
    with pytest.raises(WireError):
        stream.read(message(parts=parts))


def test_the_limit_of_the_header_holds_for_known_ones():
    stream = MessageReader(Limits(header_bytes=2000))
    stream.read(message())
    long = b"{" + b" " * 2000 + halves(HEADER)[1:]
    assert told(stream.read, message(long)) == told(
        lambda m: decode_message(m, Limits(header_bytes=2000)), message(long)
    )
