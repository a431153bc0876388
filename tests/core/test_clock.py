"""The clock of a media file: free origins begin at zero, jumps are closed, picture and sound stay together."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from streamfuse.capture.video_source import VideoFileSource
from streamfuse.core.frame import FusedFrame
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import UsageError

SOUND = Fraction(1024, 48000)
PICTURE = Fraction(1, 25)


def recording(path, frames, start=0, sound_start=Fraction(0), codec="aac"):
    """A TS file whose clock begins at `start` seconds, with sound from `sound_start` after that on."""
    with av.open(str(path), "w", format="mpegts", options={"muxdelay": "0", "muxpreload": "0"}) as out:
        video = out.add_stream("libx264", rate=25, options={"bf": "2", "g": "12"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream(codec, rate=48000)
        noise = np.random.default_rng(0)
        size = 1152 if codec == "mp2" else 1024
        pictures = [(start + PICTURE * n, "video", n) for n in range(frames)]
        begin = start + sound_start
        sounds = [
            (begin + Fraction(size * n, 48000), "audio", n)
            for n in range(int(frames * PICTURE * 48000 / size))
        ]
        for time, kind, n in sorted(pictures + sounds):
            if kind == "video":
                picture = av.VideoFrame.from_ndarray(np.full((72, 64), 16 + n % 200, np.uint8), "yuv420p")
                picture.pts, picture.time_base = round(time * 90000), Fraction(1, 90000)
                out.mux(video.encode(picture))
            else:
                layout = "s16p" if codec == "mp2" else "fltp"
                samples = noise.normal(0, 0.1, (2, size)).astype(np.float32)
                samples = (samples * 3000).astype(np.int16) if codec == "mp2" else samples
                block = av.AudioFrame.from_ndarray(samples, layout, "stereo")
                block.sample_rate, block.pts, block.time_base = 48000, round(time * 48000), Fraction(1, 48000)
                out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def copied(source_path, path, frames=None):
    """What a run makes of a file, its pictures left as they are: its source and its sink."""
    with VideoFileSource(source_path, frames=frames) as source:
        info = source.info
        with VideoFileSink(path, info, speed="ultrafast") as sink:
            for frame in source:
                sink.write(
                    FusedFrame(
                        frame.planes,
                        info.bits,
                        info.subsampling,
                        info.color,
                        frame.pts,
                        info.time_base,
                        frame.index,
                    )
                )
    return source, sink


def times(path, kind):
    with av.open(str(path)) as media:
        stream = next(stream for stream in media.streams if stream.type == kind)
        return sorted(packet.pts * packet.time_base for packet in media.demux(stream) if packet.size)


def irregular(stamps, step):
    """Steps that are not `step`, to what containers keep."""
    return [float(b - a) for a, b in pairwise(stamps) if abs(b - a - step) > Fraction(2, 1000)]


@pytest.mark.parametrize("second", [0, 1, 40_000])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_files_put_one_behind_the_other_go_on_with_their_sound(tmp_path, second, suffix):
    a = recording(tmp_path / "a.ts", 30, start=5)
    b = recording(tmp_path / "b.ts", 30, start=second)
    (tmp_path / "ab.ts").write_bytes(a.read_bytes() + b.read_bytes())
    source, sink = copied(tmp_path / "ab.ts", tmp_path / f"o{suffix}")
    pictures, sound = times(tmp_path / f"o{suffix}", "video"), times(tmp_path / f"o{suffix}", "audio")
    assert len(pictures) == 60
    assert irregular(pictures, PICTURE) == []
    assert len(sound) >= 2 * (len(times(a, "audio")) - 1)
    assert len(irregular(sound, SOUND)) <= 1, "where the two meet"
    assert abs(sound[-1] - pictures[-1]) < 2 * PICTURE
    assert [text for text in source.warnings if "begins anew once" in text] == source.warnings
    assert sink.warnings == []


@pytest.mark.parametrize("start", [0, 5, 50_000])
def test_a_clock_without_an_origin_begins_at_zero(tmp_path, start):
    delay = Fraction(1, 5)
    path = recording(tmp_path / "a.ts", 50, start=start, sound_start=delay, codec="mp2")
    copied(path, tmp_path / "o.mp4")
    pictures, sound = times(tmp_path / "o.mp4", "video"), times(tmp_path / "o.mp4", "audio")
    assert pictures[0] == 0 and irregular(pictures, PICTURE) == []
    before = times(path, "audio")[0] - times(path, "video")[0]
    assert abs(sound[0] - before) < Fraction(1, 1000)
    with av.open(str(tmp_path / "o.mp4")) as media:
        assert media.duration / av.time_base < 3


def test_a_range_of_a_clock_without_an_origin(tmp_path):
    path = recording(tmp_path / "a.ts", 100, start=700)
    with VideoFileSource(path) as source:
        whole = [(frame.index, frame.pts) for frame in source]
    with VideoFileSource(path, frames=(70, 75)) as source:
        assert [(frame.index, frame.pts) for frame in source] == whole[70:75]
    assert whole[0][1] * source.info.time_base < 1


def test_a_range_behind_a_jump(tmp_path):
    a, b = recording(tmp_path / "a.ts", 60, start=5), recording(tmp_path / "b.ts", 60, start=5)
    (tmp_path / "ab.ts").write_bytes(a.read_bytes() + b.read_bytes())
    with VideoFileSource(tmp_path / "ab.ts") as source:
        whole = [(frame.index, frame.pts) for frame in source]
    with VideoFileSource(tmp_path / "ab.ts", frames=(100, 104)) as source:
        assert [(frame.index, frame.pts) for frame in source] == whole[100:104]


def test_sound_that_outlasts_the_picture_is_no_damage(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("aac", rate=48000)
        plain = np.full((72, 64), 90, np.uint8)  # a frame that is not filled holds whatever the memory held
        for _ in range(30):
            out.mux(video.encode(av.VideoFrame.from_ndarray(plain, "yuv420p")))
        for n in range(240):
            block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            block.sample_rate, block.pts, block.time_base = 48000, n * 1024, Fraction(1, 48000)
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    with VideoFileSource(tmp_path / "a.mkv") as source:
        assert len(list(source)) == 30
        assert source.warnings == []
        assert not source.info.count_promised or source.info.frame_count <= 31
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    with VideoFileSource(tmp_path / "cut.mkv") as source:
        list(source)
    assert any("it is cut off or damaged" in text for text in source.warnings)


@pytest.mark.parametrize("rate", [24, 60, Fraction(24000, 1001)])
@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.hevc", "libx265")])
def test_a_bare_stream_has_the_rate_of_its_pictures(tmp_path, name, codec, rate):
    with av.open(str(tmp_path / name), "w", format=name[2:]) as out:
        video = out.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _ in range(12):
            out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
    for given in (None, Fraction(50)):
        with VideoFileSource(tmp_path / name, rate=given) as source:
            assert source.info.rate == (given or rate)
            stamps = [frame.pts * frame.time_base for frame in source]
        assert stamps == [n / Fraction(given or rate) for n in range(12)]


def test_a_rate_for_a_file_with_time_stamps_is_refused(tmp_path):
    path = recording(tmp_path / "a.ts", 5)
    with pytest.raises(UsageError, match=r"without time stamps: .*a\.ts has its own"):
        VideoFileSource(path, rate=Fraction(24))


def made(path, rate, stamps):
    """A film whose container rounds these times, in seconds."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 90000)
        for stamp in stamps:
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts, picture.time_base = round(stamp * 90000), Fraction(1, 90000)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
    return path


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(24000, 1001), Fraction(30), Fraction(25)])
def test_a_constant_rate_is_exact_again_after_matroska(tmp_path, rate):
    made(tmp_path / "a.mkv", rate, [n / rate for n in range(100)])
    copied(tmp_path / "a.mkv", tmp_path / "o.mp4")
    assert times(tmp_path / "o.mp4", "video") == [n / rate for n in range(100)]
    with VideoFileSource(tmp_path / "a.mkv", frames=(70, 72)) as source:
        assert [frame.pts * frame.time_base for frame in source] == [70 / rate, 71 / rate]


@pytest.mark.parametrize("steps", [(33, 50, 66, 41), (42, 42, 41, 44)])
def test_a_rate_that_is_not_constant_stays_as_it_is(tmp_path, steps):
    stamps = [Fraction(sum(steps[k % 4] for k in range(n)), 1000) for n in range(60)]
    made(tmp_path / "a.mkv", Fraction(24), stamps)
    copied(tmp_path / "a.mkv", tmp_path / "o.mp4")
    found = times(tmp_path / "o.mp4", "video")
    assert max(abs(a - b) for a, b in zip(found, stamps, strict=True)) <= Fraction(1, 2000)
    assert found[5:] == stamps[5:]
