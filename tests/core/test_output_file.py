"""Output files are whole or not there, and what cannot be written is refused before the work."""

import os
import resource
import signal
import stat
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamfuse.core.output_file import Replacement, check_output_file, replacing, write_text_file
from streamfuse.errors import InputError, OutputError, OutputExistsError


@contextmanager
def full_disk(limit=1000):
    """The system writes no file further than `limit` bytes: it fails in the midst, as on a full disk."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@contextmanager
def umask(mask):
    previous = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "f"
    target.write_text("old")
    with replacing(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
        assert part.parent == tmp_path
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("old", [None, "old"])
def test_a_full_disk_leaves_what_was_there(tmp_path, old):
    target = tmp_path / "f"
    if old:
        target.write_text(old)
    with full_disk(), pytest.raises(OutputError, match=r"f cannot be written \(File too large\): free space"):
        write_text_file(target, "x" * 5000)
    assert [path.read_text() for path in tmp_path.iterdir()] == ([old] if old else [])


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit, InputError, BlockingIOError])
def test_an_error_in_the_midst_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "f"
    target.write_text("old")
    expected = OutputError if error is BlockingIOError else error
    with pytest.raises(expected), replacing(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_longest_name_can_be_written(tmp_path):
    target = tmp_path / ("n" * 255)
    check_output_file(target)
    write_text_file(target, "whole")
    assert target.read_text() == "whole"


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_mode_that_open_gives(tmp_path, mask):
    with umask(mask):
        write_text_file(tmp_path / "mine", "x")
        (tmp_path / "opened").write_text("x")
    assert mode(tmp_path / "mine") == mode(tmp_path / "opened") == 0o666 & ~mask


def test_a_replaced_file_keeps_its_mode_from_the_start(tmp_path):
    target = tmp_path / "secret"
    target.write_text("old")
    target.chmod(0o600)
    with replacing(target) as part:
        assert mode(part) == 0o600
        part.write_text("new")
    assert mode(target) == 0o600


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "link", tmp_path / "far" / "f"
    link.symlink_to(target)
    for text in ("first", "second"):  # the first finds a link to nothing
        check_output_file(link)
        write_text_file(link, text)
        assert link.is_symlink()
        assert target.read_text() == text


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()), daemon=True)
    reader.start()
    check_output_file(pipe)
    write_text_file(pipe, "through")
    reader.join(10)
    assert found == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_stays_after_an_error(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(KeyError), replacing(pipe) as part:
        assert part == pipe
        raise KeyError
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc, as Linux has it")
def test_an_open_file_of_the_process_is_not_replaced(tmp_path):
    with (tmp_path / "redirected").open("w") as file:
        write_text_file(Path(f"/proc/self/fd/{file.fileno()}"), "x")
        assert os.fstat(file.fileno()).st_nlink == 1
    assert (tmp_path / "redirected").read_text() == "x"


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    for path, sentence in [
        (tmp_path, "is a folder: give the name of a file"),
        (tmp_path / "no" / "f", "There is no folder .*no for f: make it first"),
        (there / "f", "There is no folder .*there for f"),
        (
            tmp_path / ("n" * 256),
            r"cannot be written \(File name too long\): .* choose another folder or name",
        ),
    ]:
        for overwrite in (False, True):
            with pytest.raises(OutputError, match=sentence) as caught:
                check_output_file(path, overwrite=overwrite)
            assert "--overwrite" not in str(caught.value)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        check_output_file(there, overwrite=False)
    check_output_file(there)
    check_output_file(tmp_path / "new", overwrite=False)
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.parametrize("name", [".", "protected"])
def test_permission_is_asked_for(tmp_path, monkeypatch, name):
    """Root may write everything, so the system's answer is made up here."""
    target = tmp_path / "protected"
    target.write_text("mine")
    refused = (tmp_path / name).resolve()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != refused)
    with pytest.raises(OutputError, match="permission"):
        check_output_file(target)
    with pytest.raises(OutputError, match="permission"):
        write_text_file(target, "theirs")
    assert target.read_text() == "mine"


def test_a_long_file_is_made_beside_the_one_that_is_there(tmp_path):
    target = tmp_path / "clip.mp4"
    target.write_text("old")
    target.chmod(0o600)
    (tmp_path / "clip.unfinished.mp4").write_text("of a run that was killed")
    new = Replacement(target)
    assert new.path == tmp_path / "clip.unfinished-2.mp4"
    assert mode(new.path) == 0o600
    new.path.write_text("new")
    assert (target.read_text(), new.waits) == ("old", True)
    new.finish()
    assert (target.read_text(), new.path, new.waits) == ("new", target, False)
    assert mode(target) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip.unfinished.mp4"]


def test_a_long_file_that_is_new_has_its_own_name(tmp_path):
    new = Replacement(tmp_path / "clip.mp4")
    assert (new.path, new.waits) == (tmp_path / "clip.mp4", False)
    new.path.write_text("new")
    new.finish()
    new.discard()
    assert (tmp_path / "clip.mp4").read_text() == "new"


def test_a_long_file_that_is_discarded_leaves_the_old_one(tmp_path):
    (tmp_path / "clip.mp4").write_text("old")
    Replacement(tmp_path / "clip.mp4").discard()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_long_file_replaces_what_a_link_stands_for(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far/f.mkv").write_text("old")
    (tmp_path / "link.mkv").symlink_to(tmp_path / "far/f.mkv")
    new = Replacement(tmp_path / "link.mkv")
    assert new.path.parent == tmp_path / "far"
    new.path.write_text("new")
    new.finish()
    assert (tmp_path / "link.mkv").is_symlink()
    assert (tmp_path / "far/f.mkv").read_text() == "new"


@pytest.mark.parametrize("letter", ["n", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_the_longest_name_leaves_room_for_the_unfinished_one(tmp_path, letter):
    target = tmp_path / (letter * (251 // len(letter.encode())) + ".mkv")
    target.write_text("old")
    new = Replacement(target)
    assert new.path.name.endswith(".unfinished.mkv")
    new.finish()
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_to_itself_is_said_to_be_one(tmp_path):
    loop = tmp_path / "loop.mkv"
    loop.symlink_to(loop)
    for write in (check_output_file, Replacement, lambda path: write_text_file(path, "x")):
        with pytest.raises(OutputError, match=r"loop\.mkv is a link that leads back to itself"):
            write(loop)
