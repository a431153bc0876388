"""Motion JPEG over HTTP: a browser's view of it, tokens, slow clients, and a port that is taken."""

import http.client
import socket
import time

import cv2
import numpy as np
import pytest
from fused_frames import clip, source_info

from streamfuse.encode.mjpeg_sink import MjpegSink, check_url
from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.sinks import open_sink


@pytest.fixture
def sink():
    with open_sink("mjpeg://127.0.0.1:0", source_info()) as sink:
        yield sink


def ask(sink, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse()


def one_picture(answer):
    """The next part of the answer as R'G'B'."""
    length = 0
    while (line := answer.fp.readline().strip()) or not length:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return cv2.imdecode(np.frombuffer(answer.fp.read(length), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_client_sees_the_newest_picture(sink):
    frames = clip(source_info(), 5)
    for frame in frames[:4]:
        sink.write(frame)
    answer = ask(sink)
    assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
    assert np.abs(one_picture(answer).astype(int) - frames[3].rgb()).mean() < 6
    sink.write(frames[4])
    assert np.abs(one_picture(answer).astype(int) - frames[4].rgb()).mean() < 6


def test_where_a_picture_ends_is_told_with_it(sink):
    """Else browsers would show each picture when the next one comes."""
    sink.write(clip(source_info(), 1)[0])
    answer = ask(sink)
    one_picture(answer)
    assert answer.fp.readline() + answer.fp.readline() == b"\r\n--picture\r\n"


def test_sixteen_bit_pictures_are_shown_in_eight(sink):
    frame = clip(source_info(bits=10), 1)[0]
    sink.write(frame)
    assert np.abs(one_picture(ask(sink)).astype(int) - (frame.rgb() >> 8)).mean() < 6


def test_a_client_that_takes_nothing_does_not_slow_the_run(sink):
    frames = clip(source_info(), 300)
    sink.write(frames[0])
    with socket.create_connection(("127.0.0.1", sink.port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        lazy.sendall(b"GET / HTTP/1.0\r\n\r\n")
        lazy.recv(1)
        began = time.monotonic()
        for frame in frames:
            sink.write(frame)
        assert time.monotonic() - began < 2
        assert one_picture(ask(sink)) is not None
        began = time.monotonic()
        sink.close()
        assert time.monotonic() - began < 5


def test_no_more_clients_than_it_can_serve(sink):
    sink.write(clip(source_info(), 1)[0])
    answers = [ask(sink) for _ in range(16)]
    assert {answer.status for answer in answers} == {200}
    assert ask(sink).status == 503


def test_a_token_is_asked_for():
    with MjpegSink("mjpeg://127.0.0.1:0?token=open&quality=50") as sink:
        sink.write(clip(source_info(), 1)[0])
        assert ask(sink).status == 403
        assert ask(sink, "/?token=shut").status == 403
        assert ask(sink, "/?token=open").status == 200


def test_a_port_that_is_taken(sink):
    with pytest.raises(OutputError, match=rf":{sink.port} cannot be opened \(Address already in use\)"):
        MjpegSink(f"mjpeg://127.0.0.1:{sink.port}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mjpeg://0.0.0.0:8090", "add \\?token=SECRET"),
        ("mjpeg://127.0.0.1", "is not understood"),
        ("mjpeg://127.0.0.1:8090?quality=best", "is no address"),
        ("mjpeg://127.0.0.1:8090?quality=101", "is not understood"),
        ("mjpeg://127.0.0.1:8090?size=5", "is not understood"),
    ],
)
def test_addresses_that_are_none(url, words):
    with pytest.raises(UsageError, match=words):
        check_url(url)


def test_beyond_this_machine_with_a_token():
    check_url("mjpeg://0.0.0.0:8090?token=long-enough")
