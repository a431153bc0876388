"""Publishing: what goes out, to whom, and what does not."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
import zmq
from wire_frames import fused_frame, single_frame, smooth_frame, stream_info

from streamfuse.errors import EncoderError, OutputError, StreamTimeoutError, UsageError
from streamfuse.zmq.endpoint import parse_endpoint
from streamfuse.zmq.publisher import PublishSettings
from streamfuse.zmq.zmq_sink import ZmqSink, open_publisher


class Plain:
    """A subscriber with nothing but pyzmq, as others would write it."""

    def __init__(self, address, kind=zmq.SUB, topic=""):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.rcvtimeo = 5000
        if kind == zmq.SUB:
            self.socket.subscribe(topic)
        self.socket.connect(address)

    def next(self, kind="frame"):
        while True:
            topic, header, *parts = self.socket.recv_multipart()
            header = json.loads(header)
            if header["kind"] == kind:
                return topic, header, parts

    def close(self):
        self.context.destroy(linger=0)


@pytest.fixture
def plain():
    opened = []

    def open_plain(*args, **options):
        opened.append(Plain(*args, **options))
        return opened[-1]

    yield open_plain
    for one in opened:
        one.close()


def test_a_fused_frame_as_the_header_says(plain):
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        subscriber = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        sink.write(fused_frame(4, stats={"ghost_share": 0.5, "broken": float("nan")}))
        topic, header, parts = subscriber.next()
    assert topic == b"fused"
    assert (header["streamfuse"], header["seq"], header["index"], header["pts"]) == (1, 0, 4, 4)
    assert (header["time_base"], header["rate"], header["exposures"]) == ([1, 30], [30, 1], [4])
    assert header["stats"] == {"ghost_share": 0.5}
    assert [part["shape"] for part in header["parts"]] == [[48, 64], [24, 32], [24, 32]]
    expected = fused_frame(4).planes
    for data, plane in zip(parts, expected, strict=True):
        assert data == plane.tobytes()
    assert abs(header["published_at"] - time.time()) < 5


def test_planes_of_one_buffer_go_as_one_part(plain):
    pixels = np.random.default_rng(0).integers(16, 235, 64 * 48 * 3 // 2, np.uint8)
    y, cb, cr = np.split(pixels, [64 * 48, 64 * 48 * 5 // 4])
    frame = replace(fused_frame(), planes=(y.reshape(48, 64), cb.reshape(24, 32), cr.reshape(24, 32)))
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        subscriber = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        sink.write(frame)
        _, header, parts = subscriber.next()
    assert [part["name"] for part in header["parts"]] == ["y", "cb", "cr"]
    assert parts == [pixels.tobytes()]


def test_a_single_exposure_carries_what_is_known_of_it(plain):
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        subscriber = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        sink.write(single_frame(1))
        topic, header, _ = subscriber.next()
    assert (topic, header["content"]) == (b"exposure", "exposure")
    assert header["exposure"] == {"time_us": 4000.0, "gain": 1.0, "rank": 1}


def test_maps_ride_along(plain):
    weights = np.linspace(0, 1, 24, dtype=np.float16).reshape(2, 3, 4)
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        subscriber = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        sink.write(fused_frame(maps={"weights": weights}))
        _, header, parts = subscriber.next()
        assert header["parts"][-1] == {"name": "weights", "dtype": "float16", "shape": [2, 3, 4]}
        assert parts[-1] == weights.tobytes()
        with pytest.raises(EncoderError, match="float64"):
            sink.write(fused_frame(maps={"weights": np.zeros((2, 2))}))


def test_who_comes_late_is_greeted_and_idle_streams_give_signs_of_life(plain):
    with open_publisher("zmq+pub://:*?heartbeat=0.1", stream_info()) as sink:
        first = plain(sink.outputs[0])
        _, hello, _ = first.next("hello")
        assert (hello["width"], hello["pixel_format"], hello["seq"]) == (64, "yuv420p", 0)
        sink.write(fused_frame())
        second = plain(sink.outputs[0])
        assert second.next("hello")[1]["seq"] == 1
        assert second.next("heartbeat")[1]["seq"] == 1


def test_nothing_is_encoded_while_nobody_listens(plain):
    with open_publisher("zmq+pub://:*?topic=left", stream_info()) as sink:
        encoded = []
        encode = sink._encoder.encode
        sink._encoder.encode = lambda frame, **rest: encoded.append(frame) or encode(frame, **rest)
        sink.write(fused_frame(0))
        elsewhere = plain(sink.outputs[0], topic="right")
        time.sleep(0.3)
        sink.write(fused_frame(1))
        assert not encoded
        assert sink.subscribers == 0
        subscriber = plain(sink.outputs[0], topic="left")
        sink.wait_for_subscribers(1, 5)
        sink.write(fused_frame(2))
        assert subscriber.next()[1]["seq"] == 2
        assert len(encoded) == 1
        elsewhere.close()
        subscriber.close()
        end = time.monotonic() + 5
        while sink.subscribers and time.monotonic() < end:
            time.sleep(0.02)
        assert sink.subscribers == 0


def test_the_end_is_told(plain):
    sink = open_publisher("zmq+pub://:*", stream_info())
    subscriber = plain(sink.outputs[0])
    sink.wait_for_subscribers(1, 5)
    sink.write(fused_frame())
    sink.close()
    sink.close()
    assert subscriber.next("end")[1]["seq"] == 1
    with pytest.raises(OutputError):
        sink.write(fused_frame(1))


@pytest.mark.parametrize("copy", [False, True])
def test_arrays_live_until_they_are_sent_and_copies_do_not_care(plain, copy):
    """Zero-copy keeps the caller's array alive in the queue; `copy` lets it be written to again."""
    endpoint = parse_endpoint("zmq+pub://:*", "sink")
    info = stream_info(512, 512, chroma=False, subsampling=(0, 0))
    with ZmqSink(endpoint, info, PublishSettings(copy=copy)) as sink:
        subscriber = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        frame = fused_frame(0, 512, 512, chroma=False, subsampling=(0, 0))
        luma, expected = frame.planes[0], frame.planes[0].tobytes()
        alive = weakref.ref(luma)
        sink.write(frame)
        if copy:
            luma[:] = 0
        del frame, luma
        gc.collect()
        assert subscriber.next()[2][0] == expected
        end = time.monotonic() + 5
        while alive() is not None and time.monotonic() < end:
            time.sleep(0.01)
        assert alive() is None


