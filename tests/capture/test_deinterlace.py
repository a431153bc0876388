"""Interlaced footage becomes whole pictures, with its time stamps, and says so."""

from __future__ import annotations

import io
import json
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from click.testing import CliRunner

from streamfuse.capture.avframe import picture_of
from streamfuse.capture.deinterlace import Deinterlacer, layout_of
from streamfuse.capture.video_source import VideoFileSource
from streamfuse.cli.app import main
from streamfuse.errors import UsageError
from streamfuse.runtime.sources import open_source

SIZE = (192, 108)
RATE = 25
MEANS = (60.0, 150.0)  # of the two exposures


def luma(instant, level=100.0, speed=3.0):
    """A picture at an instant, in fields: a fine standing pattern, and a disc that moves."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width].astype(np.float64)
    still = 0.5 + 0.3 * np.sin(x / 3) * np.sin(y / 4)
    disc = np.hypot(x - 40 - speed * instant, y - 54) < 25
    return np.where(disc, 1.6, still) * level


def woven(first, second, top_first=True):
    """Two instants in one frame."""
    frame = np.empty_like(first)
    frame[0::2], frame[1::2] = (first[0::2], second[1::2]) if top_first else (second[0::2], first[1::2])
    return frame


def frame_of(values, number, layout="yuv420p"):
    frame = av.VideoFrame(*SIZE, layout)
    deep = max(component.bits for component in frame.format.components) > 8
    for index, plane in enumerate(frame.planes):
        dtype = np.uint16 if deep else np.uint8
        lines = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
        level = values if index == 0 else np.full((plane.height, plane.width), 128.0)
        scale = 4 if deep else 1
        lines[:, : plane.width] = np.rint(level * scale).astype(dtype)
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def flagged(frames, mode):
    """With FFmpeg's flag for the order of fields: tff, bff or prog."""
    graph = av.filter.Graph()
    like = frames[0]
    source = graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=like.time_base
    )
    graph.link_nodes(source, graph.add("setfield", f"mode={mode}"), graph.add("buffersink"))
    graph.configure()
    out = []
    for frame in frames:
        graph.vpush(frame)
        out.append(graph.vpull())
    return out


def interlaced(count=24, *, top_first=True, layout="yuv420p", alternating=True):
    """Frames of two fields of one exposure, the exposures alternating; and the first instant of each, whole."""
    frames, whole = [], []
    for n in range(count):
        level = MEANS[n % 2] if alternating else 100.0
        whole.append(luma(2 * n, level))
        frames.append(frame_of(woven(whole[-1], luma(2 * n + 1, level), top_first), n, layout))
    return flagged(frames, "tff" if top_first else "bff"), whole


