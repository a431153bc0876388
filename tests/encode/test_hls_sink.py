"""HLS: a playlist that a player can follow, segments that can be decoded alone, old ones gone."""

import av
import pytest
from fused_frames import clip, source_info, write

from streamfuse.encode.hls import HlsSink
from streamfuse.encode.open import open_sink
from streamfuse.errors import OutputError


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