@pytest.mark.parametrize("encoding", ["jpeg", "h264", "hevc"])
def test_coded_frames_arrive_in_order(encoding):
    from streamfuse.zmq.subscription import subscribe

    with open_publisher(f"zmq+push://:*?encoding={encoding}", stream_info()) as sink:
        subscription = subscribe(f"pull:{sink.outputs[0]}", timeout=10)
        frames = [smooth_frame(number) for number in range(12)]
        thread = threading.Thread(target=lambda: [*map(sink.write, frames), sink.close()])
        thread.start()
        received = list(subscription)
        thread.join()
    assert [frame.index for frame in received] == list(range(12))
    errors = [np.abs(a.rgb().astype(int) - b.rgb()).mean() for a, b in zip(received, frames, strict=True)]
    assert max(errors) < 4


def test_a_late_subscriber_of_h264_begins_with_a_keyframe(plain):
    with open_publisher("zmq+pub://:*?encoding=h264", stream_info()) as sink:
        first = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        keys = []
        for number in range(4):
            sink.write(smooth_frame(number))
            keys.append(first.next()[1]["keyframe"])
        assert keys == [True, False, False, False]
        second = plain(sink.outputs[0])
        sink.wait_for_subscribers(2, 5)
        sink.write(smooth_frame(4))
        assert second.next()[1]["keyframe"]


def test_jpeg_that_cannot_keep_up_leaves_frames_out_and_says_so():
    with open_publisher("zmq+pub://:*?encoding=jpeg&workers=1", stream_info()) as sink:
        subscriber = Plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        gate = threading.Event()
        encode = sink._encoder.encode
        sink._encoder.encode = lambda frame, **rest: gate.wait(5) and encode(frame, **rest)
        began = time.monotonic()
        for number in range(20):
            sink.write(fused_frame(number))
        assert time.monotonic() - began < 2  # the publisher never waits
        assert sink.dropped == 18
        gate.set()
        assert subscriber.next()[1]["seq"] == 0
        subscriber.close()


def test_an_error_of_a_jpeg_worker_reaches_the_caller():
    sink = open_publisher("zmq+pub://:*?encoding=jpeg", stream_info())
    subscriber = Plain(sink.outputs[0])
    sink.wait_for_subscribers(1, 5)

    def broken(frame, **rest):
        raise EncoderError("out of ink")

    sink._encoder.encode = broken
    with pytest.raises(EncoderError, match="out of ink"):
        for number in range(5):
            sink.write(fused_frame(number))
            time.sleep(0.02)
    sink.close()
    subscriber.close()


def test_push_without_a_receiver_ends_in_time():
    sink = open_publisher("zmq+push://:*?wait=0.3", stream_info())
    began = time.monotonic()
    with pytest.raises(StreamTimeoutError, match="start the receiver"):
        sink.write(fused_frame())
    sink.close()
    assert time.monotonic() - began < 2


def test_an_address_that_is_taken(tmp_path):
    with (
        open_publisher("zmq+pub://:*", stream_info()) as sink,
        pytest.raises(OutputError, match="another address"),
    ):
        open_publisher(f"pub:{sink.outputs[0]}", stream_info())
    path = tmp_path / "frames"
    with open_publisher(f"ipc://{path}", stream_info()), pytest.raises(OutputError, match="another address"):
        open_publisher(f"ipc://{path}", stream_info())
    path.unlink(missing_ok=True)
    open_publisher(
        f"ipc://{path}", stream_info()
    ).close()  # what a killed process left behind is no hindrance


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("encoding=png", UsageError), ("encoding=jpeg&quality=101", EncoderError), ("pixels=cmyk", UsageError),
        ("hwm=0", UsageError), ("hwm=x", UsageError), ("heartbeat=0", UsageError),
        ("topic=" + "x" * 256, UsageError), ("encodin=jpeg", UsageError),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(query, error):
    with pytest.raises(error):
        open_publisher(f"zmq+pub://:*?{query}", stream_info())


