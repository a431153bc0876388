"""`streamfuse batch`: many files, segments without a seam, going on after an interruption."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from runs import alternating_video, fuse, image_folder, pictures_of, start, streamfuse

from streamfuse.config import Config
from streamfuse.errors import InputNotFoundError, OutputError, UsageError
from streamfuse.runtime.batch.plan import RUN_IN, RUN_OUT, SHORTEST, digest, find_sources, plan_films
from streamfuse.runtime.batch.work import frames_to_read, load_piece

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
    (film,) = plan_films([str(clips / "long.mkv")], tmp_path, config(), 2, None)
    assert [part.first for part in film.parts] == [0, int(0.98 * FRAMES) // 2]
    assert film.parts[0].end == film.parts[1].first
    assert film.parts[1].end is None
    assert frames_to_read(film, film.parts[0]) == (0, film.parts[0].end + RUN_OUT)
    assert frames_to_read(film, film.parts[1]) == (film.parts[1].first - RUN_IN, None)


def test_segments_respect_a_range_of_frames(clips, tmp_path):
    ranged = config(frames=f"10:{10 + 2 * SHORTEST}")
    films = plan_films([str(clips / "long.mkv")], tmp_path, ranged, 2, None)
    ranges = [frames_to_read(films[0], part) for part in films[0].parts]
    assert ranges[0][0] == 10
    assert ranges[-1][1] == 10 + 2 * SHORTEST


def test_short_files_are_not_cut(clips, tmp_path):
    (film,) = plan_films([str(clips / "short.mp4")], tmp_path, config(), 8, None)
    assert len(film.parts) == 1
    assert film.output == tmp_path / "short.mp4"


def test_plans_that_cannot_work(clips, tmp_path):
    with pytest.raises(InputNotFoundError, match="nothing"):
        find_sources([str(tmp_path / "nothing*.mov")])
    alternating_video(tmp_path / "short.mkv", SHORT)
    both = [str(clips / "short.mp4"), str(tmp_path / "short.mkv")]
    with pytest.raises(UsageError, match="would both be written"):
        plan_films(both, tmp_path / "out", config(), 1, ".mp4")
    with pytest.raises(UsageError, match="replaced by its output"):
        plan_films([str(tmp_path / "short.mkv")], tmp_path, config(), 1, None)
    with pytest.raises(UsageError, match="--rate full"):
        plan_films(both[:1], tmp_path / "out", config(rate="half"), 2, None)
    with pytest.raises(UsageError, match=r"--suffix \.txt is no kind of video"):
        plan_films(both[:1], tmp_path / "out", config(), 1, "txt")
    assert plan_films(both[:1], tmp_path / "out", config(), 1, "MOV")[0].output.name == "short.mov"


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
    wait_until(first.exists, running)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 130
    assert "--resume" in running.stderr.read()
    assert not (tmp_path / "long.mkv").exists()
    result = streamfuse(*arguments, "--resume")
    assert result.exit_code == 0, result.stderr
    assert len(pictures_of(tmp_path / "long.mkv")) == FRAMES
    assert not first.exists()


SEGMENTED = ("--preset", "fast", "--codec", "ffv1", "--segments", 2, "--workers", 2, "--json")


def children(process):
    """The processes that a process has started, and those that they have."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return []
    found = [int(number) for number in text.split()]
    return found + [grandchild for child in found for grandchild in children(child)]


def wait_until(condition, running=None, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert running is None or running.poll() is None, running.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def killed_at_the_end(running):
    """Nothing that a test has started outlives it."""
    started = [running.pid]
    try:
        yield running
    finally:
        for process in (*started, *children(running.pid)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.communicate()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc, as Linux has it")
def test_workers_die_with_a_batch_that_is_killed_and_resume_goes_on_at_once(clips, tmp_path):
    arguments = ("batch", clips / "long.mkv", "-o", tmp_path, *SEGMENTED)
    with killed_at_the_end(start(*arguments)) as running:
        wait_until(lambda: len(list(tmp_path.glob(".streamfuse/long.mkv/*.mkv"))) == 2, running)
        workers = children(running.pid)
        assert len(workers) >= 2
        running.kill()
        running.wait()
        wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), seconds=5)
    result = streamfuse(*arguments, "--resume")
    assert result.exit_code == 0, result.stderr
    assert files(result)["long.mkv"]["frames_out"] == FRAMES
    assert len(pictures_of(tmp_path / "long.mkv")) == FRAMES
    assert [path.name for path in (tmp_path / ".streamfuse").iterdir()] == ["long.mkv.json"]


