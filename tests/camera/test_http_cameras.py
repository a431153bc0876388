"""Motion JPEG over HTTP: it has no clock, often no proper boundaries, and sometimes it is no stream at all."""

from __future__ import annotations

import base64
import logging
import re
from itertools import islice

import av
import pytest
from http_cameras import PARTS, STREAMS, http_answers, http_camera, jpeg, part
from runs import streamfuse

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.camera.stream_door import reason
from streamfuse.errors import CameraError, UsageError

QUICK = CameraOptions(open_timeout=3, timeout=2, backoff=(0.05, 0.1))


def seconds(frames):
    return float((frames[-1].pts - frames[0].pts) * frames[0].time_base)


@pytest.mark.slow
@pytest.mark.alone
def test_what_takes_two_seconds_is_two_seconds_long_and_nobody_claims_25():
    with http_camera(*STREAMS["multipart"], rate=15) as url, open_camera(url, QUICK) as source:
        frames = list(islice(source, 31))
        assert "25" not in source.status.mode
        # A busy machine sends a little late.
        assert re.search(r"about 1[45](\.\d)? frames per second \(measured", source.status.mode)
        assert source.info.rate == pytest.approx(15, abs=0.6)
    assert seconds(frames) == pytest.approx(2.0, abs=0.15)
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(seconds(frames), abs=0.01)


@pytest.mark.alone
def test_a_rate_that_is_assumed():
    options = CameraOptions(open_timeout=3, timeout=2, assume_fps=14)
    with http_camera(*STREAMS["multipart"], rate=15) as url, open_camera(url, options) as source:
        frames = list(islice(source, 16))
        assert "about 14 frames per second (assumed: the stream does not tell)" in source.status.mode
    assert seconds(frames) == pytest.approx(1.0, abs=0.15), "times are those of arrival"


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in STREAMS if kind != "multipart"])
def test_boundaries_that_are_missing_or_wrong(kind):
    with http_camera(*STREAMS[kind], rate=30) as url, open_camera(url, QUICK) as source:
        frames = list(islice(source, 30))
        assert source.status.reconnects == 0
        assert source.status.lost <= 1
    assert seconds(frames) == pytest.approx(29 / 30, abs=0.15)
    assert {round(frame.luma.mean(), -1) for frame in frames} == {60, 180}


def test_a_demuxer_that_is_named_is_used():
    options = CameraOptions(open_timeout=3, timeout=2, demuxer="mjpeg")
    with (
        http_camera("text/plain", STREAMS["no boundaries at all"][1]) as url,
        open_camera(url, options) as source,
    ):
        assert len(list(islice(source, 10))) == 10


def test_a_demuxer_that_does_not_exist():
    with pytest.raises(UsageError, match="no demuxer 'mjpegg'"):
        open_camera("http://127.0.0.1:9/", CameraOptions(demuxer="mjpegg"))


@pytest.mark.parametrize(
    ("content_type", "answer", "words"),
    [
        ("image/jpeg", jpeg(0), "is a single picture and no video stream"),
        ("application/octet-stream", jpeg(0), "is a single picture and no video stream"),
        ("image/png", b"\x89PNG\r\n\x1a\n" + b"0" * 99, "is a single picture and no video stream"),
        ("text/html", b"<html>hello</html>", "is a web page and no video stream"),
        ("application/octet-stream", b"<!DOCTYPE html>" + b"<p>hi</p>" * 999, "is a web page"),
        ("text/plain", b"nothing", "is plain text"),
    ],
)
def test_what_is_no_stream_is_named(content_type, answer, words):
    with http_camera(content_type, answer) as url, pytest.raises(CameraError, match=words):
        open_camera(url, QUICK)


def sized(content_type, body):
    return 200, {"Content-Type": content_type, "Content-Length": str(len(body))}, body


