"""A camera as a source: it comes back, time goes on, and it lets itself be closed."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fake_cameras import LOST, grey_frame, scripted_source
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.camera import CameraOptions, is_camera, open_camera
from streamfuse.camera.camera_source import CameraSource
from streamfuse.camera.timeline import CLOCK, Backoff, Timeline
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError, UsageError, without_credentials


def with_planes(*planes, **changes):
    return replace(grey_frame(), planes=planes, **changes)


def frames_at(*times):
    return [grey_frame(seconds) for seconds in times]


def test_frames_go_through_with_numbers_and_increasing_time_stamps():
    source, _ = scripted_source(frames_at(7.0, 7.04, 7.08))
    assert isinstance(source, CameraSource)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx(
        [0, 0.04, 0.08], abs=1e-4
    )
    assert source.info.time_base == CLOCK
    assert source.status.state == "ended"


def test_a_camera_that_is_lost_three_times_comes_back_three_times():
    lives = [[*frames_at(0.0, 0.04), LOST] for _ in range(3)]
    source, camera = scripted_source(*lives, frames_at(0.0, 0.04))
    frames = list(source)
    assert len(frames) == 8
    assert [frame.index for frame in frames] == list(range(8))
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    assert source.status.reconnects == 3
    source.close()
    assert camera.opened == camera.closed == 4


def test_what_fails_while_it_is_opened_again_is_tried_again_and_told():
    states = []
    source, _ = scripted_source([*frames_at(0.0), LOST], CameraError("No route."), frames_at(0.0))
    for _ in source:
        states.append(source.status)
    assert len(states) == 2
    assert states[1].reconnects == 1
    assert states[1].error is None


def lines(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "streamfuse.camera"]


def test_a_loss_is_told_once_with_its_reason_and_so_is_the_return(caplog):
    caplog.set_level("INFO")
    away, other = CameraError("No route."), CameraError("Refused.")
    source, _ = scripted_source(
        [*frames_at(0.0), LOST], away, away, away, other, away, [*frames_at(0.0), LOST], frames_at(0.0)
    )
    assert len(list(source)) == 3
    loss = "It was unplugged. It is opened again as soon as that works."
    still = "scripted is still away:"
    assert lines(caplog) == [
        loss, f"{still} No route.", f"{still} Refused.", "scripted is back.", loss, "scripted is back.",
    ]  # fmt: skip
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 6
    assert {record.event for record in caplog.records} == {"source"}


def test_a_camera_that_is_absent_at_first_is_waited_for(caplog):
    away = CameraError("There is no camera.")
    source, _ = scripted_source(away, away, away, frames_at(0.0, 0.04), wait=True)
    assert len(list(source)) == 2
    assert source.status.reconnects == 0
    assert lines(caplog) == ["There is no camera. Waiting for it.", "scripted is here."]


def test_without_waiting_an_absent_camera_is_an_error():
    with pytest.raises(CameraError, match="There is no camera"):
        scripted_source(CameraError("There is no camera."), frames_at(0.0))


def test_without_reconnecting_the_loss_is_raised():
    source, camera = scripted_source([*frames_at(0.0), LOST], reconnect=False)
    with pytest.raises(CameraError, match="unplugged"):
        list(source)
    assert camera.opened == camera.closed == 1


def test_what_is_wrong_at_first_is_said_at_once():
    with pytest.raises(CameraError, match="unplugged"):
        scripted_source([LOST])
    with pytest.raises(CameraError, match="before its first picture"):
        scripted_source([])


def test_a_silent_camera_counts_as_lost():
    source, _ = scripted_source([*frames_at(0.0), *[None] * 100], frames_at(0.0), timeout=0.1)
    assert len(list(source)) == 2
    assert source.status.reconnects == 1


def test_a_camera_that_never_sends_a_picture():
    with pytest.raises(CameraError, match=r"no picture for 0\.1 s"):
        scripted_source([None] * 100, open_timeout=0.1)


def test_pauses_of_the_consumer_are_no_silence_of_the_camera():
    source, _ = scripted_source([*frames_at(0.0), None, *frames_at(0.04)], timeout=0.1)
    frames = iter(source)
    next(frames)
    time.sleep(0.3)
    next(frames)
    assert source.status.reconnects == 0


def test_another_picture_size_goes_through():
    source, _ = scripted_source([*frames_at(0.0), LOST], [grey_frame(0.0, size=(16, 16))])
    assert [frame.width for frame in source] == [32, 16]


@pytest.mark.parametrize("script", [[grey_frame(), *[None] * 10_000], [grey_frame(), LOST]])
def test_close_from_another_thread_ends_it(script):
    source, _ = scripted_source(script, timeout=60, backoff=(20.0, 20.0))
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    time.sleep(0.1)
    began = time.monotonic()
    source.close()
    reader.join(5)
    assert not reader.is_alive()
    assert time.monotonic() - began < 3
    source.close()


def test_close_while_it_is_opened_again():
    source, camera = scripted_source([grey_frame(), LOST], [None] * 10_000, open_timeout=60)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    while camera.opened < 2:
        time.sleep(0.01)
    source.close()
    reader.join(5)
    assert not reader.is_alive()
    assert camera.closed == 2


def test_the_status_while_it_is_away():
    source, _ = scripted_source([grey_frame(), LOST], backoff=(20.0, 20.0))
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    time.sleep(0.2)
    status = source.status
    source.close()
    reader.join(5)
    assert status.state == "reconnecting"
    assert status.error == "It was unplugged."
    assert status.bracket_rate == 0


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=40), st.sets(st.integers(0, 40))
)
def test_time_stamps_increase_whatever_the_camera_says(told, restarts):
    timeline = Timeline(1 / 30)
    stamped = []
    for number, seconds in enumerate(told):
        if number in restarts:
            timeline.restart()
        frame = grey_frame(seconds or 0.0, pts=seconds is not None)
        stamped.append(timeline.stamp(frame))
    assert stamped[0].pts == 0
    assert all(a.pts < b.pts for a, b in pairwise(stamped))
    # They never run ahead of the clock by more than a jump that is believed, and one frame each.
    assert stamped[-1].pts * CLOCK < 3 * len(told)


@given(st.floats(0.01, 5), st.floats(5, 60), st.integers(0, 1000))
def test_back_off_grows_to_its_cap_and_varies(first, longest, seed):
    backoff = Backoff(first, longest, random.Random(seed))
    pauses = [backoff.next() for _ in range(20)]
    assert first / 2 <= pauses[0] <= first
    assert all(pause <= longest for pause in pauses)
    assert pauses[-1] >= longest / 2
    backoff.reset()
    assert backoff.next() <= first


@pytest.mark.parametrize(
    "spec",
    ["0", "/dev/video2", "rtsp://a/b", "udp://@:5000", "sim:", "simcam:?skip=0.1", "pylon:", "genicam:123"],
)
def test_what_is_a_camera(spec):
    assert is_camera(spec)


@pytest.mark.parametrize("spec", ["film.mp4", "zmq://a:1", "sample:", "-", "/tmp/film.mkv"])
def test_what_is_a_file_or_another_stream(spec):
    assert not is_camera(spec)


@pytest.mark.parametrize("spec", ["film.mp4", "zmq://a:1", "nokia:", ""])
def test_what_is_none_is_refused(spec):
    with pytest.raises(UsageError, match="is no camera"):
        open_camera(spec)


def test_the_built_in_scene_ends():
    with open_camera("sim:?size=64x48&frames=5&rate=100") as source:
        assert len(list(source)) == 5
        assert source.control is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (0, 10)},
        {"fps": 0},
        {"fps": float("nan")},
        {"gap_ev": 0.1},
        {"timeout": 0},
        {"backoff": (2, 1)},
        {"exposures": (Exposure(100), Exposure(120))},
        {"exposures": (Exposure(gain=1), Exposure(gain=8))},
    ],
)
def test_options_out_of_range(wrong):
    with pytest.raises(UsageError):
        CameraOptions(**wrong)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://me:secret@10.0.0.5/live",
        "rtsp://me:se/cret@10.0.0.5/live",
        "rtsp://me:s@secret@10.0.0.5/live",
        "http://cam/video?user=me&password=secret&x=1",
        "srt://cam:7000?passphrase=secret",
        "look at rtsps://me:secret@cam:322/a, and http://me:secret@b/c",
    ],
)
def test_credentials_are_taken_out(url):
    clean = without_credentials(url)
    assert "cret" not in clean
    assert "me" not in clean.replace("=me", "me").split("://")[1].split("/")[0]
    assert "***" in clean


@pytest.mark.parametrize("url", ["rtsp://10.0.0.5:554/cam@1", "udp://@:5000?x=1", "https://cam/a?size=1"])
def test_what_holds_no_credential_stays_readable(url):
    assert without_credentials(url).split("/")[2].lstrip("*@") == url.split("/")[2].lstrip("@")


class MakersError(Exception):
    """What a maker's library raises."""