def test_a_frame_unlike_the_others_is_refused():
    with open_publisher("zmq+pub://:*", stream_info()) as sink, pytest.raises(EncoderError, match="32x32"):
        sink.write(fused_frame(0, 32, 32))


def test_odd_sizes():
    with open_publisher("zmq+push://:*?wait=0.2", stream_info(63, 47)) as sink:
        subscriber = Plain(sink.outputs[0], zmq.PULL)
        sink.write(fused_frame(0, 63, 47))
        assert [part["shape"] for part in subscriber.next()[1]["parts"]] == [[47, 63], [24, 32], [24, 32]]
        subscriber.close()


def test_subscribers_that_send_nonsense_are_ignored():
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        context = zmq.Context()
        rude = context.socket(zmq.XSUB)
        rude.connect(sink.outputs[0])
        subscriber = Plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        for message in ([b""], [b"\x07abc"], [b"\x01a", b"b"], [b"\x01" + b"t" * 900], [b"x" * 100_000]):
            rude.send_multipart(message)
        time.sleep(0.2)
        sink.write(fused_frame(1))
        assert subscriber.next()[1]["index"] == 1
        subscriber.close()
        context.destroy(linger=0)


def test_a_sender_that_never_rests_reads_the_events_of_its_connections(plain, monkeypatch, tmp_path):
    """They tell it which connections to give a larger buffer."""
    monkeypatch.setattr("streamfuse.zmq.publisher.Publisher._keep_alive", lambda self: None)
    with open_publisher(
        f"push+ipc://{tmp_path}/s?wait=1", stream_info()
    ) as sink:  # for its last message, in vain
        receiver = plain(f"ipc://{tmp_path}/s", zmq.PULL)
        until = time.monotonic() + 5
        index = 0
        while not sink.links.connects and time.monotonic() < until:
            sink.write(fused_frame(index))
            receiver.next()
            index += 1
        assert sink.links.connects == 1
        receiver.close()


def test_headers_of_a_stream_end_alike(plain):
    """What is new comes first: a receiver knows the rest again."""
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        subscriber = plain(sink.outputs[0])
        sink.wait_for_subscribers(1, 5)
        raw = []
        for index in range(3):
            sink.write(replace(fused_frame(index), stats={"share": index / 4}))
            while b'"kind":"frame"' not in (parts := subscriber.socket.recv_multipart())[1]:
                pass
            raw.append(parts[1])
        rests = {data[data.rfind(b',"streamfuse":') :] for data in raw}
        assert len(rests) == 1
        assert [json.loads(data)["stats"] for data in raw] == [{"share": index / 4} for index in range(3)]


def test_a_live_push_keeps_no_old_frame_for_a_receiver_that_comes_later(plain):
    with open_publisher("push+bind:tcp://127.0.0.1:*?late=drop", stream_info()) as sink:
        began = time.monotonic()
        for number in range(50):
            sink.write(fused_frame(number))
        assert time.monotonic() - began < 5, "it waits for nobody"
        assert not sink.ready
        assert sink.dropped == 50
        receiver = plain(sink.outputs[0], zmq.PULL)
        number = 50
        while not sink.ready:
            time.sleep(0.02)
            sink.write(fused_frame(number))
            number += 1
        header = receiver.next()[1]
        assert header["seq"] == number - 1
        assert header["dropped"] == number - 1


def test_a_live_push_that_connects_keeps_none_either(plain, tmp_path):
    address = f"ipc://{tmp_path}/frames"
    with open_publisher(f"push+connect:{address}?late=drop", stream_info()) as sink:
        for number in range(5):
            sink.write(fused_frame(number))
        assert (sink.ready, sink.dropped) == (False, 5)


def test_a_live_push_leaves_out_what_a_slow_receiver_has_no_room_for(plain, monkeypatch):
    monkeypatch.setattr("streamfuse.zmq.publisher._SLOW_SECONDS", 0.05)
    info = stream_info(640, 480)
    with open_publisher("push+bind:tcp://127.0.0.1:*?late=drop", info) as sink:
        receiver = plain(sink.outputs[0], zmq.PULL)
        receiver.socket.rcvhwm = 1
        number = 0
        while sink.links.peers <= 0 or sink.ready:
            sink.write(fused_frame(number, 640, 480))
            number += 1
            assert number < 3000
        assert sink.dropped > 0


def test_what_may_become_of_a_late_frame():
    with pytest.raises(UsageError, match="use wait or drop"):
        PublishSettings(late="never")  # type: ignore[arg-type]
