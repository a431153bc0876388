"""RTSP over UDP: what lost a packet on the way, and what was made of it, is not passed on as whole."""

from contextlib import suppress

import av
import av.logging
import pytest
from rtsp_cameras import error, rtsp_camera

from streamfuse.camera import CameraOptions, open_camera, rtp_losses
from streamfuse.errors import CameraError

BAD = 8  # codes; whole pictures differ from what was sent by 4


def watched(url, **options):
    """Errors of all pictures until the stream ends, and how many were counted as lost."""
    found = []
    with open_camera(url, CameraOptions(open_timeout=10, timeout=2, reconnect=False, **options)) as source:
        with suppress(CameraError):
            found.extend(error(frame.luma) for frame in source)
        return found, source.status.lost


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "transport"), [("libx264", "auto"), ("libx265", "udp")])
def test_no_smeared_picture_is_passed_on(codec, transport):
    with rtsp_camera(codec, 0.004) as url:
        found, lost = watched(url, transport=transport)
    assert found  # how many depends on what the machine loses besides
    assert lost > 3, "something was lost"
    assert [bad for bad in found if bad > BAD] == []


@pytest.mark.slow
def test_they_can_be_kept():
    with rtsp_camera("libx265", 0.01) as url:
        found, _ = watched(url, damaged="keep")
    assert any(bad > BAD for bad in found)


@pytest.mark.alone
@pytest.mark.slow
def test_nothing_is_left_out_where_nothing_is_lost():
    with rtsp_camera("libx264", 0.0) as url:
        found, lost = watched(url)
    assert lost == 0
    assert len(found) > 50
    assert [bad for bad in found if bad > BAD] == []


def test_tcp_is_insisted_on_where_it_was_asked_for():
    with rtsp_camera("libx264", 0.0, frames=1) as url, pytest.raises(CameraError):
        open_camera(url, CameraOptions(open_timeout=3, transport="tcp"))


def test_the_log_of_ffmpeg_is_off_but_while_a_packet_is_waited_for(tmp_path):
    """On at other times it can lock up the program, where a decoder with threads tells something or is closed."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        for _ in range(4):
            out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        levels = [av.logging.get_level() for _ in rtp_losses.noticed(container, container.streams.video[0])]
    assert levels == [None] * len(levels) and len(levels) >= 4
    assert av.logging.get_level() is None
