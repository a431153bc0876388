"""Compiling ahead: afterwards no run of the kind has anything left to compile."""

import shutil

import numpy as np
import pytest
from runs import start

from streamfuse.config import Config
from streamfuse.core.jit import kernel, kernels, when_compiling
from streamfuse.core.loop_cache import Note
from streamfuse.runtime import ahead
from streamfuse.runtime.ahead import Kind, compile_ahead
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.runtime.progress import COMPILING
from streamfuse.synthetic.sample_source import SampleSource

SAMPLE = "sample:?frames=4&size=64x48"


def forms():
    """How many forms each loop has in this process, compiled or read from disk."""
    return {loop.py_func.__qualname__: len(loop.signatures) for loop in kernels()}


@pytest.mark.slow
@pytest.mark.timeout(400)  # compiles on a new machine
@pytest.mark.parametrize(
    ("preset", "bits", "cycle"), [("fast", 8, 2), ("balanced", 8, 2), ("balanced", 10, 2), ("fast", 8, 3)]
)
def test_nothing_is_left_to_compile(preset, bits, cycle, monkeypatch):
    monkeypatch.setattr(Note, "is_there", False)
    config = Config().with_overrides(preset=preset, device="cpu")
    compile_ahead(config, Kind(bits=bits, cycle=cycle))
    before = forms()
    for size in ((320, 180), (640, 360), (1281, 721)):
        source = SampleSource(*size, 2 * cycle + 2, cycle=cycle, bits=bits)
        chain = build_chain(config)
        assert len(list(through(chain.line, source))) == 2 * cycle + 2
        assert forms() == before, size


def test_what_was_done_is_not_done_again(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    config = Config().with_overrides(preset="fast", device="cpu", align="off")
    compile_ahead(config)
    monkeypatch.setattr(ahead, "build_chain", lambda *_: pytest.fail("it was done before"))
    assert compile_ahead(config) is False


def test_a_kind_is_that_of_a_source():
    info = SampleSource(64, 64, bits=10).info
    assert Kind.of(info, Config()) == Kind(bits=10)
    assert Kind.of(info, Config().with_overrides(cycle=3)) == Kind(bits=10, cycle=3)


def test_compiling_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    @kernel
    def three_times(values, out):
        for i in range(len(out)):
            out[i] = 3 * values[i]

    told = []
    out = np.zeros(2)
    with when_compiling(lambda: told.append(1)):
        three_times(np.ones(2), out)
        three_times(np.ones(2), out)
    three_times(np.ones(2, np.float32), out)
    assert (out.tolist(), told) == ([3, 3], [1])


def twice(monkeypatch, command, folder):
    """How often each of two runs told that it compiles; loops are kept in the folder."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    said = []
    for _ in range(2):
        process = start(*(part.format(tmp=folder) for part in command))
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
        said.append(stderr.count(COMPILING))
    return said


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_first_run_says_that_it_compiles_and_the_next_does_not(monkeypatch, tmp_path):
    whole = tmp_path / "whole"
    assert twice(monkeypatch, ("fuse", SAMPLE, "-o", "null:"), whole) == [1, 0]
    # To compile all of them for each command would take half a minute each: these lack the notes and one loop.
    for name, command, times in (
        ("quiet", ("fuse", SAMPLE, "-o", "null:", "--quiet"), 0),
        ("publish", ("publish", SAMPLE, "--to", "zmq+pub+ipc://{tmp}/socket"), 1),
    ):
        copy = tmp_path / name
        shutil.copytree(whole, copy)
        (loop,) = copy.rglob("streamfuse.temporal.smooth_rows.deviate-*")
        for file in (loop, *copy.rglob("all-*")):
            file.unlink()
        assert twice(monkeypatch, command, copy) == [times, 0], name
        assert loop.exists(), name
