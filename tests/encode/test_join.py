"""Parts of a video put together."""

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import pictures_of, write_video

from streamfuse.encode.join import decoding_times, join_parts
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import OutputError
from streamfuse.synthetic.sample_source import open_sample

SPEC = "sample:?frames=36&size=96x64&rate=24000/1001"


@pytest.fixture(scope="module")
def pictures():
    with open_sample(SPEC) as source:
        return source.info, [(n, frame.planes) for n, frame in enumerate(source)]


def parts_of(folder, suffix, pictures, **options):
    info, frames = pictures
    cuts = [(0, 12), (12, 13), (13, 36)]
    return [
        write_video(folder / f"{a}{suffix}", frames[a:b], replace(info, media=None), **options)
        for a, b in cuts
    ]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "h264"),
        (".mkv", "h264"),
        (".mp4", "hevc"),
        (".mkv", "ffv1"),
        (".webm", "vp9"),
        (".mov", "prores"),
    ],
)
def test_parts_are_shown_as_one(tmp_path, pictures, suffix, codec):
    info, frames = pictures
    parts = parts_of(tmp_path, suffix, pictures, codec=codec)
    with VideoFileSink(tmp_path / f"joined{suffix}", info, codec=codec) as sink:
        join_parts(parts, sink)
    whole = write_video(tmp_path / f"whole{suffix}", frames, info, codec=codec)

    def described(path):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            shown = [frame.pts * frame.time_base for frame in container.decode(stream)]
            context = stream.codec_context
            return shown, stream.average_rate, context.pix_fmt, context.color_range, context.colorspace

    assert described(sink.outputs[0]) == described(whole)
    expected = [picture for part in parts for picture in pictures_of(part)]
    np.testing.assert_array_equal(pictures_of(sink.outputs[0]), expected)


def test_parts_with_other_settings_are_refused(tmp_path, pictures):
    info, frames = pictures
    parts = [
        write_video(tmp_path / "0.mkv", frames[:9], info, codec="h264"),
        write_video(tmp_path / "1.mkv", frames[9:], info, codec="h264", bits=10),
    ]
    with (
        VideoFileSink(tmp_path / "o.mkv", info) as sink,
        pytest.raises(OutputError, match=r"1\.mkv was encoded with other settings"),
    ):
        join_parts(parts, sink)


def test_a_damaged_part_is_named(tmp_path, pictures):
    (tmp_path / "0.mkv").write_bytes(b"nothing")
    with (
        VideoFileSink(tmp_path / "o.mkv", pictures[0]) as sink,
        pytest.raises(OutputError, match=r"parts of .*o\.mkv cannot be read"),
    ):
        join_parts([tmp_path / "0.mkv"], sink)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True))
def test_nothing_is_shown_before_it_is_decoded(stamps):
    times = decoding_times(stamps)
    assert all(a < b for a, b in pairwise(times))
    assert all(dts <= pts for dts, pts in zip(times, stamps, strict=True))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True))
def test_without_reordering_there_is_no_delay(stamps):
    assert decoding_times(sorted(stamps)) == sorted(stamps)