def write(path, frames, codec, layout="yuv420p", options=None, container=None, flags=()):
    with av.open(path, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *SIZE, layout
        for flag in flags:
            stream.codec_context.flags |= flag
        for frame in frames:
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def codes(frame):
    return picture_of(frame).planes[0]


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("alternating", [True, False])
def test_each_frame_becomes_its_first_instant(top_first, alternating):
    frames, whole = interlaced(top_first=top_first, alternating=alternating)
    combed = [psnr(codes(frame), want) for frame, want in zip(frames, whole, strict=True)]
    maker = Deinterlacer("auto")
    out = list(maker.through(frames))
    assert maker.count == 24
    assert [frame.pts for frame in out] == list(range(24))
    assert [frame.time_base for frame in out] == [Fraction(1, RATE)] * 24
    assert not any(frame.interlaced_frame for frame in out)
    made = [psnr(codes(frame), want) for frame, want in zip(out, whole, strict=True)]
    assert min(np.subtract(made, combed)) > 5
    # What stands still keeps its lines: they are those of the other field, of a frame of the same exposure.
    for frame, want in zip(out[3:-3], whole[3:-3], strict=True):
        still = slice(4, 26)
        assert np.abs(codes(frame)[still].astype(float) - want[still]).max() < 1.5


def test_frames_that_bear_no_flag_pass_and_those_among_them_that_do_are_mended():
    frames, _ = interlaced(16)
    plain = [frame_of(luma(2 * n, MEANS[n % 2]), n) for n in range(8)]
    both = [*plain, *(frame for frame in frames[8:])]
    maker = Deinterlacer("auto")
    out = list(maker.through(both))
    assert [frame.pts for frame in out] == list(range(16))
    assert all(a is b for a, b in zip(out, plain, strict=False))
    assert maker.count == 8
    maker = Deinterlacer("off")
    assert list(maker.through(frames)) == frames
    assert (maker.count, maker.left) == (0, 16)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_frames_are_all_there(count):
    frames, _ = interlaced(count)
    assert [frame.pts for frame in Deinterlacer("auto").through(frames)] == list(range(count))


def test_on_takes_frames_without_a_flag():
    frames, whole = interlaced(12)
    bare = flagged(frames, "prog")
    assert not bare[0].interlaced_frame
    out = list(Deinterlacer("on").through(bare))
    assert psnr(codes(out[6]), whole[6]) > 30


def test_fields_of_two_exposures_become_two_pictures_each():
    frames = flagged(
        [frame_of(woven(luma(2 * n, 60.0), luma(2 * n + 1, 150.0)), n) for n in range(14)], "tff"
    )
    maker = Deinterlacer("auto")
    out = list(maker.through(frames))
    assert maker.fields
    assert [frame.pts for frame in out] == list(range(28))
    assert {frame.time_base for frame in out} == {Fraction(1, 2 * RATE)}
    for number, frame in enumerate(out[:-1]):
        want = luma(number, MEANS[number % 2])
        assert psnr(codes(frame), want) > 27


def test_how_the_exposures_lie():
    for cycle in (2, 3):
        frames = [frame_of(luma(n, 60.0 + 40 * (n % cycle)), n) for n in range(12)]
        assert layout_of(frames) == (False, cycle)
    assert layout_of([frame_of(luma(n), n) for n in range(12)]) == (False, 2)
    assert layout_of([frame_of(luma(0), 0)]) == (False, 2)


CODED = {
    "mpeg2.ts": ("mpeg2video", "yuv420p", {"b": "8M"}, True),
    "mbaff.mp4": ("libx264", "yuv420p", {"crf": "8"}, True),
    "mbaff.mkv": ("libx264", "yuv420p", {"crf": "8", "x264-params": "bff=1"}, False),
    "prores.mov": ("prores_ks", "yuv422p10le", {}, True),
    "ffv1.mkv": ("ffv1", "yuv420p", {}, True),
    "raw.y4m": ("wrapped_avframe", "yuv420p", {}, True),
}


def coded(path, *, fields=False):
    """Interlaced footage as cameras store it; the first instants of its frames."""
    codec, layout, options, top_first = CODED[path.name]
    frames, whole = interlaced(24, top_first=top_first, layout=layout)
    flags = (av.codec.context.Flags.interlaced_dct, av.codec.context.Flags.interlaced_me)
    write(str(path), frames, codec, layout, options, flags=() if codec == "wrapped_avframe" else flags)
    if path.suffix == ".y4m":
        path.write_bytes(path.read_bytes().replace(b" Ip ", b" It ", 1))
    return whole


@pytest.mark.parametrize("name", CODED)
def test_files_of_many_kinds(tmp_path, name):
    whole = coded(tmp_path / name)
    with VideoFileSource(tmp_path / name) as source:
        frames = list(source)
        assert source.deinterlaced == 24
        (note,) = source.notes
        assert "is interlaced" in note
        assert "bwdif" in note
    with VideoFileSource(tmp_path / name, deinterlace="off") as source:
        combed = list(source)
        assert source.deinterlaced == 0
        assert "--deinterlace auto" in source.notes[0]
    assert [(f.index, f.time) for f in frames] == [(f.index, f.time) for f in combed]
    scale = 1 << (frames[0].bits - 8)
    made = np.median([psnr(f.luma / scale, want) for f, want in zip(frames, whole, strict=True)])
    before = np.median([psnr(f.luma / scale, want) for f, want in zip(combed, whole, strict=True)])
    assert made > before + 5


def test_whole_pictures_of_a_file_are_left_alone(tmp_path):
    frames = [frame_of(luma(2 * n, MEANS[n % 2]), n) for n in range(8)]
    write(str(tmp_path / "plain.mkv"), frames, "ffv1")
    pictures = []
    for mode in ("auto", "off"):
        with open_source(tmp_path / "plain.mkv", deinterlace=mode) as source:
            pictures.append([frame.luma for frame in source])
            assert not source.report().notes
    np.testing.assert_array_equal(*pictures)  # type: ignore[arg-type]


def test_a_range_of_an_interlaced_file_is_what_the_whole_has_there(tmp_path):
    coded(tmp_path / "ffv1.mkv")
    with VideoFileSource(tmp_path / "ffv1.mkv") as source:
        whole = list(source)
    with VideoFileSource(tmp_path / "ffv1.mkv", frames=(12, 20)) as source:
        part = list(source)
    assert [(f.index, f.pts) for f in part] == [(f.index, f.pts) for f in whole[12:20]]
    for one, other in zip(part[2:], whole[14:20], strict=True):
        np.testing.assert_array_equal(one.luma, other.luma)


def test_fields_of_two_exposures_in_a_file(tmp_path):
    frames = [frame_of(woven(luma(2 * n, 60.0), luma(2 * n + 1, 150.0)), n) for n in range(14)]
    write(str(tmp_path / "fields.mkv"), flagged(frames, "tff"), "ffv1")
    with VideoFileSource(tmp_path / "fields.mkv") as source:
        assert source.info.rate == 2 * RATE
        assert source.info.frame_count == 28
        out = list(source)
        assert "each field becomes a picture" in source.notes[0]
    assert [frame.index for frame in out] == list(range(28))
    np.testing.assert_allclose([frame.time for frame in out], np.arange(28) / 50, atol=0.0006)
    assert [bool(frame.luma.mean() > 60) for frame in out] == [False, True] * 14
    with VideoFileSource(tmp_path / "fields.mkv", frames=(20, 24)) as source:
        assert [(f.index, f.pts) for f in source] == [(f.index, f.pts) for f in out[20:24]]


def test_standard_input(tmp_path, monkeypatch):
    whole = coded(tmp_path / "raw.y4m")
    assert b" It" in (tmp_path / "raw.y4m").read_bytes()[:80]
    with (tmp_path / "raw.y4m").open("rb") as piped:
        import os

        saved = os.dup(0)
        os.dup2(piped.fileno(), 0)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        try:
            with open_source("-") as source:
                frames = list(source)
                assert source.report().deinterlaced == 24
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    assert psnr(frames[8].luma, whole[8]) > 30


def test_a_mode_that_is_none():
    with pytest.raises(UsageError, match="auto, on or off"):
        open_source("sample:", deinterlace="bob")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mbaff.mp4", "mpeg2.ts"])
def test_the_commands_say_it_and_the_output_is_whole(tmp_path, name):
    source, out = tmp_path / name, tmp_path / "out.mkv"
    coded(source)
    arguments = [str(source), "--preset", "fast", "--json"]
    result = CliRunner().invoke(main, ["fuse", *arguments, "-o", str(out)])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["deinterlaced"] == 24
    assert summary["cycle"] == 2
    assert "is interlaced" in summary["notes"][0]
    with av.open(str(out)) as fused:
        frames = list(fused.decode(video=0))
    assert len(frames) == 24
    assert not any(frame.interlaced_frame for frame in frames)
    result = CliRunner().invoke(main, ["fuse", str(source), "--preset", "fast", "-o", "null:"])
    assert result.stderr.count("it is deinterlaced") == 1
    combed = CliRunner().invoke(main, ["fuse", *arguments, "--deinterlace", "off", "-o", "null:"])
    assert json.loads(combed.stdout)["deinterlaced"] == 0
    many = CliRunner().invoke(main, ["batch", *arguments, "-o", str(tmp_path / "fused")])
    assert many.exit_code == 0, many.output
    (file,) = json.loads(many.stdout)["files"]
    assert "it is deinterlaced" in file["notes"][0]


def test_dv(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SIZE", (720, 576))
    frames, whole = interlaced(6, top_first=False)
    write(str(tmp_path / "camera.avi"), frames, "dvvideo")
    with VideoFileSource(tmp_path / "camera.avi") as source:
        made = list(source)
        assert source.deinterlaced == 6
    with VideoFileSource(tmp_path / "camera.avi", deinterlace="off") as source:
        combed = list(source)
    for one, other, want in zip(made, combed, whole, strict=True):
        assert psnr(one.luma, want) > psnr(other.luma, want) + 3
