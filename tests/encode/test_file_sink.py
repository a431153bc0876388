from __future__ import annotations

import os
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import fused_frames
import numpy as np
import pytest
from fused_frames import bars, clip, fused, largest_error, make_media, packets, source_info, write

import streamfuse
from streamfuse.capture.video_source import VideoFileSource
from streamfuse.core.color_info import ColorInfo
from streamfuse.encode.codecs import list_encoders
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import EncoderError, OutputError, OutputExistsError

STANDARDS = {"601": (6, 6, 6), "709": (1, 1, 1), "2020": (9, 9, 14)}


def read(path):
    with VideoFileSource(path) as source:
        return source.info, list(source)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("codec", ["ffv1", "h264", "hevc"])
def test_colour_bars_come_back_with_their_tags(tmp_path, codec, standard, full, bits):
    name = "a.mkv" if codec == "ffv1" else "a.mp4"
    info = source_info(bits=bits, color=ColorInfo(*STANDARDS[standard], full))
    frames = clip(info, 3)
    write(VideoFileSink(tmp_path / name, info, codec=codec, crf=0), frames)
    got_info, got = read(tmp_path / name)
    assert got_info.color == info.color
    assert (got_info.bits, got_info.subsampling) == (bits, (1, 1))
    assert len(got) == 3
    assert max(map(largest_error, frames, got)) <= 2


@pytest.mark.parametrize("full", [False, True])
def test_fewer_bits_are_converted_not_cut_off(tmp_path, full):
    info = source_info(bits=10, color=ColorInfo(1, 1, 1, full))
    write(VideoFileSink(tmp_path / "a.mp4", info, bits=8, crf=0), clip(info, 1))
    _, [got] = read(tmp_path / "a.mp4")
    narrow = source_info(bits=8, color=info.color)
    assert got.bits == 8
    assert largest_error(fused(narrow, bars(narrow), 0), got) <= 2


def test_prores_is_limited_range_10_bit_422(tmp_path):
    info = source_info(color=ColorInfo(1, 1, 1, True))
    write(VideoFileSink(tmp_path / "a.mov", info, codec="prores"), clip(info, 2))
    got_info, got = read(tmp_path / "a.mov")
    assert (got_info.bits, got_info.subsampling, got_info.color.full_range) == (10, (1, 0), False)
    assert got[0].luma[0, 1] == pytest.approx(64 + 876 * 191 / 255, abs=8)


@pytest.mark.parametrize("size", [(641, 481), (640, 481), (641, 480), (1, 1), (17, 3)])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "h264"), ("a.mkv", "hevc"), ("a.webm", None), ("a.mkv", "ffv1")]
)
def test_odd_sizes_come_out_as_they_went_in(tmp_path, name, codec, size):
    if codec in ("hevc", "ffv1") and min(size) < 16:
        pytest.skip(f"{codec} has no pictures that small")
    info = source_info(*size)
    frame = fused(info, bars(info), 0)
    write(VideoFileSink(tmp_path / name, info, codec=codec, crf=0), [frame])
    got_info, [got] = read(tmp_path / name)
    assert (got_info.width, got_info.height) == size
    assert np.abs(got.luma.astype(int) - frame.luma).max() <= 2, "the edge pixels too"


def test_grey_is_stored_with_neutral_chroma(tmp_path):
    info = source_info(chroma=False, subsampling=(0, 0))
    luma = (np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 200 + 20,)
    write(VideoFileSink(tmp_path / "a.mp4", info, crf=0), [fused(info, luma, 0)])
    _, [got] = read(tmp_path / "a.mp4")
    assert got.subsampling == (1, 1)
    assert np.array_equal(got.luma, luma[0])
    assert set(got.planes[1].ravel()) == {128}


@pytest.mark.parametrize(
    ("name", "codec", "time_base", "start"),
    [
        ("a.mp4", "h264", Fraction(1, 90000), 126_000),
        ("a.mp4", "h264", Fraction(1, 30000), 3003),
        ("a.mp4", "hevc", Fraction(1001, 60000), 5),
        ("a.mov", "prores", Fraction(1, 25), 0),
        ("a.mp4", "av1", Fraction(1, 12800), 512),
        ("a.mkv", "h264", Fraction(1, 1000), 40),
        ("a.mkv", "ffv1", Fraction(1, 1000), 0),
        ("a.webm", "vp9", Fraction(1, 1000), 7),
    ],
)
def test_variable_time_stamps_are_exact(tmp_path, name, codec, time_base, start):
    info = source_info(time_base=time_base, rate=Fraction(30000, 1001))
    nominal = max(1, round(1 / (info.rate * time_base)))
    steps = np.random.default_rng(0).integers(1, 3, 40) * nominal
    steps[5] = nominal * 9
    stamps = [start, *(int(start + total) for total in np.cumsum(steps))]
    write(VideoFileSink(tmp_path / name, info, codec=codec), clip(info, 41, stamps))
    _, got = read(tmp_path / name)
    assert [frame.pts * frame.time_base for frame in got] == [stamp * time_base for stamp in stamps]
    with av.open(str(tmp_path / name)) as media:
        dts = [packet.dts for packet in media.demux(video=0) if packet.dts is not None]
    assert all(a < b for a, b in pairwise(dts))