PAGE = b"<!DOCTYPE html><title>Camera</title>"
MOVED = {"Location": "/login?session=secret"}
INSTEAD = {
    "/page": (sized("text/html", PAGE), "is a web page and no video stream"),
    "/object": (sized("application/json", b'{"error": 1}'), "is data for programs (application/json) and no video"),
    "/array": (sized("application/json", b'[{"error": 1}]'), "is data for programs (application/json) and no video"),
    "/xml": (sized("text/xml", b"<?xml version='1.0'?><a/>"), "is data for programs (text/xml) and no video"),
    "/status.txt": (sized("text/plain", b"ready\n" * 99), "is plain text (text/plain) and no video stream"),
    "/snapshot": (sized("image/jpeg", jpeg(0)), "is a single picture and no video stream"),
    "/snapshot.jpg": (sized("", jpeg(0)), "is a single picture and no video stream"),
    "/without-length": ((200, {"Content-Type": "image/jpeg"}, jpeg(0)), "is a single picture and no video stream"),
    "/a.gif": (sized("image/gif", b"GIF89a" + bytes(50)), "is a single picture and no video stream"),
    "/empty": (sized("text/plain", b""), "is an empty answer and no video stream"),
    "/hangs-up": ((200, {}, b""), "is an empty answer and no video stream"),
    "/nothing": ((204, {}, b""), "is an empty answer and no video stream"),
    "/noise": (sized("application/octet-stream", bytes(range(256)) * 9), "what it sends is no video stream that is"),
    "/400": ((400, {}, b""), "the server refuses (400 Bad Request)"),
    "/401": ((401, {"WWW-Authenticate": 'Basic realm="x"'}, PAGE), "asks for a user and a password: write"),
    "/403": ((403, {}, PAGE), "refuses access (403 Forbidden): check the user, the password or the token"),
    "/404": ((404, {}, PAGE), "is not there (404 Not Found): check what stands behind the host"),
    "/410": ((410, {}, PAGE), "is not there (410 Gone)"),
    "/418": ((418, {}, PAGE), "the server refuses (418 I'm a Teapot)"),
    "/503": ((503, {}, PAGE), "has a problem of its own (503 Service Unavailable)"),
    "/moved": ((302, MOVED, b""), "/login and is no video stream: if that wants a user and a password, write"),
    "/circle": ((302, {"Location": "/circle"}, b""), "leads in a circle or to nothing (302 Found)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server():
    answers = {path: answer for path, (answer, _) in INSTEAD.items()}
    with http_answers({**answers, "/login": sized("text/html", PAGE)}) as url:
        yield url


def check_sentence(told, words, path):
    assert words in told
    assert f"{path}?token=***" in told
    for never in ("secret", "Errno", "Invalid data", "Traceback", "\n"):
        assert never not in told


@pytest.mark.parametrize("path", INSTEAD)
def test_each_kind_of_answer_is_named_in_one_plain_sentence(server, path):
    with pytest.raises(CameraError) as told:
        open_camera(f"{server}{path}?token=secret", QUICK)
    check_sentence(str(told.value), INSTEAD[path][1], path)


def test_a_password_that_is_wrong_is_told_without_it(server):
    with pytest.raises(CameraError, match=r"\*\*\*@.* refuses the user or the password \(401") as told:
        open_camera(server.replace("://", "://me:secret@") + "/401", QUICK)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "words",
    [
        ["live", "{}"],
        ["publish", "{}", "--to", "pub+bind:tcp://127.0.0.1:*"],
        ["capture-publish", "{}", "--to", "pub+bind:tcp://127.0.0.1:*"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("path", ["/object", "/moved", "/hangs-up", "/snapshot", "/404"])
def test_each_command_that_takes_a_camera_says_so(server, path, words):
    done = streamfuse(*(word.format(f"{server}{path}?token=secret") for word in words))
    assert done.exit_code == 1
    told = [line for line in done.stderr.splitlines() if "no video stream" in line or "is not there" in line]
    assert len(told) == 1, done.stderr
    check_sentence(told[0], INSTEAD[path][1], path)


def test_a_page_behind_a_password_is_named_without_it():
    known = base64.b64encode(b"me:secret").decode()
    with http_camera("text/html", b"<html>hello</html>", password=known) as url:
        with pytest.raises(CameraError, match="is a web page") as told:
            open_camera(url.replace("://", "://me:secret@"), QUICK)
        assert "secret" not in str(told.value)


def test_a_password_opens_a_stream_without_boundaries():
    known = base64.b64encode(b"me:secret").decode()
    content_type, picture = STREAMS["no first boundary"]
    with (
        http_camera(content_type, picture, password=known) as url,
        open_camera(url.replace("://", "://me:secret@"), QUICK) as source,
    ):
        assert len(list(islice(source, 5))) == 5


@pytest.mark.alone
def test_the_rate_is_measured_once_and_kept_over_connections(caplog):
    caplog.set_level(logging.INFO)
    with http_camera(PARTS, part, rate=30, frames=60) as url, open_camera(url, QUICK) as source:
        frames = list(islice(source, 40))
        assert source.status.reconnects == 1
    assert seconds(frames) == pytest.approx(frames[-1].captured_at - frames[0].captured_at, abs=0.1)
    assert "measured" in source.status.mode


def test_what_ffmpeg_says_is_told_without_its_number_and_the_address():
    address = "http://me:secret@127.0.0.1/x"
    raw = av.error.InvalidDataError(1094995529, "Invalid data found when processing input", address)
    assert reason(raw) == "Invalid data found when processing input"
    assert reason(av.error.ConnectionRefusedError(111, "Connection refused", address)) == "Connection refused"
    assert "secret" not in reason(ValueError(f"no such thing: {address}"))
