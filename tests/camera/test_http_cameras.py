"""Motion JPEG over HTTP: it has no clock, often no proper boundaries, and sometimes it is no stream at all."""

from __future__ import annotations

import base64
import logging
import re
from itertools import islice

import pytest
from http_cameras import PARTS, STREAMS, http_camera, jpeg, part

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.errors import CameraError, UsageError

QUICK = CameraOptions(open_timeout=3, timeout=2, backoff=(0.05, 0.1))


def seconds(frames):
    return float((frames[-1].pts - frames[0].pts) * frames[0].time_base)


@pytest.mark.slow
def test_what_takes_two_seconds_is_two_seconds_long_and_nobody_claims_25():
    with http_camera(*STREAMS["multipart"], rate=15) as url, open_camera(url, QUICK) as source:
        frames = list(islice(source, 31))
        assert "25" not in source.status.mode
        # A busy machine sends a little late.
        assert re.search(r"about 1[45](\.\d)? frames per second \(measured", source.status.mode)
        assert source.info.rate == pytest.approx(15, abs=0.6)
    assert seconds(frames) == pytest.approx(2.0, abs=0.15)
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(seconds(frames), abs=0.01)


def test_a_rate_that_is_assumed():
    options = CameraOptions(open_timeout=3, timeout=2, assume_fps=14)
    with http_camera(*STREAMS["multipart"], rate=15) as url, open_camera(url, options) as source:
        frames = list(islice(source, 16))
        assert "about 14 frames per second (assumed: the stream does not tell)" in source.status.mode
    assert seconds(frames) == pytest.approx(1.0, abs=0.15), "times are those of arrival"


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
        ("text/plain", b"nothing", "cannot be opened"),
    ],
)
def test_what_is_no_stream_is_named(content_type, answer, words):
    with http_camera(content_type, answer) as url, pytest.raises(CameraError, match=words):
        open_camera(url, QUICK)


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


def test_the_rate_is_measured_once_and_kept_over_connections(caplog):
    caplog.set_level(logging.INFO)
    with http_camera(PARTS, part, rate=30, frames=60) as url, open_camera(url, QUICK) as source:
        frames = list(islice(source, 40))
        assert source.status.reconnects == 1
    assert seconds(frames) == pytest.approx(frames[-1].captured_at - frames[0].captured_at, abs=0.1)
    assert "measured" in source.status.mode
