from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import threading
import weakref
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from clips import make_audio, make_clip, picture

import streamfuse.core.frame
from streamfuse.capture.avframe import picture_of
from streamfuse.capture.video_source import VideoFileSource
from streamfuse.core.color import planes_to_rgb
from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import InputError, InputNotFoundError
from streamfuse.zmq.joined import join

NATIVE = {
    "yuv420p": (8, (1, 1)),
    "yuv422p": (8, (1, 0)),
    "yuv444p": (8, (0, 0)),
    "yuv440p": (8, (0, 1)),
    "yuv411p": (8, (2, 0)),
    "yuv420p10le": (10, (1, 1)),
    "yuv422p12le": (12, (1, 0)),
    "yuv444p16le": (16, (0, 0)),
    "gray": (8, (0, 0)),
    "gray10le": (10, (0, 0)),
}


def frames_of(path, **options):
    with VideoFileSource(path, **options) as source:
        return list(source)


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
@pytest.mark.parametrize("layout", NATIVE)
def test_planes_are_those_of_the_codec(tmp_path, layout, size):
    written = make_clip(tmp_path / "a.mkv", 3, layout=layout, size=size)
    with VideoFileSource(tmp_path / "a.mkv") as source:
        got = list(source)
        info = source.info
    assert (info.bits, info.subsampling) == NATIVE[layout]
    assert info.has_chroma == (not layout.startswith("gray"))
    assert (info.width, info.height) == size
    for frame, planes in zip(got, written, strict=True):
        assert len(frame.planes) == len(planes)
        for plane, expected in zip(frame.planes, planes, strict=True):
            assert plane.dtype == expected.dtype
            assert plane.flags.c_contiguous
            assert np.array_equal(plane, expected)


