"""Sound, subtitles and chapters in other containers: copied, converted with a word, or left out with one."""

from fractions import Fraction
from itertools import count

import av
import pytest
from fused_frames import clip, fused, make_media, source_info
from media_files import SECONDS, film, heard

from streamfuse.capture.video_source import VideoFileSource
from streamfuse.encode.carry import Copied
from streamfuse.encode.packets import MediaCopier
from streamfuse.encode.subtitles import plain_text
from streamfuse.encode.video_sink import VideoFileSink

DELAY = Fraction(1, 5)


def carried(source_path, path, **options):
    """A film with its pictures as they are: the sink, closed."""
    with VideoFileSource(source_path) as source:
        info = source.info
        with VideoFileSink(path, info, speed="ultrafast", **options) as sink:
            for frame in source:
                sink.write(fused(info, frame.planes, frame.index, frame.pts))
    return sink


def begin_of_pictures(path):
    with av.open(str(path)) as media:
        stream = media.streams.video[0]
        return float(min(packet.pts for packet in media.demux(stream) if packet.size) * stream.time_base)


def check_sound(source_path, path):
    """The tone is there, as long as it was and as far from the first picture."""
    before, after = heard(source_path), heard(path)
    assert after[3] == pytest.approx(440, abs=3)
    lasts = after[2] - after[1]  # AVI has no time stamps: what it is read to last may be wrong already
    assert min(abs(lasts - SECONDS), abs(lasts - (before[2] - before[1]))) < 0.1
    offset = before[1] - begin_of_pictures(source_path)
    assert after[1] - begin_of_pictures(path) == pytest.approx(offset, abs=0.03)


# All combinations of containers and sounds are in tests/tools/test_formats.py.
@pytest.mark.parametrize(
    ("source", "sound", "target"),
    [
        (".ts", "aac", ".mp4"),
        (".ts", "aac", ".mov"),
        (".mkv", "flac", ".mov"),
        (".mkv", "opus", ".mov"),
        (".mkv", "pcm24", ".mp4"),
        (".mov", "pcm16", ".mp4"),
    ],
)
def test_sound_is_there_and_in_time(tmp_path, source, sound, target):
    path = film(tmp_path / f"in{source}", sound, delay=DELAY)
    out = tmp_path / f"out{target}"
    sink = carried(path, out)
    with VideoFileSource(out) as result:
        assert len(list(result)) == 25 * SECONDS
    check_sound(path, out)
    assert heard(path)[0] == heard(out)[0] or sink.warnings, "a conversion is said"


def test_sound_that_the_container_refuses_on_the_way_ends_there_and_the_film_goes_on(tmp_path, monkeypatch):
    media, taken = film(tmp_path / "in.mkv", "aac"), []

    def take(self, packet):
        taken.append(packet.pts)
        if len(taken) > 50:  # beyond what proves that the container holds such sound
            packet.pts = packet.dts = packet.dts - 700
        yield packet

    monkeypatch.setattr(Copied, "take", take)
    sink = carried(media, tmp_path / "o.mp4")
    with VideoFileSource(tmp_path / "o.mp4") as result:
        assert len(list(result)) == 25 * SECONDS
    assert len(sink.warnings) == 1
    assert sink.warnings[0].startswith(f"The audio stream 1 of {media} ends at ")
    assert "the container refuses what follows" in sink.warnings[0]
    assert 0.5 < heard(tmp_path / "o.mp4")[2] < 1.5


def test_a_stamp_that_comes_twice_is_moved_by_a_tick(tmp_path, monkeypatch):
    media, raw = film(tmp_path / "in.mkv", "aac"), MediaCopier._raw
    number = count()

    def twice(self):
        packet = raw(self)
        if packet is not None and packet.stream.type == "audio" and next(number) % 7 == 6:
            packet.dts = packet.pts = packet.dts - 21  # of milliseconds: what its predecessor has
        return packet

    monkeypatch.setattr(MediaCopier, "_raw", twice)
    sink = carried(media, tmp_path / "o.mp4")
    assert sink.warnings == []
    assert heard(tmp_path / "o.mp4")[2] == pytest.approx(heard(media)[2], abs=0.05)