def test_matroska_is_right_to_half_a_millisecond(tmp_path):
    info = source_info(time_base=Fraction(1, 30000), rate=Fraction(30000, 1001))
    write(VideoFileSink(tmp_path / "a.mkv", info), clip(info, 20, [1001 * i for i in range(20)]))
    _, got = read(tmp_path / "a.mkv")
    wrong = [abs(frame.pts * frame.time_base - Fraction(1001 * i, 30000)) for i, frame in enumerate(got)]
    assert max(wrong) <= Fraction(1, 2000)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mkv", "h264"), ("a.mp4", "h264")])
def test_the_same_frames_make_the_same_file(tmp_path, name, codec):
    """Matroska would have random numbers in it."""
    info = source_info()
    written = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(VideoFileSink(tmp_path / folder / name, info, codec=codec), clip(info, 3))
        written.append((tmp_path / folder / name).read_bytes())
    assert written[0] == written[1]


def test_missing_time_stamps_follow_the_rate(tmp_path):
    info = source_info(time_base=Fraction(1, 1000), rate=20)
    frames = [fused(info, bars(info), i) for i in range(3)]
    frames = [type(f)(f.planes, f.bits, f.subsampling, f.color, None, f.time_base, f.index) for f in frames]
    write(VideoFileSink(tmp_path / "a.mp4", info), frames)
    assert [float(f.pts * f.time_base) for f in read(tmp_path / "a.mp4")[1]] == [0.0, 0.05, 0.1]


