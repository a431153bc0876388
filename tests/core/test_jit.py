"""Kernels: compiled once where they can be kept, and usable where they cannot."""

import subprocess
import sys

import numpy as np
import pytest

from streamfuse.core.jit import kernel

PROGRAM = """
import numpy as np
from streamfuse.imaging.enlarging import lowered
print(lowered(np.full((4, 6), 9, np.uint8), np.full((2, 3), 4, np.float32), 255).tolist())
"""


@kernel
def doubled(values, out):
    for i in range(len(out)):
        out[i] = 2 * values[i]


def test_a_kernel_works_on_every_dtype_that_it_is_given():
    for dtype in (np.uint8, np.uint16, np.float32):
        out = np.zeros(3, dtype)
        doubled(np.arange(3, dtype=dtype), out)
        np.testing.assert_array_equal(out, [0, 2, 4])


@pytest.mark.slow
def test_nowhere_to_keep_compiled_code_is_no_error(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.stdout.strip() == str([[5] * 6] * 4), done.stderr
