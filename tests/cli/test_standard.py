"""Standard output and standard error that cannot be written, and memory that cannot be had."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from runs import REPOSITORY, SAMPLE, pictures_of, start, streamfuse

from streamfuse.errors import InputError, is_out_of_memory

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, as Linux has it")


def command(*arguments, **streams):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    line = [sys.executable, "-m", "streamfuse", *(str(a) for a in arguments)]
    return subprocess.run(line, env=environment, text=True, check=False, **streams)


@pytest.mark.slow
@needs_full
def test_a_run_whose_messages_cannot_be_written_goes_on(tmp_path):
    out = tmp_path / "o.mkv"
    with FULL.open("w") as full:
        done = command("fuse", SAMPLE, "-o", out, "--preset", "fast", stdout=subprocess.PIPE, stderr=full)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(pictures_of(out)) == 8


@needs_full
def test_an_error_that_cannot_be_told_keeps_its_exit_status(tmp_path):
    with FULL.open("w") as full:
        assert command("fuse", "missing.mp4", "-o", "null:", stderr=full).returncode == 1
        assert command("fuse", stderr=full).returncode == 2


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "schema"]])
def test_standard_output_that_cannot_be_written_is_one_sentence(arguments):
    with FULL.open("w") as full:
        done = command(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Standard output cannot be written (No space left on device)")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are kept on Linux")
@pytest.mark.parametrize("megabytes", [200, 400, 1000, 1400, 1600, 1800, 2100])
def test_a_limit_on_memory_is_one_true_sentence(megabytes):
    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    process = start("fuse", "sample:?frames=4&size=640x360", "-o", "null:", preexec_fn=limited)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, printed) == (1, "")
    assert "Error: There is not enough memory for this" in errors or "Error: The limit on memory, " in errors
    assert "Traceback" not in errors and "Internal error" not in errors


def test_each_library_says_in_its_own_way_that_there_is_no_memory():
    wrapped = InputError("o.mp4 is not a video")
    wrapped.__cause__ = OSError(errno.ENOMEM, "Cannot allocate memory")
    for error in (
        MemoryError(),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        RuntimeError("can't start new thread"),
        RuntimeError("CUDA out of memory. Tried to allocate"),
        wrapped,
    ):
        assert is_out_of_memory(error), error
    assert not is_out_of_memory(InputError("out of memory.mp4 is not a video"))
    assert not is_out_of_memory(RuntimeError("surprise"))


def test_no_memory_is_not_called_an_internal_error(monkeypatch):
    from streamfuse.fusion.stage import BlendStage

    def broken(*_):
        raise MemoryError("Unable to allocate 9.00 GiB")

    monkeypatch.setattr(BlendStage, "_blended", broken)
    result = streamfuse("fuse", SAMPLE, "-o", "null:")
    assert result.exit_code == 1
    assert "Error: There is not enough memory" in result.stderr
