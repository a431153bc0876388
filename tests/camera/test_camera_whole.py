"""Streams that lose a part on the way: what is passed on is whole."""

from __future__ import annotations

import io
import socket
import threading
import time
from itertools import islice

import av
import pytest
from damaged_streams import CODERS, RATE, SIZE, damage_of, datagrams, decoded, sent_picture, transport_stream

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.camera.whole import WholePictures

WORST = 3  # codes


def received(data, damaged="drop", patience=30.0):
    """(presentation time, luma) of what comes through, and the number of those that do not."""
    pictures = WholePictures(damaged, patience)
    found = []
    with av.open(io.BytesIO(data), format="mpegts", options={"flags": "low_delay"}) as stream:
        stream.streams.video[0].thread_type = "SLICE"
        for packet in stream.demux(video=0):
            found += [
                (frame.pts, frame.to_ndarray(format="yuv420p")[: frame.height].copy())
                for frame in pictures.take(packet)
            ]
    return found, pictures.lost


def smeared(found, whole):
    return [pts for pts, luma in found if pts not in whole or damage_of(luma, whole[pts]) > WORST]


@pytest.mark.parametrize("coder", CODERS)
def test_no_picture_that_was_made_of_a_damaged_one_comes_through(coder):
    try:
        data = transport_stream(coder)
    except av.error.EncoderNotFoundError:
        pytest.skip(f"FFmpeg has no encoder for {coder} here")
    whole = decoded(data)
    passed = lost = passed_then = smeared_then = 0
    for seed in range(3):
        arrived = b"".join(datagrams(data, 0.02, seed, spared=8))
        found, left_out = received(arrived)
        assert smeared(found, whole) == []
        passed, lost = passed + len(found), lost + left_out
        found, _ = received(arrived, "keep")
        passed_then, smeared_then = passed_then + len(found), smeared_then + len(smeared(found, whole))
    assert passed > 100, "it goes on after the damage"
    assert lost >= passed_then - passed > 0
    assert smeared_then > 0, "the test damages something"


def test_a_whole_stream_comes_through_whole():
    for coder in ("h264", "h264 that refreshes bit by bit"):
        data = transport_stream(coder, 60)
        found, lost = received(data)
        assert (len(found), lost) == (60, 0)


def test_where_nothing_marks_a_whole_picture_time_does():
    data = transport_stream("h264", 100)
    arrived = b"".join(piece for n, piece in enumerate(datagrams(data, 0)) if n != 9)
    found, _ = received(arrived, patience=0.0)
    patient, _ = received(arrived, patience=30.0)
    assert len(found) > len(patient)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["drop", "keep"])
def test_a_udp_camera_that_loses_one_datagram_in_a_hundred(damaged):
    data = transport_stream("h264", 210)
    pieces = datagrams(data, 0.012, spared=10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stopped = threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not stopped.is_set():
                began = time.monotonic()
                for number, piece in enumerate(pieces):
                    out.sendto(piece, ("127.0.0.1", port))
                    stopped.wait(max(0.0, began + number / len(pieces) * 210 / RATE - time.monotonic()))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        with open_camera(f"udp://127.0.0.1:{port}", CameraOptions(damaged=damaged)) as source:
            frames = [frame.luma for frame in islice(source, 150)]
            lost = source.status.lost
    finally:
        stopped.set()
        sender.join(5)
    sent = [sent_picture(number) for number in range(210)]
    bad = sum(min(damage_of(frame, picture) for picture in sent) > 60 for frame in frames)
    assert frames[0].shape == SIZE[::-1]
    assert (bad == 0 and lost > 0) if damaged == "drop" else bad > 0


def test_a_clock_that_begins_again_after_the_damage_is_no_reason_to_wait():
    data = transport_stream("h264", 100)
    pieces = datagrams(data, 0)
    broken = [piece for n, piece in enumerate(pieces) if n != len(pieces) - 5]
    found, _ = received(b"".join(broken) + data)
    assert len(found) > 180
