"""Compiled loops on disk: found again, never stale, never beside the code, and no trouble where they cannot be kept."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from streamfuse.core import loop_cache
from streamfuse.core.jit import kernel, when_compiling
from streamfuse.core.loop_cache import Note, stamp

LOOP = """
from streamfuse.core.jit import kernel
import numpy as np
{before}
@kernel
def inner(x):
    return x + {number}

@kernel
def outer(values):
    for i in range(len(values)):
        values[i] = inner(values[i])
"""
RUN = """
import sys, numpy as np, loop
from streamfuse.core.jit import when_compiling
told = []
values = np.zeros(2)
with when_compiling(lambda: told.append(1)):
    loop.outer(values)
print(values[0], len(told))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "cache" / "streamfuse" / "loops"


def run(tmp_path, number=1, before="", **environment):
    """(result, loops compiled) of a program with two loops, in a process of its own."""
    (tmp_path / "loop.py").write_text(LOOP.format(number=number, before=before))
    done = subprocess.run(
        [sys.executable, "-B", "-c", RUN],
        cwd=tmp_path, env=os.environ | {"TMPDIR": str(tmp_path)} | environment,
        capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.stderr == ""
    value, compiled = done.stdout.split()
    return float(value), int(compiled)


def doubler():
    @kernel
    def doubled(values):
        for i in range(len(values)):
            values[i] *= 2

    return doubled


def compiled_by(call, *arguments):
    told = []
    with when_compiling(lambda: told.append(1)):
        call(*arguments)
    return len(told)


@pytest.mark.slow
def test_a_loop_is_compiled_once_and_nothing_is_written_beside_it(folder, tmp_path):
    assert run(tmp_path) == (1.0, 2)
    assert run(tmp_path) == (1.0, 0)
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == ["loop.inner", "loop.outer"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "loop.py"]


@pytest.mark.slow
def test_what_a_loop_calls_belongs_to_it_and_lines_and_comments_do_not(folder, tmp_path):
    assert run(tmp_path) == (1.0, 2)
    assert run(tmp_path, before="# a remark\n\n") == (1.0, 0)
    assert run(tmp_path, number=2) == (2.0, 2)
    assert run(tmp_path, number="np.float64(3)") == (3.0, 2)


@pytest.mark.slow
def test_many_processes_at_once(folder, tmp_path):
    (tmp_path / "loop.py").write_text(LOOP.format(number=1, before=""))
    started = [
        subprocess.Popen([sys.executable, "-B", "-c", RUN], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [float(process.communicate(timeout=110)[0].split()[0]) for process in started] == [1.0] * 3
    assert len(list(folder.iterdir())) == 2
    assert run(tmp_path) == (1.0, 0)


def test_constants_count():
    def made(number):
        def loop(values):
            values[0] = number

        return loop

    assert stamp(made(1)) != stamp(made(2))
    assert stamp(made(np.float32(1))) != stamp(made(1))
    assert stamp(made(1)) == stamp(made(1))


def test_a_home_that_cannot_be_written_to_is_no_error(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert compiled_by(doubler(), np.ones(1)) == 1
    other = tmp_path / f"streamfuse-loops-{os.geteuid()}"
    assert len(list(other.iterdir())) == 1
    assert compiled_by(doubler(), np.ones(1)) == 0
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    assert compiled_by(doubler(), np.ones(1)) == 1


def test_what_others_may_have_written_is_not_run(folder):
    compiled_by(doubler(), np.ones(1))
    folder.chmod(0o777)
    assert compiled_by(doubler(), np.ones(1)) == 1
    folder.chmod(0o700)
    assert compiled_by(doubler(), np.ones(1)) == 0


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
def test_a_damaged_file_is_made_again(folder, damage):
    compiled_by(doubler(), np.ones(1))
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-10] + damage)
    assert compiled_by(doubler(), np.ones(1)) == 1
    assert compiled_by(doubler(), np.ones(1)) == 0


def test_another_version_has_other_files_and_what_is_old_is_removed(folder, monkeypatch):
    compiled_by(doubler(), np.ones(1))
    (old,) = folder.iterdir()
    monkeypatch.setattr(loop_cache, "_VERSIONS", ("another",))
    assert compiled_by(doubler(), np.ones(1)) == 1
    assert old.exists()
    long_ago = time.time() - 100 * 86400
    os.utime(old, (long_ago, long_ago))
    assert compiled_by(doubler(), np.ones(1, np.float32)) == 1
    assert not old.exists()
    assert len(list(folder.iterdir())) == 2


def test_a_full_disk_is_no_error(folder, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop_cache, "_write", fail)
    assert compiled_by(doubler(), np.ones(1)) == 1


def test_a_note_is_of_one_kind_of_work(folder):
    assert not Note("this").is_there
    Note("this").leave()
    assert Note("this").is_there
    assert not Note("that").is_there
