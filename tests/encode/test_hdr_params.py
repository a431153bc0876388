"""Metadata of HDR10, as the encoders take it and as it is in files."""

import av
import numpy as np
import pytest
import second_reader as reader
from fused_frames import clip, source_info, write

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.mastering import Mastering
from streamfuse.encode.container_mastering import write_mastering
from streamfuse.encode.hdr_params import svtav1_params, x265_params
from streamfuse.encode.join import join_parts
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import EncoderError

PQ = ColorInfo(matrix=9, primaries=9, transfer=16)
MASTERING = Mastering(primaries=12, peak=1000.0, average=400.0)


def light_levels(path):
    """(MaxCLL, MaxFALL) of every keyframe; None where they are missing."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.key_frame:
                side = {data.type.name: bytes(data) for data in frame.side_data}  # type: ignore[arg-type, attr-defined]
                found = side.get("CONTENT_LIGHT_LEVEL")
                yield None if found is None else tuple(np.frombuffer(found, "<u4").tolist())


def test_each_encoder_has_its_own_units():
    # P3-D65 at 1000 cd/m2, as the documentation of x265 and of SVT-AV1 writes it
    assert x265_params(MASTERING) == (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    )
    assert svtav1_params(MASTERING) == (
        "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001):content-light=1000,400"
    )


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_keyframe_of_joined_parts_has_it(tmp_path, suffix):
    info = source_info(128, 96, bits=10, color=PQ)
    frames = clip(info, 24)
    parts = [tmp_path / f"{n}{suffix}" for n in (0, 12)]
    for n, part in zip((0, 12), parts, strict=True):
        write(VideoFileSink(part, info, codec="hevc", mastering=MASTERING), frames[n : n + 12])
    joined = tmp_path / f"joined{suffix}"
    with VideoFileSink(joined, info, codec="hevc", mastering=MASTERING) as sink:
        join_parts(parts, sink)
    assert list(light_levels(joined)) == [(1000, 400)] * 2


def test_a_file_without_it_has_none(tmp_path):
    info = source_info(128, 96, bits=10, color=PQ)
    write(VideoFileSink(tmp_path / "a.mp4", info, codec="hevc"), clip(info, 4))
    assert list(light_levels(tmp_path / "a.mp4")) == [None]


P3_AND_WHITE = [0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("hevc", ".mp4"),
        ("hevc", ".mov"),
        ("hevc", ".mkv"),
        ("av1", ".mp4"),
        ("av1", ".mkv"),
        ("av1", ".webm"),
    ],
)
def test_a_second_reader_finds_it_in_the_header_and_in_the_stream(tmp_path, codec, suffix):
    info = source_info(128, 96, bits=10, color=PQ)
    path = tmp_path / f"a{suffix}"
    sink = VideoFileSink(path, info, codec=codec, mastering=MASTERING)
    write(sink, clip(info, 3))
    assert not sink.warnings
    with av.open(str(path)) as container:
        packet = bytes(next(container.demux(video=0)))
        assert "title" not in container.streams.video[0].metadata
    header = (reader.from_matroska if suffix in (".mkv", ".webm") else reader.from_mp4)(path.read_bytes())
    stream = (reader.from_hevc if codec == "hevc" else reader.from_av1)(packet)
    for told in (header, stream):
        np.testing.assert_allclose(told.places, P3_AND_WHITE, atol=2e-5)
        np.testing.assert_allclose(told.luminance, (1000, 1e-4), rtol=0.4)  # AV1 has black in 1/16384
        assert tuple(told.light) == (1000, 400)
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 3


def test_quicktime_holds_no_av1(tmp_path):
    with pytest.raises(EncoderError, match="cannot hold av1"):
        VideoFileSink(tmp_path / "a.mov", source_info(128, 96, bits=10, color=PQ), codec="av1")
    assert not list(tmp_path.iterdir())


def test_a_header_without_a_place_for_it_stays_as_it_is(tmp_path):
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"a{suffix}"
        info = source_info(128, 96)
        write(VideoFileSink(path, info, codec="h264"), clip(info, 3))
        before = path.read_bytes()
        assert not write_mastering(path, MASTERING)
        assert path.read_bytes() == before
