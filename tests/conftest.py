"""What all tests share: few threads, and clear reasons where a GPU or local data is missing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import pytest
import torch

# Tiny pictures: threads would cost more than they give, and would fight with a parallel run of the tests.
torch.set_num_threads(1)
cv2.setNumThreads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of processes that tests start

# A shell that starts a job in the background has it ignore SIGINT, and processes that tests start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(os.environ.get("STREAMFUSE_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """All CPUs for all tests; those that are named run here, since a worker takes seconds to begin."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return 0
    return len(os.sched_getaffinity(0))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") is None or torch.cuda.is_available():
        return
    if os.environ.get("STREAMFUSE_REQUIRE_CUDA") == "1":
        pytest.fail("STREAMFUSE_REQUIRE_CUDA=1 is set and torch finds no CUDA device", pytrace=False)
    pytest.skip("torch finds no CUDA device (STREAMFUSE_REQUIRE_CUDA=1 makes this a failure)")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with local test material that is not part of the repository."""
    if not DATA.is_dir():
        pytest.skip(f"no local data at {DATA}: set STREAMFUSE_DATA to the folder that has it")
    return DATA
