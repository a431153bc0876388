"""`streamfuse.subscribe`: what a loop over a stream sees."""

from __future__ import annotations

import json
import signal
import threading
import time

import golden_vectors
import numpy as np
import pytest
import zmq
from wire_frames import fused_frame, publish, same_pixels, stream_info

import streamfuse
from streamfuse.errors import InputNotFoundError, StreamTimeoutError, UsageError, WireError, WireVersionError
from streamfuse.zmq.message import Limits
from streamfuse.zmq.security import new_keys
from streamfuse.zmq.zmq_sink import open_publisher


@pytest.fixture
def sink():
    with open_publisher("zmq+pub://:*", stream_info()) as opened:
        yield opened


def test_the_loop_ends_with_the_stream(sink):
    with streamfuse.subscribe(sink.outputs[0], timeout=5, max_age=None) as frames:
        sink.wait_for_subscribers(1, 5)
        thread = publish(sink, 10)
        received = list(frames)
        thread.join()
        assert frames.statistics.lost == 0
    assert [frame.seq for frame in received] == list(range(10))
    for number, frame in enumerate(received):
        assert same_pixels(frame, fused_frame(number))
        assert np.array_equal(frame.rgb(), fused_frame(number).rgb())
        assert (frame.pts, frame.exposures, frame.content) == (number, (number,), "fused")
        assert 0 <= frame.age < 60
    tensor = received[0].tensor()
    assert tuple(tensor.shape) == (3, 48, 64)
    assert np.array_equal(tensor.permute(1, 2, 0).numpy(), received[0].rgb())
    assert streamfuse.subscribe is not None and callable(
        streamfuse.subscribe
    )  # no module of that name hides it


@pytest.mark.parametrize("layout", ["native", "rgb24", "bgr24"])
def test_pixels_come_in_either_order_and_into_an_array_that_is_given(layout):
    with (
        open_publisher(f"zmq+pub://:*?pixels={layout}", stream_info()) as sink,
        streamfuse.subscribe(sink.outputs[0], timeout=5) as frames,
    ):
        sink.wait_for_subscribers(1, 5)
        sink.write(fused_frame(0))
        frame = next(frames)
    expected = fused_frame(0).rgb()
    out = np.empty_like(expected)
    assert frame.rgb(out) is out
    assert np.array_equal(out, expected)
    assert np.array_equal(frame.rgb(), expected)
    assert frame.bgr(out) is out
    assert np.array_equal(out, expected[..., ::-1])
    assert frame.bgr().flags.c_contiguous
    with pytest.raises(UsageError, match="uint8, and is"):
        frame.rgb(np.empty((2, 2, 3), np.uint8))


def test_it_can_begin_before_the_publisher(tmp_path):
    address = f"ipc://{tmp_path}/frames"
    frames = streamfuse.subscribe(address, timeout=5)
    time.sleep(0.2)
    with open_publisher(f"pub:{address}", stream_info()) as sink:
        sink.wait_for_subscribers(1, 5)
        sink.write(fused_frame(0))
        assert next(frames).index == 0
        frames.close()


def test_a_slow_loop_sees_the_present(sink):
    """30 a second are published, 10 taken: what is taken is never old, and what was left out is counted."""
    with streamfuse.subscribe(sink.outputs[0], timeout=5) as frames:
        sink.wait_for_subscribers(1, 5)
        thread = publish(sink, 60, pause=1 / 30)
        ages = []
        for frame in frames:
            ages.append(frame.age)
            time.sleep(0.1)
        thread.join()
        counts = frames.statistics
    assert max(ages) < 0.2
    assert counts.skipped + counts.lost > 20
    assert counts.received == len(ages) + counts.skipped


def test_latest_gives_the_newest_frame_only(sink):
    with streamfuse.subscribe(sink.outputs[0], timeout=5, latest=True) as frames:
        sink.wait_for_subscribers(1, 5)
        publish(sink, 8, pause=0.02, end=False).join()
        time.sleep(0.2)
        assert next(frames).index == 7
        assert frames.statistics.skipped == 7