def test_an_error_of_a_makers_library_is_a_loss_and_names_the_camera(caplog):
    source, camera = scripted_source(
        [*frames_at(0.0), MakersError("SDK error -1010")], ValueError("busy"), frames_at(0.0)
    )
    assert len(list(source)) == 2
    assert source.status.reconnects == 1
    loss, still, _ = lines(caplog)
    assert loss.startswith("The driver of scripted failed: MakersError: SDK error -1010. It is opened again")
    assert "ValueError: busy" in still
    source.close()
    assert camera.closed == camera.opened


def test_an_error_of_ours_in_grab_is_a_loss_too():
    source, _ = scripted_source([*frames_at(0.0), UsageError("Pictures must be arrays.")], frames_at(0.0))
    assert len(list(source)) == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.zeros((24, 32, 3), np.uint8), r"an array of shape \(24, 32, 3\), uint8, not a Frame"),
        (with_planes(np.zeros((24, 32, 3), np.uint8)), r"\(24, 32, 3\), uint8 as a plane"),
        (with_planes(np.zeros((24, 32), np.float32)), "float32 as a plane"),
        (with_planes(*3 * [np.zeros((24, 32), np.uint8)], subsampling=(1, 1)), r"not of shape \(12, 16\)"),
        (with_planes(np.zeros((24, 32), np.uint8), bits=12), "12 bits"),
        (with_planes(), "a tuple of 0"),
    ],
)
def test_what_is_no_frame_is_said_at_once(given, told):
    with pytest.raises(CameraError, match=f"The driver of scripted gave .*{told}.*from_bgr"):
        scripted_source([given])


