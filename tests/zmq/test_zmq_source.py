"""Receiving frames as a source, and the chain capture -> fuse -> record over processes' borders."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from fractions import Fraction

import av
import pytest
from wire_frames import fused_frame, same_pixels, single_frame, stream_info

from streamfuse.errors import InputError, StreamTimeoutError, UsageError
from streamfuse.runtime.relay import capture_publish, record
from streamfuse.runtime.sinks import open_sink
from streamfuse.runtime.sources import open_source


def publish(sink, frames):
    """Write the frames and close, in a thread; the receiver may go before."""

    def run():
        with suppress(StreamTimeoutError), sink:
            for frame in frames:
                sink.write(frame)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_exposures_come_with_all_that_was_known_of_them():
    frames = [single_frame(number) for number in range(6)]
    sink = open_sink("zmq+push://:*", stream_info())
    thread = publish(sink, frames)
    with open_source(f"pull:{sink.outputs[0]}") as source:
        info = source.info
        received = list(source)
    thread.join()
    assert (info.width, info.height, info.bits, info.subsampling) == (64, 48, 8, (1, 1))
    assert (info.time_base, info.rate, info.has_chroma) == (Fraction(1, 30), 30, True)
    for sent, got in zip(frames, received, strict=True):
        assert same_pixels(sent, got)
        assert (got.pts, got.time_base, got.index, got.exposure) == (
            sent.pts,
            sent.time_base,
            sent.index,
            sent.exposure,
        )
        assert got.color == sent.color


def test_a_slow_receiver_loses_nothing_of_push(tmp_path):
    """Not even over ipc, where libzmq throws away what a receiver has not read when the sender closes."""
    frames = [fused_frame(number) for number in range(40)]
    sink = open_sink(f"push:ipc://{tmp_path}/frames", stream_info())
    thread = publish(sink, frames)
    numbers = []
    with open_source(f"pull:ipc://{tmp_path}/frames?timeout=5") as source:
        for frame in source:
            numbers.append(frame.index)
            time.sleep(0.02)
        assert source.report().received.lost == 0
    thread.join()
    assert numbers == list(range(40))


def test_a_range_of_frames_and_no_publisher(tmp_path):
    sink = open_sink(f"push:ipc://{tmp_path}/frames?wait=1", stream_info())
    thread = publish(sink, [fused_frame(number) for number in range(10)])
    with open_source(f"pull:ipc://{tmp_path}/frames", frames=(2, 5)) as source:
        assert [frame.index for frame in source] == [2, 3, 4]
    thread.join()
    with pytest.raises(StreamTimeoutError, match="no publisher"):
        open_source(f"pull:ipc://{tmp_path}/nothing?timeout=0.2")
    with pytest.raises(UsageError):
        open_source(f"pull:ipc://{tmp_path}/nothing?timeot=0.2")


def test_a_source_that_everybody_can_send_to_is_warned_of(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = open_sink(f"push+connect:tcp://127.0.0.1:{port}", stream_info())
    thread = publish(sink, [fused_frame(number) for number in range(3)])
    relay = record(f"pull+bind:tcp://*:{port}", str(tmp_path / "a.mkv"))
    assert [text for text in relay.job.warnings if "can send to it" in text]
    relay.run()
    thread.join()


def anamorphic_clip(path):
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(16, 15)
        for _ in range(3):
            out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
    return path


def test_pixels_that_are_not_square_stay_so_from_capture_to_recording(tmp_path):
    first, second = (f"ipc://{tmp_path}/{name}" for name in ("captured", "fused"))
    capture = capture_publish([str(anamorphic_clip(tmp_path / "in.mp4"))], [f"push:{first}"])
    threads = [threading.Thread(target=capture.run)]
    threads[0].start()
    with open_source(f"pull:{first}") as source:
        assert source.info.sample_aspect == Fraction(16, 15)
        threads.append(publish(open_sink(f"push:{second}", source.info), source))
        record(f"pull:{second}", str(tmp_path / "out.mp4")).run()
        for thread in threads:
            thread.join()
    with av.open(str(tmp_path / "out.mp4")) as media:
        assert media.streams.video[0].sample_aspect_ratio == Fraction(16, 15)


def test_a_stream_without_frames():
    sink = open_sink("zmq+push://:*", stream_info())
    thread = publish(sink, [])
    with open_source(f"pull:{sink.outputs[0]}") as source:
        assert list(source) == []
    thread.join()


@pytest.mark.parametrize(
    ("second", "message"),
    [(fused_frame(9, 32, 32), "change"), (fused_frame(1), "begin again")],
    ids=["another size", "time stamps begin again"],
)
def test_a_publisher_that_comes_back_as_another(tmp_path, second, message):
    address = f"ipc://{tmp_path}/frames"
    first = open_sink(f"push+connect:{address}?wait=5", stream_info())
    source = open_source_in_thread(f"pull+bind:{address}", first, [fused_frame(1), fused_frame(2)])
    frames = iter(source)
    assert next(frames).index == 1
    assert next(frames).index == 2
    info = stream_info(second.width, second.height)
    again = open_sink(f"push+connect:{address}?wait=5", info)
    again.write(second)
    with pytest.raises(InputError, match=message):
        next(frames)
    source.close()


def open_source_in_thread(spec, sink, frames):
    thread = threading.Thread(target=lambda: [*map(sink.write, frames)])
    thread.start()
    source = open_source(spec)
    thread.join()
    return source


def test_closing_from_another_thread_ends_the_iteration():
    sink = open_sink("zmq+push://:*", stream_info())
    sink_thread = threading.Thread(target=sink.write, args=(fused_frame(),))
    sink_thread.start()
    source = open_source(f"pull:{sink.outputs[0]}")
    threading.Timer(0.2, source.close).start()
    began = time.monotonic()
    assert [frame.index for frame in source] == [0]
    assert time.monotonic() - began < 2
    source.close()
    sink_thread.join()


def command(*words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "streamfuse", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(process):
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors


SAMPLE = "sample:?size=64x48&metadata=on&frames="


@pytest.mark.slow
def test_three_processes_give_the_file_of_one(tmp_path):
    options = ["--preset", "fast", "--fuser", "mertens", "--quiet"]
    # As `record` encodes: a fast run of its own does so in less time.
    finish(command("fuse", SAMPLE + "30", "-o", tmp_path / "one.mp4", *options, "--speed", "veryfast"))
    first, second = (f"ipc://{tmp_path}/{name}" for name in ("captured", "fused"))
    patient = "?timeout=100"  # on a busy machine Python alone takes half a minute to start
    record = command("record", f"pull:{second}{patient}", "-o", tmp_path / "three.mp4", "--quiet")
    fuse = command("fuse", f"pull:{first}{patient}", "-o", f"push:{second}", *options)
    capture = command("capture-publish", SAMPLE + "30", "--to", f"push:{first}", "--quiet")
    for process in (capture, fuse, record):
        finish(process)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "three.mp4").read_bytes()


@pytest.mark.slow
def test_the_middle_of_the_chain_may_be_killed_and_started_again(tmp_path):
    """What was inside the killed process is lost, and nothing else: the rest is recorded in one file."""
    options = ["--preset", "fast", "--fuser", "mertens", "--quiet"]
    first, second = (f"ipc://{tmp_path}/{name}" for name in ("captured", "fused"))
    record = command("record", f"pull:{second}?timeout=100", "-o", tmp_path / "all.mkv", "--quiet")
    fuse = command("fuse", f"pull:{first}", "-o", f"push:{second}", *options)
    # Large enough that the megabyte which the system holds for each socket is a few frames only.
    sample = "sample:?size=320x240&metadata=on&frames=240"
    capture = command("capture-publish", sample, "--to", f"push:{first}", "--quiet", "--pace")
    while not (tmp_path / "all.mkv").exists() and record.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    fuse.send_signal(signal.SIGKILL)
    fuse.communicate()
    again = command("fuse", f"pull:{first}", "-o", f"push:{second}", *options)
    for process in (capture, again, record):
        finish(process)
    import av

    with av.open(str(tmp_path / "all.mkv")) as media:
        stamps = [frame.pts for frame in media.decode(video=0)]
    assert stamps == sorted(set(stamps))
    # Queues of both sockets and of the pipeline, and the classifier's window of 24 frames.
    assert 240 - 70 <= len(stamps) < 240