def test_what_sound_is_converted_to(tmp_path):
    flac = film(tmp_path / "flac.mkv", "flac")
    sink = carried(flac, tmp_path / "o.mov")
    assert heard(tmp_path / "o.mov")[0] == "pcm_s16le", "without loss, as it was"
    assert sink.warnings == [
        f"The audio stream 1 of {flac} (flac) is converted to pcm_s16le: .mov cannot hold it."
    ]
    carried(film(tmp_path / "opus.mkv", "opus"), tmp_path / "o.mov", overwrite=True)
    assert heard(tmp_path / "o.mov")[0] == "aac"


def test_sound_can_be_left_out_and_conversion_be_forbidden(tmp_path):
    opus = film(tmp_path / "opus.mkv", "opus")
    sink = carried(opus, tmp_path / "o.mov", audio="copy")
    assert heard(tmp_path / "o.mov") is None
    assert "(opus) is not copied: .mov cannot hold it (--audio auto converts it)." in sink.warnings[0]
    sink = carried(opus, tmp_path / "o.mkv", audio="none")
    assert (heard(tmp_path / "o.mkv"), sink.warnings) == (None, [])
    carried(opus, tmp_path / "p.mkv", audio="copy")
    assert heard(tmp_path / "p.mkv")[0] == "opus"


@pytest.mark.parametrize(
    ("target", "codec", "data"),
    [(".mp4", "mov_text", b"\0\5hello"), (".mov", "mov_text", b"\0\5hello"), (".mkv", "srt", b"hello")],
)
def test_subtitles_of_text_are_kept(tmp_path, target, codec, data):
    media = make_media(tmp_path / "in.mkv", subtitles=True)
    sink = carried(media, tmp_path / f"o{target}")
    with av.open(str(tmp_path / f"o{target}")) as out:
        stream = out.streams.subtitles[0]
        assert stream.codec_context.name == codec
        found = [(p.pts * p.time_base, bytes(p)) for p in out.demux(stream) if p.size > 2]
    assert found == [(Fraction(1, 2), data)]
    told = f"The subtitle stream 2 of {media} (srt) is converted to mov_text: {target} cannot hold it."
    assert sink.warnings == ([] if target == ".mkv" else [told])


def test_words_without_their_styles():
    assert plain_text("subrip", b"<i>one</i>\r\n<font color='red'>two</font> < 3") == "one\ntwo < 3"
    assert plain_text("ass", rb"0,0,Default,,0,0,0,,{\b1}one, two{\b0}\Nthree") == "one, two\nthree"
    assert plain_text("mov_text", b"\0\3onestyl\0\0") == "one"


@pytest.mark.parametrize("target", [".mp4", ".mov", ".mkv"])
def test_chapters_stay_where_they_are(tmp_path, target):
    milli = Fraction(1, 1000)
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        video = out.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        out.set_chapters(
            [
                {"id": 1, "start": 5500, "end": 7000, "time_base": milli, "metadata": {"title": "one"}},
                {"id": 2, "start": 7000, "end": 9000, "time_base": milli, "metadata": {"title": "two"}},
            ]
        )
        for _ in range(50):
            out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
    carried(tmp_path / "in.mkv", tmp_path / f"o{target}")
    with av.open(str(tmp_path / f"o{target}")) as out:
        named = {c["metadata"]["title"]: float(c["start"] * c["time_base"]) for c in out.chapters()}
    assert (named["one"], named["two"]) == (5.5, 7.0)


def test_what_a_container_refuses_is_not_called_a_full_disk(tmp_path):
    info = source_info()
    sink = VideoFileSink(tmp_path / "a.mp4", info)
    sink.write(clip(info, 1)[0])
    refusal = sink._failure(av.error.PermissionError(1, "Operation not permitted"))
    assert "The container refuses" in str(refusal) and "Free space" not in str(refusal)
    full = sink._failure(av.error.OSError(28, "No space left on device"))
    assert "Free space" in str(full)
    sink.close()


def test_attachments_are_missed_with_a_word(tmp_path):
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        video = out.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        out.add_attachment("font.ttf", "application/x-truetype-font", b"font" * 9)
        for _ in range(5):
            out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
    sink = carried(tmp_path / "in.mkv", tmp_path / "o.mkv")
    assert sink.warnings == [f"The attachment font.ttf of {tmp_path / 'in.mkv'} is not copied."]