def test_a_stray_frame_is_left_out_counted_and_told_once(caplog):
    strays = grey_frame(size=(32, 12)), with_planes(np.zeros((24, 32), np.float32))
    source, _ = scripted_source([grey_frame(), strays[0], grey_frame(), strays[1], grey_frame()])
    assert [frame.height for frame in source] == [24, 24, 24]
    assert source.status.lost == 2
    assert source.status.reconnects == 0
    (line,) = lines(caplog)
    assert "a frame of 32x12, 8 bit" in line
    assert "in place of a frame of 32x24" in line


def test_a_size_that_stays_is_taken_over():
    source, _ = scripted_source([grey_frame(), *[grey_frame(size=(16, 16))] * 20])
    widths = [frame.width for frame in source]
    assert widths[:2] == [32, 16]
    assert source.status.lost == 21 - len(widths)
    assert len(widths) > 10


def test_what_goes_on_to_be_no_frame_is_a_loss():
    source, _ = scripted_source([grey_frame(), *[b"no frame"] * 20], frames_at(0.0))
    assert len(list(source)) == 2
    assert source.status.reconnects == 1


def test_an_array_becomes_a_frame_of_a_driver():
    red = np.zeros((24, 32, 3), np.uint8)
    red[..., 0] = 200
    frame = Frame.from_rgb(red, 3, exposure=Exposure(500.0), captured_at=1.0)
    assert frame.index == 3
    assert frame.exposure.time_us == 500
    assert np.abs(frame.rgb().astype(int) - red).max() <= 1
    same = Frame.from_bgr(red[..., ::-1])
    assert all((one == other).all() for one, other in zip(frame.planes, same.planes, strict=True))
    source, _ = scripted_source([frame, same])
    assert source.info.has_chroma
    assert all(frame.captured_at for frame in source)