ORPHAN = """
import multiprocessing, os, time
from streamfuse.runtime.batch.processes import _end_with_parent
def work():
    time.sleep(1)  # its parent is gone when it begins to look
    _end_with_parent()
    time.sleep(60)
if __name__ == "__main__":
    worker = multiprocessing.get_context("spawn").Process(target=work)
    worker.start()
    print(worker.pid, flush=True)
    time.sleep(0.5)
    os._exit(1)
"""


@pytest.mark.slow
def test_a_worker_whose_parent_died_before_it_looked_dies_too(tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=False)

    def gone():
        stat = Path(f"/proc/{int(done.stdout)}/stat")
        return not stat.exists() or ") Z " in stat.read_text()

    wait_until(gone, seconds=20)


def test_a_second_run_on_the_same_output_is_refused(clips, tmp_path):
    (tmp_path / ".streamfuse").mkdir()
    lock = tmp_path / ".streamfuse/short.mkv.lock"
    with lock.open("w") as held:
        held.write("4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        for more in ((), ("--resume",), ("--overwrite",)):
            result = batch(clips / "short.mp4", "-o", tmp_path, *more)
            assert result.exit_code == 1
            assert "short.mkv is being made by another run (process 4711)" in result.stderr
            assert len(result.stderr.splitlines()) == 1
    assert batch(clips / "short.mp4", "-o", tmp_path).exit_code == 0  # a lock that nobody holds is none
    assert not lock.exists()


def prepared(clips, tmp_path, frames_out):
    """A film of two parts, of which records say that all is done; the second record promises `frames_out` frames."""
    (film,) = plan_films([str(clips / "long.mkv")], tmp_path, config(), 2, None)
    film.folder.mkdir(parents=True)
    counts = []
    for part, promised in zip(film.parts, (None, frames_out), strict=True):
        path = part.new_path()
        first, end = part.first, part.end or FRAMES
        alternating_video(path, f"sample:?frames={end - first}&size=96x64", codec="ffv1")
        counts.append(promised or end - first)
        result = {"frames_in": counts[-1], "frames_out": counts[-1], "warnings": []}
        record = {"made_of": digest(film.fingerprint), "file": path.name, "result": result}
        part.record.write_text(json.dumps(record))
    return film, counts


@pytest.mark.slow
def test_a_part_with_fewer_frames_than_its_record_says_is_fused_again(clips, tmp_path):
    film, _ = prepared(clips, tmp_path, frames_out=400)
    found = [load_piece(part, digest(film.fingerprint)) for part in film.parts]
    assert [piece is not None for piece in found] == [True, False]
    assert load_piece(film.parts[0], "made of something else") is None
    result = batch(clips / "long.mkv", "-o", tmp_path, "--segments", 2, "--resume")
    assert result.exit_code == 0, result.stderr
    assert len(pictures_of(tmp_path / "long.mkv")) == FRAMES


def test_frames_that_vanish_while_a_batch_runs_are_noticed(clips, tmp_path, monkeypatch):
    from streamfuse.runtime.batch import batch_run as run

    film, _ = prepared(clips, tmp_path, frames_out=None)
    pieces = [load_piece(part, digest(film.fingerprint)) for part in film.parts]
    alternating_video(pieces[1].path, "sample:?frames=7&size=96x64", codec="ffv1", overwrite=True)
    with pytest.raises(OutputError, match=r"long\.mkv was not made, for not all frames"):
        run._assemble(film, pieces)
    assert not film.output.exists()
    assert not film.parts[1].record.exists(), "so that --resume fuses it again"


def test_a_worker_that_is_killed_is_told(clips, tmp_path, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    from streamfuse.runtime.batch import processes as workers

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


class FakeRay:
    """Ray as far as it is used, run in this process; like Ray it prints to standard output, past Python too."""

    class exceptions:  # noqa: N801
        class RayError(Exception):
            pass

    @staticmethod
    def init(*_, **__):
        print("Connecting to a cluster")
        os.write(1, b"from C++\n")

    @staticmethod
    def remote(**_):
        return lambda work: SimpleNamespace(remote=partial(partial, work))

    @staticmethod
    def wait(waiting, num_returns):
        return waiting[:1], waiting[1:]

    @staticmethod
    def get(task):
        return task()

    @staticmethod
    def shutdown():
        os.write(1, b"bye\n")


def test_what_a_cluster_prints_is_not_in_the_json(clips, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ray", FakeRay)
    result = batch(clips / "short.mp4", "-o", tmp_path, "--ray", "local")
    assert files(result)["short.mkv"]["frames_out"] == 12
    assert "Connecting" not in result.stdout
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "from C++" in printed.err and "bye" in printed.err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_of_one(clips, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'streamfuse[ray]'")
    result = batch(clips / "short.mp4", "-o", tmp_path, "--ray", "local")
    assert result.exit_code == 0, result.stderr
    assert len(pictures_of(tmp_path / "short.mkv")) == 12