def test_a_publisher_that_is_started_again(tmp_path):
    address = f"ipc://{tmp_path}/frames"
    with streamfuse.subscribe(address, timeout=10, follow=True) as frames:
        for run in range(2):
            sink = open_publisher(f"pub:{address}", stream_info())
            sink.wait_for_subscribers(1, 5)
            sink.write(fused_frame(run))
            assert next(frames).index == run
            sink.close()


def test_silence_is_an_error_that_says_why(sink, tmp_path):
    with pytest.raises(StreamTimeoutError, match="no publisher answers"):
        next(streamfuse.subscribe(f"ipc://{tmp_path}/nobody", timeout=0.3))
    with open_publisher("zmq+pub://:*?heartbeat=0.1", stream_info()) as alive:
        frames = streamfuse.subscribe(alive.outputs[0], timeout=0.6)
        timer = threading.Timer(1.5, lambda: alive.write(fused_frame(3)))
        timer.start()
        assert next(frames).index == 3  # signs of life are no silence
        frames.close()


@pytest.mark.parametrize(
    "endpoint", ["", "nonsense", "tcp://127.0.0.1", "zmq+pub://127.0.0.1:5", "http://h:1"]
)
def test_wrong_endpoints(endpoint):
    with pytest.raises(UsageError):
        streamfuse.subscribe(endpoint)


@pytest.mark.parametrize("option", ["nonsense=1", "timeout=soon", "timeout=-1", "max_pixels=0", "timeot=1"])
def test_wrong_options_of_the_endpoint(option):
    with pytest.raises(UsageError, match=option.split("=")[0]):
        streamfuse.subscribe(f"tcp://127.0.0.1:5?{option}")


def test_options_of_the_endpoint_go_before_the_arguments(tmp_path):
    with pytest.raises(InputNotFoundError, match="no key file"):
        streamfuse.subscribe(f"ipc://{tmp_path}/nobody?server={tmp_path}/none.key")
    began = time.monotonic()
    with pytest.raises(StreamTimeoutError):
        next(streamfuse.subscribe(f"ipc://{tmp_path}/nobody?timeout=0.2", timeout=30))
    assert time.monotonic() - began < 10


def test_a_plain_public_address_is_warned_of(tmp_path):
    with streamfuse.subscribe("pull+bind:tcp://*:*") as frames:
        (sentence,) = frames.warnings
    assert "server=" in sentence
    public, _ = new_keys(tmp_path / "camera")
    for endpoint in (f"pull+bind:tcp://*:*?server={public}", "pull+bind:tcp://127.0.0.1:*", "tcp://host:1"):
        with streamfuse.subscribe(endpoint) as frames:
            assert not frames.warnings


def test_a_topic_in_the_endpoint(raw):
    whole = dict(golden_vectors_by_name())["yuv420p"]
    with streamfuse.subscribe(f"{raw.address}?topic=right", timeout=5) as frames:
        raw.send_when_heard(frames, [[b"wrong", *whole[1:]], [b"right", *whole[1:]]])
        assert next(frames).topic == "right"


def hostile():
    """Messages that no honest publisher sends, and how each is counted."""
    header, parts = golden_vectors.raw("yuv420p", golden_vectors.YUV420)
    whole = [json.dumps(header).encode(), *parts]
    huge = golden_vectors.picture("gray", 65535, 65535, kind="hello")
    yield [b"fused"], "WireError"
    yield [b"fused", b"garbage"], "WireError"
    yield [b"fused", whole[0][:-9], *parts], "WireError"
    yield [b"fused", *whole[:-1]], "WireError"
    yield [b"fused", json.dumps(header | {"streamfuse": 2}).encode(), *parts], "WireVersionError"
    yield [b"fused", json.dumps(huge).encode()], "WireLimitError"
    yield [b"fused", *whole, *[b"x"] * 100], "WireLimitError"


class Raw:
    """A publisher that sends what it is told."""

    def __init__(self):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PUB)
        self.address = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"

    def send_when_heard(self, subscription, messages):
        end = time.monotonic() + 5
        while not subscription.statistics.connects and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)  # the subscription itself comes after the handshake
        for message in messages:
            self.socket.send_multipart(message)


