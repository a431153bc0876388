"""No password, token or stream key is shown anywhere, and none has to stand where a list of processes shows it."""

import json
import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import start, streamfuse

from streamfuse.core.loop_cache import Note
from streamfuse.core.secret import holds_secret, is_reference, revealed
from streamfuse.errors import StreamfuseError, without_credentials
from streamfuse.runtime.live.events import Events, log_to_stderr, stop_logging

SECRET = "s3cr3t-k3y"
ADDRESSES = [
    f"rtmp://127.0.0.1:9/live2/{SECRET}",
    f"rtmps://127.0.0.1:9/app/instance/{SECRET}?hint={SECRET}",
    f"RTMP://127.0.0.1:9/app?{SECRET}",
    f"rtmp://127.0.0.1:9//{SECRET}",
    f"rtsp://me:{SECRET}@127.0.0.1:9/fused",
    f"rtsp://{SECRET}@127.0.0.1:9/fused",
    f"http://127.0.0.1:9/cam?size=1&token={SECRET}",
    f"srt://127.0.0.1:9?passphrase={SECRET}",
    f"srt://127.0.0.1:9?streamid={SECRET}",
]
SIM = "sim:?size=96x64&rate=10"
QUICK = ("--preset", "fast", "--fuser", "mertens", "--align", "off")


