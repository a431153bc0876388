"""Recordings begin at time 0, go on in a new file after so many seconds, and keep the newest."""

from datetime import datetime
from pathlib import Path

import av
import pytest
from fused_frames import clip, source_info

from streamfuse.encode.segments import RecordingSink, check_recording, dated, numbered
from streamfuse.errors import OutputError, OutputExistsError


def stamps(path):
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(video=0)]


def record(path, frames, **options):
    with RecordingSink(path, source_info(rate=10), **options) as sink:
        for frame in frames:
            sink.write(frame)
    return [Path(name) for name in sink.outputs]


def later(count, start):
    info = source_info(rate=10)
    return clip(info, count, stamps=[start + n for n in range(count)])


def test_one_file_begins_at_zero_whenever_it_is_begun(tmp_path):
    (file,) = record(tmp_path / "out.mkv", later(12, 5000))
    assert file.name == "out.mkv"
    assert stamps(file) == pytest.approx([n / 10 for n in range(12)], abs=1e-3)


def test_files_of_so_many_seconds(tmp_path):
    files = record(tmp_path / "cam.mkv", later(25, 700), seconds=1.0)
    assert [len(stamps(file)) for file in files] == [10, 10, 5]
    assert all(stamps(file)[0] == 0 for file in files)
    assert len({file.name for file in files}) == 3
    assert all(file.name.startswith("cam-2") for file in files)
    assert not (tmp_path / "cam.mkv").exists()


def test_only_the_newest_are_kept(tmp_path):
    files = record(tmp_path / "cam.mkv", later(45, 0), seconds=1.0, keep=2)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [len(stamps(file)) for file in files] == [10, 5]


def test_a_silence_of_the_camera_ends_a_file(tmp_path):
    files = record(tmp_path / "cam.mkv", later(5, 0) + later(5, 600), seconds=10.0)
    assert [len(stamps(file)) for file in files] == [5, 5]


def test_names():
    moment = datetime(2026, 1, 31, 23, 59, 58)
    assert dated(Path("a/cam.mp4"), moment) == Path("a/cam-20260131-235958.mp4")


def test_names_that_are_taken_get_a_number(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a-2.mp4").touch()
    assert numbered(tmp_path / "a.mp4") == tmp_path / "a-3.mp4"
    assert numbered(tmp_path / "b.mp4") == tmp_path / "b.mp4"


def test_refusals(tmp_path):
    with pytest.raises(OutputError, match="There is no folder"):
        check_recording(tmp_path / "no" / "cam.mp4")
    (tmp_path / "out.mp4").touch()
    with pytest.raises(OutputExistsError):
        RecordingSink(tmp_path / "out.mp4", source_info())
    sink = RecordingSink(tmp_path / "new.mp4", source_info())
    sink.close()
    with pytest.raises(OutputError, match="is closed"):
        sink.write(clip(source_info(), 1)[0])


def test_a_recording_that_is_there_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "cam.mkv"
    path.write_bytes(b"precious")
    with pytest.raises(ZeroDivisionError), RecordingSink(path, source_info(), overwrite=True) as sink:
        sink.write(clip(source_info(), 1)[0])
        raise ZeroDivisionError
    assert path.read_bytes() == b"precious"
    assert len(stamps(tmp_path / "cam.unfinished.mkv")) == 1
    record(path, later(3, 0), overwrite=True)
    assert len(stamps(path)) == 3


def test_a_stream_that_begins_again_goes_on_in_the_file(tmp_path):
    (file,) = record(tmp_path / "out.mkv", later(5, 900) + later(5, 0))
    assert stamps(file) == pytest.approx([n / 10 for n in range(10)], abs=1e-3)


def test_exposures_of_one_instant_have_one_time_stamp(tmp_path):
    info = source_info(rate=10)
    frames = clip(info, 8, stamps=[50, 50, 52, 52, 54, 54, 56, 56])
    (file,) = record(tmp_path / "out.mkv", frames)
    assert stamps(file)[::2] == pytest.approx([0, 0.2, 0.4, 0.6], abs=1e-3)
