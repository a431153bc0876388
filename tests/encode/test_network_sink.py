"""Pushing: real listeners on loopback take the stream; what is wrong is told, and nothing hangs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

import av
import pytest
from fused_frames import bars, clip, fused, source_info

from streamfuse.encode import network_sink as network
from streamfuse.encode.network_sink import NetworkSink, check_url
from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.sinks import open_sink

LISTEN = {"rtsp_flags": "listen", "listen_timeout": "30"}
LISTENERS = {
    "rtsp": ("rtsp://127.0.0.1:{port}/cam", "rtsp://127.0.0.1:{port}/cam", "rtsp", LISTEN),
    "rtmp": ("rtmp://127.0.0.1:{port}/live/cam", "rtmp://127.0.0.1:{port}/live/cam", "flv", {"listen": "1"}),
    "tcp": ("tcp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}?listen=1", "mpegts", {}),
    "udp": ("udp://127.0.0.1:{port}", "udp://127.0.0.1:{port}", "mpegts", {}),
}
# In a process of its own: FFmpeg's listening holds up all threads of the one that it is in.
READER = """
import av, json, sys
url, form, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
with av.open(url, format=form, options=options, timeout=30) as stream:
    stamps, means = [], []
    for frame in stream.decode(video=0):
        stamps.append(frame.pts)
        means.append(float(frame.to_ndarray()[:frame.height].mean()))
        if len(stamps) == 10:
            break
    print(json.dumps({"stamps": stamps, "means": means, "size": [frame.width, frame.height]}))
"""


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def push(url, info, seconds, done=lambda: False):
    """Push the clip again and again, opening the sink again as long as nobody listens yet."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not done():
        try:
            with open_sink(url, info) as sink:
                for frame in clip(info, 2000):
                    sink.write(frame)
                    time.sleep(0.02)
                    if done() or time.monotonic() > until:
                        return
        except OutputError:
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LISTENERS)
def test_a_listener_gets_the_pictures(kind, port):
    to, at, form, options = LISTENERS[kind]
    info = source_info(64, 48)
    command = [sys.executable, "-c", READER, at.format(port=port), form, json.dumps(options)]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        push(to.format(port=port), info, 40, done=lambda: reader.poll() is not None)
        output, errors = reader.communicate(timeout=20)
    finally:
        reader.kill()
    assert reader.returncode == 0, errors
    got = json.loads(output)
    assert got["size"] == [64, 48]
    stamps = [stamp for stamp in got["stamps"] if stamp is not None]
    assert stamps == sorted(set(stamps))
    expected = clip(info, 1)[0].luma.mean()
    assert max(abs(mean - expected) for mean in got["means"]) < 8


@pytest.mark.slow
def test_a_bare_tcp_address_names_the_one_of_zeromq(port):
    sink = NetworkSink(f"tcp://127.0.0.1:{port}", source_info())
    with pytest.raises(OutputError, match=f"pub:tcp://127.0.0.1:{port}"):
        for frame in clip(source_info(), 1000):
            sink.write(frame)
            time.sleep(0.02)
    sink.close()


@pytest.mark.slow
def test_nobody_there_is_told_within_seconds_and_without_the_password(port):
    sink = NetworkSink(f"rtsp://me:secret@127.0.0.1:{port}/cam", source_info())
    with pytest.raises(OutputError) as caught:
        for frame in clip(source_info(), 1000):
            sink.write(frame)
            time.sleep(0.02)
    text = str(caught.value)
    assert text.startswith(f"rtsp://***@127.0.0.1:{port}/cam cannot be reached (Connection refused)")
    assert "secret" not in text + sink.outputs[0]
    assert not sink.ready
    sink.close()
    with pytest.raises(OutputError, match="is closed"):
        sink.write(clip(source_info(), 1)[0])