@pytest.fixture(scope="module", autouse=True)
def nothing_to_compile():
    """What is refused is refused without loops; a run would compile them first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Note, "is_there", True)
        yield


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("around", ["{}", "look at '{}': it is away.", "({}), and {}", '"{}"', "{}\n{}"])
def test_an_address_keeps_no_secret(address, around):
    clean = without_credentials(around.format(address, address))
    assert SECRET not in clean
    assert "***" in clean
    assert "127.0.0.1:9" in clean
    assert without_credentials(clean) == clean
    assert holds_secret(address)


@pytest.mark.parametrize(
    "address",
    [
        "rtmp://a.example.org/live2",
        "https://a.example.org/a/b/c.mp4",
        "tcp://10.0.0.5:1/a/b",
        "rtsp://10.0.0.5/a/b/c",
        "rtmp://a.example.org/live2/",
        "udp://@:5000",
        "out.mp4",
        "sim:?size=8x8",
        "0",
    ],
)
def test_what_holds_no_secret_stays(address):
    assert without_credentials(address) == address
    assert not holds_secret(address)


@given(st.text())
def test_any_text_can_be_cleaned_once(text):
    clean = without_credentials(text)
    assert without_credentials(clean) == clean


@pytest.mark.parametrize("as_json", [True, False])
def test_the_log_keeps_no_secret(capsys, as_json):
    handler = log_to_stderr(as_json=as_json)
    try:
        for address in ADDRESSES:
            Events().tell("output", f'"{address}" is away.', output=address, more=[{"a": (address,)}])
            try:
                raise OSError(address)
            except OSError:
                logging.getLogger("streamfuse.web").exception("It failed at %s.", address)
    finally:
        stop_logging(handler)
    text = capsys.readouterr().err
    assert SECRET not in text
    assert text.count("***") >= 2 * len(ADDRESSES)
    if as_json:
        assert [json.loads(line)["level"] for line in text.splitlines()] == ["info", "error"] * len(ADDRESSES)


@pytest.mark.parametrize("address", [ADDRESSES[0], ADDRESSES[0].replace("rtmp", "rmtp"), ADDRESSES[4]])
@pytest.mark.parametrize(
    "arguments",
    [
        ("fuse", "{}", "-o", "null:"),
        ("fuse", "{}", "{}", "-o", "null:"),
        ("fuse", "sample:?frames=4&size=64x48", "-o", "x{}", "--preset", "fast"),
        ("fuse", "sample:?frames=4&size=64x48", "-o", "null:", "--config", "{}"),
        ("fuse", "sample:?frames=4&size=64x48", "-o", "null:", "--fps", "{}"),
        ("fuse", "sample:?frames=4&size=64x48", "-o", "null:", "--exposures", "{}"),
        ("fuse", "sample:?frames=4&size=64x48", "-o", "null:", "--preset", "{}"),
        ("still", "{}", "{}", "-o", "a.png"),
        ("batch", "{}", "-o", "out"),
        ("publish", "sample:?frames=4&size=64x48", "--to", "{}"),
        ("publish", "{}", "--to", "pub+bind:tcp://127.0.0.1:*"),
        ("subscribe", "{}"),
        ("record", "{}", "-o", "a.mkv"),
        ("live", SIM, "--web", "{}"),
        ("live", SIM, "--size", "{}"),
        ("live", SIM, "--config", "{}"),
        ("live", SIM, "--sink", "x{}"),
        ("live", "x{}"),
        ("config", "check", "{}"),
        ("config", "show", "{}"),
        ("{}",),
        ("config", "{}"),
    ],
)
def test_no_command_repeats_a_secret(tmp_path, monkeypatch, address, arguments):
    monkeypatch.chdir(tmp_path)
    result = streamfuse(*(argument.format(address) for argument in arguments))
    assert result.exit_code in (1, 2)
    assert SECRET not in result.output
    assert "Internal error" not in result.output


def test_settings_that_do_not_fit_repeat_no_secret(tmp_path):
    for text in (
        f"live: {{outputs: [{{to: '{ADDRESSES[0]}', crf: '{ADDRESSES[0]}'}}]}}",
        f"live: {{outputs: '{ADDRESSES[0]}'}}",
        f"'{ADDRESSES[0]}': 1",
        f"'{ADDRESSES[0]}'",
        f"live: {{camera: ['{ADDRESSES[4]}']}}",
    ):
        (tmp_path / "a.yaml").write_text(text)
        result = streamfuse("config", "check", tmp_path / "a.yaml")
        assert result.exit_code == 2
        assert SECRET not in result.output


@pytest.mark.slow
@pytest.mark.parametrize("way", ["shown", "environment", "file"])
def test_a_live_run_shows_no_secret_anywhere(tmp_path, way):
    pytest.importorskip("uvicorn", reason="the extra [web] is not installed")
    key, token = ADDRESSES[0], f"token-{SECRET}"
    (tmp_path / "key").write_text(f"{key}\nmore\n")
    (tmp_path / "token").write_text(f"{token}\n")
    given = {
        "shown": (key, token),
        "environment": ("env:MY_KEY", "env:MY_TOKEN"),
        "file": (f"@{tmp_path / 'key'}", f"@{tmp_path / 'token'}"),
    }
    sink, shown_token = given[way]
    os.environ |= {"MY_KEY": key, "MY_TOKEN": token}
    process = start(
        "live", SIM, "--sink", sink, "--web", ":0", "--web-token", shown_token, *QUICK, "--json", "--log-json",
        cwd=tmp_path,
    )  # fmt: skip
    try:
        told, url, failed = [], "", False
        for line in process.stderr:
            told.append(line)
            event = json.loads(line)
            url = event.get("url", url)
            failed = failed or (event["event"] == "output" and event["level"] == "warning")
            if url and failed:
                break
        shown = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert (SECRET in shown) == (way == "shown")
        pages = ""
        for path in ("status.json", "metrics", "history.json", "healthz", ""):
            request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                pages += answer.read().decode()
        assert 'output="rtmp://127.0.0.1:9/live2/***"' in pages
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(url + "status.json", timeout=20)
    finally:
        process.terminate()
        output, log = process.communicate(timeout=60)
        del os.environ["MY_KEY"], os.environ["MY_TOKEN"]
    log = "".join(told) + log
    assert process.returncode == 0
    assert json.loads(output)["outputs"][0]["name"] == "rtmp://127.0.0.1:9/live2/***"
    assert SECRET not in log + output + pages
    assert log.count("can be read in the list of processes") == (2 if way == "shown" else 0)


def test_what_is_kept_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "a").write_text(" rtmp://h/app/key \nsecond line\n")
    monkeypatch.setenv("A_KEY", "rtmp://h/app/key")
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in (f"@{tmp_path}/a", "@~/a", "env:A_KEY", "rtmp://h/app/key"):
        assert revealed(text) == "rtmp://h/app/key"
        assert is_reference(text) == (not text.startswith("rtmp"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("env:NO_SUCH_NAME", "variable NO_SUCH_NAME"),
        ("env:", "variable"),
        ("@missing", "no file missing"),
        ("@empty", "is empty"),
        ("@binary", "is no text"),
        ("@.", "cannot be read"),
        ("@", "cannot be read"),
    ],
)
def test_what_is_not_there_is_told_without_a_value(tmp_path, monkeypatch, text, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\nsecond\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(StreamfuseError, match=says):
        revealed(text)
    result = streamfuse("live", SIM, "--sink", text)
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    result = streamfuse("live", text)
    assert says in result.stderr