@pytest.mark.parametrize(
    ("layout", "planar"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le"), ("nv16", "yuv422p")]
)
def test_interleaved_chroma_is_the_same_as_planar(layout, planar):
    frame, planes = picture(planar, 34, 18)
    got = picture_of(frame.reformat(format=layout, threads=1))
    assert (got.bits, got.subsampling) == NATIVE[planar]
    assert all(np.array_equal(a, b) for a, b in zip(got.planes, planes, strict=True))
    assert join(got.planes) is not None  # one buffer, which is published as one part


def test_nv21_has_cr_first():
    frame, planes = picture("yuv420p", 34, 18)
    got = picture_of(frame.reformat(format="nv21", threads=1))
    assert all(np.array_equal(a, b) for a, b in zip(got.planes, planes, strict=True))


def test_packed_422_keeps_its_subsampling():
    frame, planes = picture("yuv422p", 34, 18)
    got = picture_of(frame.reformat(format="yuyv422", threads=1))
    assert got.subsampling == (1, 0)
    assert all(np.array_equal(a, b) for a, b in zip(got.planes, planes, strict=True))


@pytest.mark.parametrize("layout", ["rgb24", "bgr0", "gbrp", "rgba", "rgb48le", "gbrp10le"])
def test_rgb_goes_through_a_true_matrix(layout):
    rgb = np.random.default_rng(0).integers(0, 256, (18, 34, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
    if layout.startswith("rgb48"):
        frame = av.VideoFrame.from_ndarray(rgb * np.uint16(257), layout)
    got = picture_of(frame.reformat(format=layout, threads=1))
    assert got.color.full_range
    assert got.subsampling == (0, 0)
    back = planes_to_rgb(*got)
    scale = 1 if got.bits == 8 else 257
    assert np.abs(back / scale - rgb).max() <= 1.01


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_colour_tags(tmp_path, matrix, full):
    tags = {"colorspace": matrix, "color_primaries": matrix, "color_trc": 1, "color_range": 2 if full else 1}
    make_clip(tmp_path / "a.mp4", 2, codec="libx264", tags=tags)
    with VideoFileSource(tmp_path / "a.mp4") as source:
        assert source.info.color == ColorInfo(matrix, matrix, 1, full)
        assert next(iter(source)).color == source.info.color


def test_yuvj_is_full_range(tmp_path):
    make_clip(tmp_path / "a.avi", 2, codec="mjpeg", layout="yuvj420p")
    with VideoFileSource(tmp_path / "a.avi") as source:
        assert source.info.color.full_range
        assert (source.info.bits, source.info.subsampling) == (8, (1, 1))


def test_variable_time_stamps_are_exact(tmp_path):
    stamps = [0, 40, 41, 100, 160, 161, 900]
    make_clip(tmp_path / "a.mp4", 7, codec="libx264", stamps=stamps, time_base=Fraction(1, 600))
    got = frames_of(tmp_path / "a.mp4")
    assert [frame.pts * frame.time_base for frame in got] == [Fraction(stamp, 600) for stamp in stamps]
    assert [frame.index for frame in got] == list(range(7))


def test_missing_time_stamps_follow_the_rate(tmp_path):
    make_clip(tmp_path / "a.mp4", 4, codec="libx264", bf=0, g=1)
    with av.open(str(tmp_path / "a.mp4")) as media, (tmp_path / "raw.h264").open("wb") as raw:
        stream = media.streams.video[0]
        annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in media.demux(stream):
            if packet.size:
                raw.write(b"".join(bytes(out) for out in annex_b.filter(packet)))
    got = frames_of(tmp_path / "raw.h264")
    times = [float(frame.pts * frame.time_base) for frame in got]
    assert np.allclose(np.diff(times), 1 / 25, atol=1e-4)


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_rotation_is_applied(tmp_path, rotation, turns):
    written = make_clip(tmp_path / "a.mp4", 2, codec="libx264", layout="yuv422p", rotation=rotation, qp=0)
    with VideoFileSource(tmp_path / "a.mp4") as source:
        assert (source.info.width, source.info.height) == ((64, 48) if turns == 2 else (48, 64))
        assert source.info.subsampling == ((1, 0) if turns == 2 else (0, 1))
        frame = next(iter(source))
    for plane, expected in zip(frame.planes, written[0], strict=True):
        assert np.array_equal(plane, np.rot90(expected, turns))


def test_interlaced_is_passed_on(tmp_path):
    make_clip(tmp_path / "a.mkv", 6, codec="libx264", **{"x264-params": "interlaced=1:tff=1"})
    assert len(frames_of(tmp_path / "a.mkv")) == 6


def test_frames_outlive_their_source(tmp_path):
    written = make_clip(tmp_path / "a.mkv", 30)
    got = frames_of(tmp_path / "a.mkv")
    assert all(np.array_equal(frame.luma, planes[0]) for frame, planes in zip(got, written, strict=True))


class TestRefusals:
    def test_no_file(self, tmp_path):
        with pytest.raises(InputNotFoundError, match=r"no file .*none\.mp4"):
            VideoFileSource(tmp_path / "none.mp4")

    def test_folder(self, tmp_path):
        with pytest.raises(InputError, match="is a folder"):
            VideoFileSource(tmp_path)

    def test_empty(self, tmp_path):
        (tmp_path / "a.mp4").touch()
        with pytest.raises(InputError, match="0 bytes"):
            VideoFileSource(tmp_path / "a.mp4")

    def test_text(self, tmp_path):
        (tmp_path / "a.mp4").write_text("not a video at all\n" * 100)
        with pytest.raises(InputError, match=r"a\.mp4 is not a video"):
            VideoFileSource(tmp_path / "a.mp4")

    def test_sound_only(self, tmp_path):
        with pytest.raises(InputError, match=r"no video stream \(only audio\)"):
            VideoFileSource(make_audio(tmp_path / "a.m4a"))

    def test_no_frames(self, tmp_path):
        with av.open(str(tmp_path / "a.mkv"), "w") as out:
            stream = out.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            out.start_encoding()
        with pytest.raises(InputError, match=r"No frame of .*a\.mkv"):
            VideoFileSource(tmp_path / "a.mkv")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"x")
        (tmp_path / "a.mp4").chmod(0)
        with pytest.raises(InputError, match="permission"):
            VideoFileSource(tmp_path / "a.mp4")

    def test_a_playlist_does_not_reach_for_other_addresses(self, tmp_path):
        (tmp_path / "a.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
        with pytest.raises(InputError):
            VideoFileSource(tmp_path / "a.mp4")


def test_a_name_with_a_colon(tmp_path):
    make_clip(tmp_path / "plain.mkv", 2)
    odd = tmp_path / "udp:take %02d.mkv"
    (tmp_path / "plain.mkv").rename(odd)
    assert len(frames_of(odd)) == 2


def test_close_ends_an_iteration_in_another_thread(tmp_path):
    make_clip(tmp_path / "a.mkv", 40)
    source = VideoFileSource(tmp_path / "a.mkv")
    seen, begun, closed = [], threading.Event(), threading.Event()

    def consume():
        for frame in source:
            seen.append(frame)
            begun.set()
            closed.wait(5)

    thread = threading.Thread(target=consume)
    thread.start()
    assert begun.wait(5)
    source.close()
    closed.set()
    thread.join(5)
    assert not thread.is_alive()
    assert len(seen) == 1
    source.close()
    assert list(source) == []


@pytest.mark.parametrize("taken", [0, 3, None])
def test_a_closed_file_leaves_no_decoder(tmp_path, taken):
    """Its threads would wait for the next collection, in which a program that opens many files may not come soon."""
    make_clip(tmp_path / "a.mkv", 12)
    gc.collect()
    gc.disable()
    try:
        source = VideoFileSource(tmp_path / "a.mkv")
        assert len(list(islice(source, taken))) == (12 if taken is None else taken)
        source.close()
        gone = weakref.ref(source)
        del source
        assert gone() is None
    finally:
        gc.enable()


PIPED = """
from streamfuse.capture.video_source import VideoFileSource
with VideoFileSource("-") as source:
    frames = list(source)
    print(len(frames), source.info.width, source.info.height, source.info.rate, int(frames[2].luma.sum()))
"""


def test_y4m_from_standard_input():
    written = [picture("yuv420p", 33, 17, seed=i) for i in range(5)]
    stream = io.BytesIO(b"")
    stream.write(b"YUV4MPEG2 W33 H17 F30000:1001 Ip A1:1 C420mpeg2\n")
    for _, planes in written:
        stream.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))
    env = {**os.environ, "PYTHONPATH": str(Path(streamfuse.core.frame.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", PIPED],
        input=stream.getvalue(),
        capture_output=True,
        env=env,
        timeout=60,
        check=True,
    )
    assert done.stdout.decode().split() == ["5", "33", "17", "30000/1001", str(int(written[2][1][0].sum()))]


@pytest.mark.parametrize(
    ("name", "codec", "layout", "told"),
    [
        ("a.mov", "prores_ks", "yuva444p10le", True),
        ("a.mkv", "ffv1", "yuva420p", True),
        ("a.mov", "qtrle", "argb", True),
        ("a.mkv", "ffv1", "yuv444p", False),
        ("a.mkv", "ffv1", "gray", False),
    ],
)
def test_transparency_is_missed_with_a_word(tmp_path, name, codec, layout, told):
    opaque = {"argb": "rgb24"}.get(layout, layout.replace("yuva", "yuv"))
    with av.open(str(tmp_path / name), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, layout
        for n in range(3):
            made = picture(opaque, 64, 48, seed=n)[0] if opaque != "rgb24" else av.VideoFrame(64, 48, "rgb24")
            out.mux(stream.encode(made.reformat(format=layout, threads=1)))
        out.mux(stream.encode(None))
    with VideoFileSource(tmp_path / name) as source:
        warnings = list(source.warnings)
    assert len(warnings) == told
    assert all("has an alpha channel, which a fused film does not keep" in warning for warning in warnings)


def test_a_picture_is_converted_to_the_same_one_every_time():
    rng = np.random.default_rng(1)
    frame = av.VideoFrame(66, 50, "y210le")
    for plane in frame.planes:
        plane.update(rng.integers(0, 4, plane.buffer_size, dtype=np.uint8).tobytes())
    first = picture_of(frame)
    for _ in range(200):
        assert all(map(np.array_equal, picture_of(frame).planes, first.planes))
