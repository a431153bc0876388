"""`streamfuse batch`: many files, segments without a seam, going on after an interruption."""

import json
import signal
import time

import numpy as np
import pytest
from runs import alternating_video, fuse, image_folder, pictures_of, start, streamfuse

from streamfuse.batch.plan import RUN_IN, RUN_OUT, SHORTEST, find_sources, plan_jobs
from streamfuse.batch.work import frames_to_read
from streamfuse.config import Config
from streamfuse.errors import InputNotFoundError, UsageError

FRAMES = 2 * SHORTEST + 20  # two segments; the sample's scene is still enough to be quick
LONG = f"sample:?frames={FRAMES}&size=96x64"
SHORT = "sample:?frames=12&size=96x64"


def batch(*arguments):
    return streamfuse(
        "batch", *arguments, "--preset", "fast", "--codec", "ffv1", "--suffix", ".mkv", "--json"
    )


def files(result):
    return {file["output"].rpartition("/")[2]: file for file in json.loads(result.stdout)["files"]}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    alternating_video(folder / "long.mkv", LONG, codec="ffv1")
    alternating_video(folder / "short.mp4", SHORT)
    return folder


def config(**options):
    return Config().with_overrides(preset="fast", codec="ffv1", **options)


def test_segments_are_cut_evenly_and_read_more_than_they_write(clips, tmp_path):
    (job,) = plan_jobs([str(clips / "long.mkv")], tmp_path, config(), 2, None)
    assert [part.first for part in job.parts] == [0, int(0.98 * FRAMES) // 2]
    assert job.parts[0].end == job.parts[1].first
    assert job.parts[1].end is None
    assert frames_to_read(job, job.parts[0]) == (0, job.parts[0].end + RUN_OUT)
    assert frames_to_read(job, job.parts[1]) == (job.parts[1].first - RUN_IN, None)


def test_segments_respect_a_range_of_frames(clips, tmp_path):
    ranged = config(frames=f"10:{10 + 2 * SHORTEST}")
    jobs = plan_jobs([str(clips / "long.mkv")], tmp_path, ranged, 2, None)
    ranges = [frames_to_read(jobs[0], part) for part in jobs[0].parts]
    assert ranges[0][0] == 10
    assert ranges[-1][1] == 10 + 2 * SHORTEST


def test_short_files_are_not_cut(clips, tmp_path):
    (job,) = plan_jobs([str(clips / "short.mp4")], tmp_path, config(), 8, None)
    assert len(job.parts) == 1
    assert job.output == tmp_path / "short.mp4"


def test_plans_that_cannot_work(clips, tmp_path):
    with pytest.raises(InputNotFoundError, match="nothing"):
        find_sources([str(tmp_path / "nothing*.mov")])
    alternating_video(tmp_path / "short.mkv", SHORT)
    both = [str(clips / "short.mp4"), str(tmp_path / "short.mkv")]
    with pytest.raises(UsageError, match="would both be written"):
        plan_jobs(both, tmp_path / "out", config(), 1, ".mp4")
    with pytest.raises(UsageError, match="replaced by its output"):
        plan_jobs([str(tmp_path / "short.mkv")], tmp_path, config(), 1, None)
    with pytest.raises(UsageError, match="--rate full"):
        plan_jobs(both[:1], tmp_path / "out", config(rate="half"), 2, None)
    with pytest.raises(UsageError, match=r"--suffix \.txt is no kind of video"):
        plan_jobs(both[:1], tmp_path / "out", config(), 1, "txt")
    assert plan_jobs(both[:1], tmp_path / "out", config(), 1, "MOV")[0].output.name == "short.mov"


@pytest.mark.slow
def test_what_is_said_is_of_the_files_and_not_of_their_parts(clips, tmp_path):
    options = ("--preset", "fast", "--codec", "h264", "--bits", "10")
    result = streamfuse("batch", clips / "short.mp4", "-o", tmp_path, "--suffix", ".webm", *options, "--json")
    assert result.exit_code == 1
    assert "short.mp4: A .webm file cannot hold h264" in result.stderr
    assert ".streamfuse" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_folder_of_images_that_changed_is_fused_again(tmp_path):
    folder = image_folder(tmp_path / "stills", SHORT)
    assert batch(folder, "-o", tmp_path / "out").exit_code == 0
    first = sorted(folder.iterdir())[0]
    first.write_bytes(sorted(folder.iterdir())[2].read_bytes())
    result = batch(folder, "-o", tmp_path / "out", "--resume")
    assert result.exit_code == 1
    assert "from another input" in result.stderr


def test_each_file_is_found_once(clips):
    found = find_sources([str(clips / "*"), str(clips / "short.mp4")])
    assert [name.rpartition("/")[2] for name in found] == ["long.mkv", "short.mp4"]


@pytest.mark.slow
def test_segments_give_the_pictures_of_a_whole_run(clips, tmp_path):
    result = batch(clips / "long.mkv", "-o", tmp_path / "out", "--segments", 2, "--workers", 2)
    assert result.exit_code == 0, result.stderr
    assert files(result)["long.mkv"]["segments"] == 2
    assert files(result)["long.mkv"]["frames_out"] == FRAMES
    fuse(clips / "long.mkv", "-o", tmp_path / "whole.mkv", "--preset", "fast", "--codec", "ffv1")
    np.testing.assert_array_equal(pictures_of(tmp_path / "out/long.mkv"), pictures_of(tmp_path / "whole.mkv"))


@pytest.mark.slow
def test_a_file_that_fails_does_not_stop_the_others_and_resume_keeps_them(clips, tmp_path):
    image_folder(tmp_path / "stills", SHORT)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    arguments = (tmp_path / "broken.mp4", clips / "short.mp4", tmp_path / "stills", "-o", tmp_path / "out")
    result = batch(*arguments)
    assert result.exit_code == 1
    assert "broken.mp4" in result.stderr
    assert {name: file["status"] for name, file in files(result).items()} == {
        "broken.mkv": "failed", "short.mkv": "done", "stills.mkv": "done",
    }  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").glob("*.*")) == [
        ".streamfuse",
        "short.mkv",
        "stills.mkv",
    ]
    assert len(pictures_of(tmp_path / "out/short.mkv")) == 12
    assert batch(*arguments).exit_code == 1  # outputs are there
    (tmp_path / "broken.mp4").unlink()
    alternating_video(tmp_path / "broken.mp4", SHORT)
    before = (tmp_path / "out/short.mkv").stat().st_mtime_ns
    again = batch(*arguments, "--resume")
    assert again.exit_code == 0, again.stderr
    assert files(again)["broken.mkv"]["status"] == "done"
    assert files(again)["short.mkv"]["status"] == "kept"
    assert files(again)["short.mkv"]["frames_out"] == 12
    assert (tmp_path / "out/short.mkv").stat().st_mtime_ns == before