@pytest.fixture
def raw():
    made = Raw()
    yield made
    made.context.destroy(linger=0)


def test_hostile_messages_are_counted_and_the_next_frame_comes(raw):
    whole = dict(golden_vectors_by_name())["yuv420p"]
    messages, errors = zip(*hostile(), strict=True)
    with streamfuse.subscribe(raw.address, timeout=5) as frames:
        raw.send_when_heard(frames, [*messages, whole])
        assert next(frames).seq == 7
        counts = frames.statistics
    assert counts.rejected == {name: errors.count(name) for name in set(errors)}


def golden_vectors_by_name():
    return ((vector["name"], vector["message"]) for vector in golden_vectors.load())


@pytest.mark.parametrize(("message", "error"), list(hostile()))
def test_strict_raises_them(raw, message, error):
    with streamfuse.subscribe(raw.address, timeout=5, strict=True) as frames:
        raw.send_when_heard(frames, [message])
        with pytest.raises(WireError) as caught:
            next(frames)
    assert type(caught.value).__name__ == error


def test_an_end_that_is_played_again_ends_nothing(raw):
    vectors = dict(golden_vectors_by_name())
    old_end = vectors["end of stream"]
    new = json.loads(vectors["yuv420p"][1]) | {"stream": "feedfeedfeedfeed", "seq": 0}
    message = [b"fused", json.dumps(new).encode(), *vectors["yuv420p"][2:]]
    with streamfuse.subscribe(raw.address, timeout=5) as frames:
        raw.send_when_heard(frames, [old_end, vectors["yuv420p"], message, old_end, old_end])
        assert [next(frames).seq, next(frames).seq] == [7, 0]
        time.sleep(0.2)
        assert frames.statistics.stale == 3


@pytest.mark.parametrize(
    ("query", "limits"), [("", Limits(part_bytes=1 << 20)), ("?max_pixels=65536", Limits())]
)
def test_a_part_over_the_limit_never_arrives(raw, query, limits):
    """The socket itself refuses it: nothing is allocated, the connection is dropped and made again."""
    with streamfuse.subscribe(raw.address + query, timeout=5, limits=limits) as frames:
        raw.send_when_heard(frames, [[b"fused", b"{}", bytes(2 << 20)]])
        end = time.monotonic() + 5
        while not frames.statistics.disconnects and time.monotonic() < end:
            time.sleep(0.02)
        assert frames.statistics.disconnects
        assert frames.statistics.bytes == 0


def test_a_newer_publisher_is_named_when_nothing_else_comes(raw):
    with streamfuse.subscribe(raw.address, timeout=0.8) as frames:
        raw.send_when_heard(frames, [dict(golden_vectors_by_name())["version 2"]])
        with pytest.raises(StreamTimeoutError, match="version 2"):
            next(frames)
    assert issubclass(WireVersionError, ValueError)


def test_closing_from_another_thread_ends_the_loop(sink):
    frames = streamfuse.subscribe(sink.outputs[0], timeout=30)
    threading.Timer(0.2, frames.close).start()
    began = time.monotonic()
    assert list(frames) == []
    assert time.monotonic() - began < 3


def test_closing_in_a_signal_handler_ends_a_loop_that_wants_every_frame(sink):
    """The handler runs in the thread that waits for a frame."""
    frames = streamfuse.subscribe(sink.outputs[0], timeout=30, max_age=None)
    previous = signal.signal(signal.SIGUSR1, lambda *_: frames.close())
    try:
        threading.Timer(0.2, signal.raise_signal, [signal.SIGUSR1]).start()
        began = time.monotonic()
        assert list(frames) == []
        assert time.monotonic() - began < 3
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_asking_what_the_frames_are_like_takes_none_away(tmp_path):
    address = f"ipc://{tmp_path}/frames"
    with open_publisher(f"push:{address}", stream_info()) as sink:
        thread = publish(sink, 5)
        with streamfuse.subscribe(f"pull:{address}", timeout=5) as frames:
            assert (frames.info.width, frames.info.height) == (64, 48)
            assert [frame.seq for frame in frames] == list(range(5))
        thread.join()