def test_a_server_that_never_answers_stops_neither_other_threads_nor_the_end(monkeypatch):
    monkeypatch.setattr(network, "_CLOSE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        accepted = []
        threading.Thread(target=lambda: accepted.append(silent.accept()), daemon=True).start()
        sink = NetworkSink(f"rtmp://127.0.0.1:{port}/live/cam", source_info())
        began = time.monotonic()
        for frame in clip(source_info(), 100):
            sink.write(frame)
        assert not sink.ready
        sink.close()
        assert time.monotonic() - began < 20


def test_what_cannot_be_written_in_time_is_an_error(monkeypatch):
    monkeypatch.setattr(network, "_WRITE_SECONDS", 0.3)
    info = source_info(640, 480)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = NetworkSink(f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/cam", info, crf=0)
        with pytest.raises(OutputError, match=r"nothing was taken for 0\.3 s"):
            for _ in range(200):
                for frame in clip(info, 20):
                    sink.write(frame)
        sink.close()


@pytest.mark.slow
def test_a_server_that_never_answers_does_not_keep_the_process_for_ever():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = NetworkSink(f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/cam", source_info())
        with pytest.raises(OutputError, match="no answer for 15 s"):
            for frame in clip(source_info(), 2000):
                sink.write(frame)
                time.sleep(0.05)
        sink.close()


def test_no_process_is_left_behind(port):
    sink = NetworkSink(f"udp://127.0.0.1:{port}", source_info())
    for frame in clip(source_info(), 5):
        sink.write(frame)
    process = sink._pusher._process
    sink.close()
    sink.close()
    assert process.returncode is not None


def test_the_address_is_not_in_the_list_of_processes(port):
    sink = NetworkSink(f"rtsp://me:secret@127.0.0.1:{port}/cam", source_info())
    assert "secret" not in " ".join(sink._pusher._process.args)  # type: ignore[arg-type]
    sink.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("udp://127.0.0.1", "has no port"),
        ("rtsp:///cam", "has no host"),
        ("tcp://127.0.0.1:port", "is no address"),
        ("gopher://127.0.0.1:70", "is no network output"),
    ],
)
def test_addresses_that_are_none(url, words):
    with pytest.raises(UsageError, match=words):
        check_url(url)


def test_srt_is_there_or_said_to_be_missing():
    try:
        check_url("srt://me:secret@127.0.0.1:9000?passphrase=hidden")
    except UsageError as error:
        assert "has no such protocol" in str(error)
        assert "secret" not in str(error)
        assert "hidden" not in str(error)


def test_odd_sizes_and_ten_bit_are_sent_too(port, tmp_path):
    # What is sent is what the encoder makes: looked at in a file, where nothing is lost on the way.
    from streamfuse.encode.stream import StreamEncoder

    info = source_info(65, 47, bits=10, subsampling=(1, 0))
    with av.open(str(tmp_path / "sent.nut"), "w") as out:
        encoder = StreamEncoder(out, info, crf=5)
        for frame in clip(info, 5):
            out.mux(list(encoder.encode(frame)))
        out.mux(list(encoder.flush()))
    with av.open(str(tmp_path / "sent.nut")) as sent:
        frames = list(sent.decode(video=0))
    assert [(f.width, f.height) for f in frames] == [(65, 47)] * 5


def test_streams_are_eight_bit_420_with_a_keyframe_each_second(tmp_path):
    from streamfuse.encode.stream import StreamEncoder

    info = source_info(64, 48, bits=10, subsampling=(1, 0), rate=10)
    still = [fused(info, bars(info), n) for n in range(25)]  # bars that move would be a cut each
    with av.open(str(tmp_path / "sent.nut"), "w") as out:
        encoder = StreamEncoder(out, info, bitrate=500_000)
        packets = [packet for frame in still for packet in encoder.encode(frame)]
        assert len(packets) == 25  # one for each frame, at once: nothing is held back
        assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 10, 20]
        out.mux(packets)
    with av.open(str(tmp_path / "sent.nut")) as sent:
        assert sent.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_time_stamps_grow_whatever_comes(tmp_path):
    from streamfuse.encode.stream import StreamEncoder

    info = source_info(64, 48)
    with av.open(str(tmp_path / "sent.nut"), "w") as out:
        encoder = StreamEncoder(out, info)
        frames = clip(info, 5, stamps=[0, 5, 5, 3, 9])
        stamps = [packet.pts for frame in frames for packet in encoder.encode(frame)]
    assert stamps == [0, 5, 6, 7, 9]
