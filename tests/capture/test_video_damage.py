"""Clips that are damaged, cut short or longer than they say."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import make_clip, picture

from streamfuse.capture.video_source import VideoFileSource
from streamfuse.errors import InputError


def frames_of(path, **options):
    with VideoFileSource(path, **options) as source:
        return list(source)


def test_a_truncated_file_gives_what_is_there(tmp_path):
    make_clip(tmp_path / "a.mkv", 30)
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(data[: len(data) * 6 // 10])
    got = frames_of(tmp_path / "b.mkv")
    assert 14 <= len(got) <= 19
    assert [frame.pts for frame in got] == sorted(frame.pts for frame in got)


def test_damage_in_the_middle_is_skipped_and_counted(tmp_path):
    make_clip(tmp_path / "a.mkv", 30, level=3, slicecrc=1)
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    half = len(data) // 2
    data[half : half + 6000] = bytes(6000)
    (tmp_path / "b.mkv").write_bytes(data)
    with VideoFileSource(tmp_path / "b.mkv") as source:
        got = list(source)
    assert len(got) >= 20
    assert got[-1].pts >= 1100, "what follows the damage is there"


@pytest.mark.parametrize("seed", range(8))
def test_noise_in_the_file_never_crashes(tmp_path, seed):
    make_clip(tmp_path / "a.mp4", 20, codec="libx264")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(40, len(data), 60):
        data[at] = rng.integers(256)
    (tmp_path / "b.mp4").write_bytes(data)
    try:
        got = frames_of(tmp_path / "b.mp4")
    except InputError:
        return
    assert all(frame.luma.shape == got[0].luma.shape for frame in got)


def test_packets_that_do_not_decode_are_counted(tmp_path):
    make_clip(tmp_path / "a.mp4", 10, codec="mjpeg", layout="yuvj420p")
    with av.open(str(tmp_path / "a.mp4")) as media:
        at, size = [(packet.pos, packet.size) for packet in media.demux(video=0) if packet.size][4]
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    data[at : at + size] = bytes(size)
    (tmp_path / "a.mp4").write_bytes(data)
    with VideoFileSource(tmp_path / "a.mp4") as source:
        assert len(list(source)) == 9
        assert source.decode_errors == 1


def test_a_change_of_size_is_an_error(tmp_path):
    for name, size in (("a", (64, 48)), ("b", (96, 48))):
        make_clip(tmp_path / f"{name}.ts", 5, codec="libx264", size=size, time_base=Fraction(1, 25))
    (tmp_path / "ab.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with (
        VideoFileSource(tmp_path / "ab.ts") as source,
        pytest.raises(InputError, match="64x48 to 96x48 at frame 5"),
    ):
        list(source)


@pytest.mark.parametrize(("suffix", "container"), [(".wmv", "asf"), (".flv", "flv")])
def test_a_film_whose_sound_is_longer_is_whole_where_the_header_has_one_length(tmp_path, suffix, container):
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream("flv", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("libmp3lame", rate=44100, layout="mono")
        for n in range(30):
            out.mux(stream.encode(picture("yuv420p", 64, 48, seed=n)[0]))
        for n in range(80):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), "s16p", "mono")
            block.sample_rate, block.pts = 44100, 1152 * n
            out.mux(sound.encode(block))
        out.mux(stream.encode(None))
        out.mux(sound.encode(None))
    with VideoFileSource(path) as source:
        assert len(list(source)) == 30
        assert not source.info.count_promised
        assert source.warnings == []