@pytest.mark.slow
def test_other_settings_are_not_mixed_with_what_is_there(clips, tmp_path):
    assert batch(clips / "short.mp4", "-o", tmp_path).exit_code == 0
    result = batch(clips / "short.mp4", "-o", tmp_path, "--resume", "--bits", "10")
    assert result.exit_code == 1
    assert "other settings" in result.stderr
    assert (
        batch(clips / "short.mp4", "-o", tmp_path, "--resume", "--bits", "10", "--overwrite").exit_code == 0
    )


@pytest.mark.slow
def test_an_interrupted_batch_goes_on(clips, tmp_path):
    arguments = ("batch", clips / "long.mkv", "-o", tmp_path, "--preset", "fast", "--codec", "ffv1")
    arguments += ("--segments", 2, "--workers", 1, "--json")
    running = start(*arguments)
    first = tmp_path / ".streamfuse/long.mkv/0000.json"
    deadline = time.monotonic() + 60
    while not first.exists():
        assert running.poll() is None, running.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 130
    assert "--resume" in running.stderr.read()
    assert not (tmp_path / "long.mkv").exists()
    result = streamfuse(*arguments, "--resume")
    assert result.exit_code == 0, result.stderr
    assert len(pictures_of(tmp_path / "long.mkv")) == FRAMES
    assert not first.exists()


def test_a_worker_that_is_killed_is_told(clips, tmp_path, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    from streamfuse.batch import workers

    class Dying:
        def __init__(self, *arguments, **options):
            pass

        def submit(self, *arguments):
            from concurrent.futures import Future

            future = Future()
            future.set_exception(BrokenProcessPool("killed"))
            return future

        def shutdown(self, **options):
            pass

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Dying)
    result = batch(clips / "short.mp4", "-o", tmp_path)
    assert result.exit_code == 1
    assert "short.mp4: the process that fused it was killed" in result.stderr


def test_a_cluster_that_is_not_there(clips, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'streamfuse[ray]'")
    result = batch(clips / "short.mp4", "-o", tmp_path, "--ray", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "The Ray cluster 127.0.0.1:1 cannot be reached" in result.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_of_one(clips, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'streamfuse[ray]'")
    result = batch(clips / "short.mp4", "-o", tmp_path, "--ray", "local")
    assert result.exit_code == 0, result.stderr
    assert len(pictures_of(tmp_path / "short.mkv")) == 12
