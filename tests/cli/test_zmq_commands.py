"""The commands around ZeroMQ: `publish`, `keys`, and the window of `subscribe`."""

from __future__ import annotations

import json
import stat
import threading
import time

import cv2
import pytest
from runs import streamfuse as command
from wire_frames import fused_frame, stream_info

import streamfuse
from streamfuse.runtime.sinks import open_sink
from streamfuse.zmq.security import load_keys

SAMPLE = "sample:?size=64x48&metadata=on&frames=8"
QUICK = ["--preset", "fast", "--fuser", "mertens"]


def test_publish_waits_for_subscribers_and_sends_maps(tmp_path):
    """What is published live is lost to who is slow, beyond what waits for him at both ends: here there is room."""
    address = f"ipc://{tmp_path}/frames"
    received = []

    def receive():
        time.sleep(0.5)
        for frame in streamfuse.subscribe(f"{address}?hwm=16", timeout=30, max_age=None):
            time.sleep(0.1)  # slower than they come
            received.append(frame)

    thread = threading.Thread(target=receive)
    thread.start()
    words = [
        "publish",
        SAMPLE,
        "--to",
        f"pub:{address}?hwm=16",
        "--maps",
        "weights,ghost",
        "--wait-for",
        "1",
        "--json",
    ]
    done = command(*words, *QUICK)
    thread.join()
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["frames_out"] == len(received) > 0
    assert [frame.seq for frame in received] == list(range(len(received)))
    for frame in received:
        assert (frame.content, frame.topic, set(frame.maps)) == ("fused", "fused", {"weights", "ghost"})
        assert frame.maps["ghost"].shape == (2, 48, 64)


def test_publish_refuses_a_map_that_does_not_exist(tmp_path):
    done = command("publish", SAMPLE, "--to", f"pub:ipc://{tmp_path}/frames", "--maps", "wheights", *QUICK)
    assert done.exit_code != 0
    assert "weights" in done.stderr


def test_keys_are_made_and_shown_and_never_replaced(tmp_path):
    name = tmp_path / "camera"
    made = command("keys", "new", name)
    assert made.exit_code == 0
    public, secret = tmp_path / "camera.key", tmp_path / "camera.key_secret"
    assert str(public) in made.stdout and str(secret) in made.stdout
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    keys = load_keys(secret, secret=True)
    for file in (public, secret):
        assert command("keys", "show", file).stdout.strip() == keys.public.decode()
    again = command("keys", "new", name)
    assert again.exit_code == 1
    assert "never replaced" in again.stderr
    assert load_keys(secret, secret=True) == keys


@pytest.fixture
def player(tmp_path, monkeypatch):
    """An `ffplay` that takes one picture and ends, as if its window was closed."""

    def without_windows(*_):
        raise cv2.error("built without windows")

    monkeypatch.setattr(cv2, "namedWindow", without_windows)
    program = tmp_path / "bin" / "ffplay"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/words\nexec /usr/bin/head -c 9216 > {tmp_path}/picture\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}")
    return tmp_path


def test_a_window_shows_the_frames_and_closing_it_ends(player):
    stop = threading.Event()
    with open_sink("zmq+pub://:*", stream_info()) as sink:

        def publish():
            while not stop.wait(0.02):
                sink.write(fused_frame(0))

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            done = command("subscribe", sink.outputs[0], "--view", "--json", "--duration", "20")
        finally:
            stop.set()
            thread.join()
    assert done.exit_code == 0, done.stderr
    assert 1 <= json.loads(done.stdout)["frames"] < 500
    assert (player / "picture").read_bytes() == fused_frame(0).rgb().tobytes()
    assert "-pixel_format rgb24 -video_size 64x48" in (player / "words").read_text()


def test_a_window_needs_a_player(player):
    (player / "bin" / "ffplay").unlink()
    with open_sink("zmq+pub://:*", stream_info()) as sink:
        done = command("subscribe", sink.outputs[0], "--view")
    assert done.exit_code == 2
    assert "needs a screen, and ffplay or" in done.stderr


def test_subscribe_says_soon_that_nobody_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("streamfuse.cli.zmq._HINT_SECONDS", 0.2)
    done = command("subscribe", f"ipc://{tmp_path}/nobody", "--duration", "1")
    assert "is a publisher running there" in done.stderr
    quiet = command("subscribe", f"ipc://{tmp_path}/nobody", "--duration", "1", "--quiet")
    assert "publisher" not in quiet.stderr
