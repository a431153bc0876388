"""What a live run refuses, and says before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_parts import Camera, config

from streamfuse.errors import EncoderError, OutputError, UsageError
from streamfuse.runtime.live.live_run import LiveRun


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("rtps://10.0.0.1/x", UsageError, "did you mean 'rtsps'?"),
        ("out.avi", EncoderError, "does not name an output"),
        ("/no/such/folder/out.mp4", OutputError, "There is no folder /no/such/folder"),
        ("hls:/no/such/folder/hls", OutputError, "There is no folder /no/such/folder"),
        ("srt://user:secret@127.0.0.1:9000", UsageError, "has no such protocol"),
        ("mjpeg://0.0.0.0:8090", UsageError, "add ?token=SECRET"),
        ("udp://239.0.0.1", UsageError, "has no port"),
    ],
)
def test_what_can_never_work_is_said_before_the_run(spec, error, words):
    camera = Camera(10)
    with pytest.raises(error) as caught:
        LiveRun(camera, config(spec))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert camera.closed


def test_a_port_that_is_taken_is_said_before_the_run():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for spec in (f"mjpeg://127.0.0.1:{port}", f"zmq+pub://127.0.0.1:{port}"):
            camera = Camera(10)
            with pytest.raises(OutputError, match=str(port)):
                LiveRun(camera, config(spec))
            assert camera.closed


def test_a_folder_that_cannot_be_written_is_said_before_the_run(tmp_path, monkeypatch):
    from streamfuse.core import output_file

    monkeypatch.setattr(output_file.os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(OutputError, match="you have no permission"):
        LiveRun(Camera(10), config(tmp_path / "out.mp4"))
    with pytest.raises(OutputError, match="you have no permission"):
        LiveRun(Camera(10), config(record_dir=Path(tmp_path)))


def test_an_output_that_is_there_already_is_not_replaced(tmp_path):
    from streamfuse.errors import OutputExistsError

    (tmp_path / "out.mp4").write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="exists already"):
        LiveRun(Camera(10), config(tmp_path / "out.mp4"))
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"
