"""HLS: a playlist that a player can follow, segments that can be decoded alone, old ones gone."""

from dataclasses import replace

import av
import pytest
from fused_frames import clip, source_info, write

from streamfuse.encode.hls_sink import HlsSink
from streamfuse.errors import OutputError, OutputExistsError
from streamfuse.runtime.sinks import open_sink


def segments(folder):
    return sorted(folder.glob("*.ts"))


def listed(folder, name="stream.m3u8"):
    return [line for line in (folder / name).read_text().splitlines() if line and not line.startswith("#")]


def test_a_folder_with_playlist_and_segments(tmp_path):
    info = source_info(rate=10)
    with open_sink(f"hls:{tmp_path / 'web'}", info, segment_seconds=1.0) as sink:
        for frame in clip(info, 35):
            sink.write(frame)
    assert sink.outputs == [str(tmp_path / "web" / "stream.m3u8")]
    files = segments(tmp_path / "web")
    assert listed(tmp_path / "web") == [file.name for file in files]
    assert len(files) == 4
    counts = []
    for file in files:  # each one alone: begins with a keyframe and its parameter sets
        with av.open(str(file)) as segment:
            counts.append(sum(1 for _ in segment.decode(video=0)))
    assert counts == [10, 10, 10, 5]
    with av.open(str(tmp_path / "web" / "stream.m3u8")) as stream:
        assert sum(1 for _ in stream.decode(video=0)) == 35


def test_old_segments_go(tmp_path):
    info = source_info(rate=10)
    write(open_sink(tmp_path / "cam.m3u8", info, segment_seconds=0.5), clip(info, 100))
    assert len(listed(tmp_path, "cam.m3u8")) == 6
    assert 6 <= len(segments(tmp_path)) <= 8  # those just left the list may still be asked for
    assert all((tmp_path / name).exists() for name in listed(tmp_path, "cam.m3u8"))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="There is no folder"):
        HlsSink(f"hls:{tmp_path}/no/such", source_info())


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "web").write_text("mine")
    with pytest.raises(OutputError, match="cannot be made"):
        HlsSink(f"hls:{tmp_path}/web", source_info())
    assert (tmp_path / "web").read_text() == "mine"


def test_a_closed_one_takes_nothing(tmp_path):
    sink = HlsSink(f"hls:{tmp_path}", source_info())
    sink.close()
    sink.close()
    with pytest.raises(OutputError, match="is closed"):
        sink.write(clip(source_info(), 1)[0])


def made(folder, count=12, **options):
    """A playlist of a file, in one go, and what was in it."""
    info = source_info(rate=10)
    with open_sink(f"hls:{folder}", info, segment_seconds=0.5, **options) as sink:
        for frame in clip(info, count):
            sink.write(frame)
    return sink, (folder / "stream.m3u8").read_text()


def played(path):
    with av.open(str(path)) as stream:
        return sum(1 for _ in stream.decode(video=0))


def test_a_playlist_that_is_there_is_replaced_only_if_asked_and_when_the_new_one_is_complete(tmp_path):
    _, old = made(tmp_path)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        made(tmp_path)
    assert (tmp_path / "stream.m3u8").read_text() == old
    sink, new = made(tmp_path, 20, overwrite=True)
    assert new != old
    assert played(tmp_path / "stream.m3u8") == 20
    assert sink.outputs == [str(tmp_path / "stream.m3u8")]
    assert not list(tmp_path.glob("*unfinished*.m3u8"))


def test_a_run_that_fails_leaves_the_playlist_that_is_there(tmp_path):
    _, old = made(tmp_path)
    info = source_info(rate=10)
    with (
        pytest.raises(RuntimeError),
        open_sink(f"hls:{tmp_path}", info, segment_seconds=0.5, overwrite=True) as sink,
    ):
        for frame in clip(info, 20):
            sink.write(frame)
        raise RuntimeError
    assert (tmp_path / "stream.m3u8").read_text() == old
    assert played(tmp_path / "stream.m3u8") == 12
    assert "stream.m3u8 is as it was; what was made is in" in sink.report().warnings[0]
    assert played(sink.outputs[0]) == 20


@pytest.mark.parametrize("live", [False, True])
def test_a_run_without_a_frame_leaves_everything_as_it_was(tmp_path, live):
    made(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    info = replace(source_info(rate=10), live=live)
    with open_sink(f"hls:{tmp_path}", info, overwrite=True):
        pass
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_live_stream_takes_the_place_of_the_one_before_with_its_first_segment(tmp_path):
    _, old = made(tmp_path)
    info = replace(source_info(rate=10), live=True)
    with open_sink(f"hls:{tmp_path}", info, segment_seconds=0.5) as sink:
        frames = clip(info, 12)
        sink.write(frames[0])
        assert (tmp_path / "stream.m3u8").read_text() == old
        for frame in frames[1:]:
            sink.write(frame)
        assert (tmp_path / "stream.m3u8").read_text() != old
    assert played(tmp_path / "stream.m3u8") == 12
