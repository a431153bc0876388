"""`streamfuse live` as a user starts, ends and reloads it."""

import json
import signal
import socket
import threading
import time

import av
import pytest
from runs import start, streamfuse

from streamfuse.errors import CameraError
from streamfuse.runtime.live.ingest import Ingest

SIM = "sim:?size=96x64&rate=10"
QUICK = ("--preset", "fast", "--fuser", "mertens", "--align", "off")


def events(process, until, seconds=60):
    """JSON lines of standard error up to one that `until` accepts."""
    found = []
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        for line in process.stderr:
            found.append(json.loads(line))
            if until(found[-1]):
                return found
    finally:
        timer.cancel()
    raise AssertionError(f"It never came: {found}")


def grown(path, seconds=60):
    """Wait until the file has something in it."""
    until = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_size > 2000):
        assert time.monotonic() < until, f"{path} stays empty"
        time.sleep(0.1)


def frames_in(path):
    with av.open(str(path)) as film:
        return sum(1 for _ in film.decode(video=0))


@pytest.mark.slow
def test_a_run_of_some_seconds(tmp_path):
    out = tmp_path / "out.mp4"
    result = streamfuse("live", SIM, "-o", out, "--duration", 5, *QUICK, "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["state"], summary["cycle"], summary["interrupted"]) == ("stopped", 2, False)
    assert summary["preset"] == "fast"
    assert summary["files"] == [str(out)]
    assert frames_in(out) == summary["outputs"][0]["frames"] == summary["frames_out"] > 0


@pytest.mark.slow
def test_people_get_a_line_at_the_end():
    result = streamfuse("live", SIM + "&frames=40", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("done: ")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_the_film_finished(tmp_path, number, status):
    out = tmp_path / "out.mkv"
    process = start("live", SIM, "-o", out, *QUICK, "--json", "--log-json")
    grown(out)
    process.send_signal(number)
    output, log = process.communicate(timeout=60)
    assert process.returncode == status, log
    summary = json.loads(output)
    assert summary["interrupted"] == (number == signal.SIGINT)
    assert frames_in(out) == summary["outputs"][0]["frames"] > 0


@pytest.mark.slow
def test_sighup_reads_the_settings_again(tmp_path):
    settings = tmp_path / "live.yaml"
    first, second = tmp_path / "one.mkv", tmp_path / "two.mkv"
    text = "fuse: {{fuser: mertens}}\nalign: {{mode: off}}\n"
    text += "live: {{camera: '{}', preset: fast, outputs: [{{to: {}}}]}}\n"
    settings.write_text(text.format(SIM, first))
    process = start("live", "--config", settings, "--json", "--log-json")
    grown(first)
    settings.write_text("live: {presett: fast}\n")
    process.send_signal(signal.SIGHUP)
    refused = events(process, lambda event: event["event"] == "reload")[-1]
    assert "Not reloaded" in refused["text"]
    assert "did you mean 'live.preset'?" in refused["text"]
    settings.write_text(text.format(SIM, second))
    process.send_signal(signal.SIGHUP)
    done = events(process, lambda event: event["event"] == "reload")[-1]
    assert done["text"] == "Reloaded: 1 outputs opened, 1 closed."
    assert {"time", "level", "event", "text"} <= set(done)
    grown(second)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert frames_in(first) > 0
    assert frames_in(second) > 0


@pytest.mark.slow
def test_a_server_that_is_not_there_is_told_and_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start(
        "live", SIM, "--sink", f"rtsp://me:secret@127.0.0.1:{port}/x", *QUICK, "--json", "--log-json"
    )
    told = events(process, lambda event: event["event"] == "output")[-1]
    process.terminate()
    output, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told["text"].startswith(f"rtsp://***@127.0.0.1:{port}/x cannot be reached (Connection refused)")
    assert "the next attempt is in" in told["text"]
    assert "secret" not in output + log + json.dumps(told)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--duration", "1"], 2, "No camera was named"),
        (["nonsense:", "--duration", "1"], 2, "is no camera"),
        ([__file__, "--duration", "1"], 2, "A film is fused by `streamfuse fuse`."),
        (["sim:?sise=8x8"], 2, "did you mean 'size'?"),
        ([SIM, "--sink", "rtps://10.0.0.1/x"], 2, "did you mean 'rtsps'?"),
        ([SIM, "-o", "/no/such/folder/out.mp4"], 1, "There is no folder /no/such/folder"),
        ([SIM, "--exposures", "5"], 2, "--exposures '5' is not understood"),
        ([SIM, "--bitrate", "fast"], 2, "--bitrate 'fast' is not a bit rate"),
        ([SIM, "--size", "big"], 2, "--size 'big' does not fit"),
        ([SIM, "--sink", "preview:"], 2, "needs a screen"),
        ([SIM, "--web", "0.0.0.0:0"], 2, "token"),
    ],
)
def test_mistakes_are_one_sentence(arguments, status, words):
    result = streamfuse("live", *arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments in (["--web", f"127.0.0.1:{port}"], ["--sink", f"zmq+pub://127.0.0.1:{port}"]):
            result = streamfuse("live", SIM, *arguments, *QUICK)
            assert result.exit_code == 1
            assert str(port) in result.stderr
            assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_page_is_served():
    import urllib.request

    pytest.importorskip("uvicorn", reason="the extra [web] is not installed")
    process = start("live", SIM, "--web", "127.0.0.1:0", *QUICK, "--log-json")
    url = events(process, lambda event: event["event"] == "web")[-1]["url"]
    with urllib.request.urlopen(f"{url}status.json", timeout=20) as answer:
        assert json.load(answer)["source"].startswith("sim:")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_page_without_its_packages_is_one_sentence(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = streamfuse("live", SIM, "--web", "127.0.0.1:0", *QUICK)
    assert result.exit_code == 2
    assert "pip install 'streamfuse[web]'" in result.stderr


@pytest.mark.slow
def test_a_run_that_fails_tells_machines_so(monkeypatch):
    def broken(*_):
        raise CameraError("It broke.")

    monkeypatch.setattr(Ingest, "push", broken)
    result = streamfuse("live", SIM, *QUICK, "--json", "--log-json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "It broke."
    last = json.loads(result.stderr.splitlines()[-1])
    assert (last["event"], last["level"], last["text"]) == ("error", "error", "It broke.")


def test_a_run_that_never_begins_tells_it_as_json():
    result = streamfuse("live", "--log-json")
    assert result.exit_code == 2
    assert json.loads(result.stderr.splitlines()[-1])["event"] == "error"


def test_files_of_keys_are_no_secrets(tmp_path):
    result = streamfuse(
        "live", SIM, "--sink", f"pub:ipc://{tmp_path}/a?keys={tmp_path}/no.key_secret&clients=x"
    )
    assert result.exit_code != 0
    assert "list of processes" not in result.stderr