@pytest.mark.parametrize("media_name", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
@pytest.mark.parametrize("audio_start", [0, 4800])  # an AAC encoder starts 1024 samples before that
def test_audio_is_copied_byte_by_byte_with_its_offset(tmp_path, media_name, name, audio_start):
    media = make_media(tmp_path / media_name, audio_start=audio_start)
    with VideoFileSource(media) as source:
        info, frames = source.info, list(source)
        sink = VideoFileSink(tmp_path / name, info, speed="ultrafast")
        write(sink, [fused(info, frame.planes, frame.index, frame.pts) for frame in frames])
    before, after = packets(media, "audio"), packets(tmp_path / name, "audio")
    assert [data for _, data in after] == [data for _, data in before]
    drift = max(abs(a - b) for (a, _), (b, _) in zip(after, before, strict=True))
    assert drift <= Fraction(1, 2000)
    assert [f.pts * f.time_base for f in read(tmp_path / name)[1]] == [f.pts * f.time_base for f in frames]
    with av.open(str(tmp_path / name)) as out:
        assert out.metadata["title"] == "A test"
        assert out.streams.audio[0].language == "fra"
    assert sink.warnings == []


def test_audio_of_the_part_that_is_written(tmp_path):
    media = make_media(tmp_path / "in.mp4", seconds=4)
    with VideoFileSource(media, frames=(25, 50)) as source:
        frames = [fused(source.info, frame.planes, frame.index, frame.pts) for frame in source]
        write(VideoFileSink(tmp_path / "out.mp4", source.info), frames)
    times = [time for time, _ in packets(tmp_path / "out.mp4", "audio")]
    assert 1 <= times[0] < 1.1
    assert 1.9 < times[-1] <= 2


def test_streams_that_do_not_fit_are_dropped_with_a_warning(tmp_path):
    media = make_media(tmp_path / "in.mkv", subtitles=True)
    info = source_info(time_base=Fraction(1, 1000), media=media)
    write(VideoFileSink(tmp_path / "a.mkv", info), clip(info, 50, [40 * i for i in range(50)]))
    assert [data for _, data in packets(tmp_path / "a.mkv", "subtitle")] == [b"hello"]
    web = VideoFileSink(tmp_path / "a.webm", info, audio="copy")
    write(web, clip(info, 3))
    assert [text for text in web.warnings if "audio" in text], "WebM has no AAC"


@pytest.mark.parametrize("height", [48, 64])
def test_pixel_aspect_ratio_is_kept(tmp_path, height):
    with av.open(str(tmp_path / "in.mp4"), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, height, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(16, 15)
        out.mux(video.encode(av.VideoFrame(64, height, "yuv420p")))
        out.mux(video.encode(None))
    with VideoFileSource(tmp_path / "in.mp4") as source:
        info = source.info
    write(VideoFileSink(tmp_path / "out.mp4", info), clip(info, 2))
    with av.open(str(tmp_path / "out.mp4")) as media:
        assert media.streams.video[0].sample_aspect_ratio == Fraction(16, 15)


KILLED = """
import sys, time
sys.path.insert(0, {here!r})
from fused_frames import clip, source_info
from streamfuse.encode.video_sink import VideoFileSink
info = source_info()
sink = VideoFileSink({path!r}, info, speed="ultrafast")
for frame in clip(info, 150):
    sink.write(frame)
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_killed_run_leaves_a_file_that_plays(tmp_path, name):
    code = KILLED.format(here=str(Path(fused_frames.__file__).parent), path=str(tmp_path / name))
    root = str(Path(streamfuse.__file__).parents[1]) if streamfuse.__file__ else "."
    env = {**os.environ, "PYTHONPATH": root}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    _, got = read(tmp_path / name)
    assert len(got) >= 100, "at most the last two of six seconds are lost"
    info = source_info()
    assert np.abs(got[0].luma.astype(int) - bars(info)[0]).mean() < 3


FULL = """
import resource, sys
sys.path.insert(0, {here!r})
import numpy as np
from fused_frames import fused, source_info
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
info = source_info(256, 256)
noise = np.random.default_rng(0)
sink = VideoFileSink({path!r}, info, codec={codec!r}, crf=0)
try:
    for i in range({count}):
        planes = [noise.integers(0, 255, (size, size), dtype=np.uint8) for size in (256, 128, 128)]
        sink.write(fused(info, tuple(planes), i))
    sink.close()
except OutputError as error:
    print(error)
sink.close()
"""


@pytest.mark.parametrize("count", [2, 60])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mkv", "ffv1")])
def test_a_full_disk_is_one_sentence(tmp_path, name, codec, count):
    path = tmp_path / name
    code = FULL.format(here=str(Path(fused_frames.__file__).parent), path=str(path), codec=codec, count=count)
    root = str(Path(streamfuse.__file__).parents[1]) if streamfuse.__file__ else "."
    env = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=env, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(path) in done.stdout
    assert "cannot be written" in done.stdout
    assert path.stat().st_size <= 100_000


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_a_file_that_is_there_stays_until_the_new_one_is_complete(tmp_path, name):
    path, info = tmp_path / name, source_info()
    path.write_bytes(b"precious")
    sink = VideoFileSink(path, info, overwrite=True)
    assert sink.outputs == [str(tmp_path / name.replace(".", ".unfinished."))]
    for frame in clip(info, 5):
        sink.write(frame)
    assert path.read_bytes() == b"precious"
    sink.close()
    sink.close()
    assert (sink.outputs, sink.warnings) == ([str(path)], [])
    assert len(read(path)[1]) == 5
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_fails_leaves_what_was_there_and_what_it_made(tmp_path):
    path, info = tmp_path / "a.mp4", source_info()
    path.write_bytes(b"precious")
    sink = VideoFileSink(path, info, overwrite=True)
    with pytest.raises(ZeroDivisionError), sink:
        for frame in clip(info, 5):
            sink.write(frame)
        raise ZeroDivisionError
    assert path.read_bytes() == b"precious"
    assert sink.outputs == [str(tmp_path / "a.unfinished.mp4")]
    assert len(read(sink.outputs[0])[1]) == 5
    assert "a.mp4 is as it was; what was made is in" in sink.warnings[0]


def test_a_run_without_a_frame_leaves_what_was_there_alone(tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"precious")
    VideoFileSink(tmp_path / "a.mkv", source_info(), overwrite=True).close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


class TestRefusals:
    def test_existing_output(self, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"precious")
        with pytest.raises(OutputExistsError, match=r"a\.mp4 exists"):
            VideoFileSink(tmp_path / "a.mp4", source_info())
        assert (tmp_path / "a.mp4").read_bytes() == b"precious"
        write(VideoFileSink(tmp_path / "a.mp4", source_info(), overwrite=True), clip(source_info(), 2))
        assert len(read(tmp_path / "a.mp4")[1]) == 2

    def test_input_is_never_replaced(self, tmp_path):
        media = make_media(tmp_path / "in.mp4", seconds=1)
        before = media.read_bytes()
        (tmp_path / "link.mp4").symlink_to(media)
        for name in ("in.mp4", "link.mp4"):
            with pytest.raises(OutputError, match="is the input"):
                VideoFileSink(tmp_path / name, source_info(media=media), overwrite=True)
        assert media.read_bytes() == before

    def test_failed_settings_leave_an_existing_file_alone(self, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"precious")
        with pytest.raises(EncoderError):
            VideoFileSink(tmp_path / "a.mp4", source_info(), codec="prores", overwrite=True)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("a.xyz", {}, r"a\.xyz does not name a video container"),
            ("a.mp4", {"codec": "h266"}, "no video encoder 'h266'"),
            ("a.mp4", {"codec": "aac"}, "no video encoder 'aac'"),
            ("a.mp4", {"codec": "prores"}, r"\.mp4 file cannot hold prores"),
            ("a.webm", {"codec": "h264"}, r"\.webm file cannot hold h264"),
            ("a.mp4", {"codec": "h264_nvenc"}, "h264_nvenc does not open"),
            ("a.mp4", {"pix_fmt": "rgb24"}, "does not take the pixel format rgb24"),
            ("a.mp4", {"bits": 12}, "does not store 12 bit"),
            ("a.mp4", {"speed": "warp"}, "libx264 does not open"),
        ],
    )
    def test_settings(self, tmp_path, name, options, words):
        with pytest.raises(EncoderError, match=words):
            VideoFileSink(tmp_path / name, source_info(), **options)
        assert not (tmp_path / name).exists()

    def test_odd_sizes_in_av1_and_in_420(self, tmp_path):
        with pytest.raises(EncoderError, match="65x49"):
            VideoFileSink(tmp_path / "a.mp4", source_info(65, 49), codec="av1")
        with pytest.raises(EncoderError, match="65x49"):
            VideoFileSink(tmp_path / "a.mp4", source_info(65, 49), pix_fmt="yuv420p")

    def test_folders(self, tmp_path):
        with pytest.raises(OutputError, match="There is no folder"):
            VideoFileSink(tmp_path / "none" / "a.mp4", source_info())
        (tmp_path / "d.mp4").mkdir()
        with pytest.raises(OutputError, match="is a folder"):
            VideoFileSink(tmp_path / "d.mp4", source_info())

    def test_another_size_and_a_closed_sink(self, tmp_path):
        sink = VideoFileSink(tmp_path / "a.mp4", source_info())
        with pytest.raises(EncoderError, match="66x48 does not fit"):
            sink.write(clip(source_info(66), 1)[0])
        sink.close()
        sink.close()
        with pytest.raises(OutputError, match="closed"):
            sink.write(clip(source_info(), 1)[0])


@pytest.mark.parametrize(
    ("options", "factor"),
    [({}, b"crf=18.0"), ({"quick": True}, b"crf=20.0"), ({"quick": True, "crf": 30}, b"crf=30.0")],
)
def test_what_is_asked_for_goes_before_what_is_quick(tmp_path, options, factor):
    info = source_info()
    write(VideoFileSink(tmp_path / "a.mp4", info, **options), clip(info, 2))
    assert factor in (tmp_path / "a.mp4").read_bytes()  # x264 writes down how it was set


def test_explicit_pixel_format(tmp_path):
    info = source_info()
    write(VideoFileSink(tmp_path / "a.mp4", info, pix_fmt="yuv422p10", crf=0), clip(info, 2))
    got, _ = read(tmp_path / "a.mp4")
    assert (got.bits, got.subsampling) == (10, (1, 0))


def test_photographs_become_420_and_it_is_said(tmp_path):
    info = source_info(subsampling=(0, 0), color=ColorInfo(1, 1, 13, True))
    sink = VideoFileSink(tmp_path / "a.mp4", info)
    write(sink, clip(info, 2))
    got, _ = read(tmp_path / "a.mp4")
    assert (got.subsampling, got.color) == ((1, 1), info.color)
    assert any("lower resolution" in text for text in sink.warnings)


def test_an_empty_run_closes_without_a_fuss(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        VideoFileSink(tmp_path / name, source_info()).close()


def test_encoders_are_proven_by_opening():
    found = list_encoders()
    assert found["libx264"]
    assert found["ffv1"]
    assert not found["h264_nvenc"] or Path("/dev/nvidiactl").exists()
