"""Garbage is left alone while a command imports and looked for again afterwards; memory is kept from frame to frame."""

import gc
import subprocess
import sys

import pytest

from streamfuse.core.process import importing


def test_python_does_not_look_while_a_command_imports():
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_looks_again_after_an_import_that_fails():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_who_had_switched_it_off_finds_it_so():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_memory_is_not_asked_for_anew():
    code = (
        "import sys, resource, numpy as np; from streamfuse.core.process import keep_memory\n"
        "if sys.argv[1] == 'kept': keep_memory()\n"
        "for turn in range(40): [np.ones(5_000_000, np.uint8) for _ in range(3)]\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"
    )
    faults = [
        int(subprocess.run([sys.executable, "-c", code, how], capture_output=True, check=True).stdout)
        for how in ("kept", "given back")
    ]
    assert faults[0] < 0.8 * faults[1]
