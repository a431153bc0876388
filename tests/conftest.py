"""What all tests share: few threads, and clear reasons where a GPU or local data is missing."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Generator
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


_MEASURED = 2  # cases of a test that coverage watches


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measure coverage over the first cases of each test: the tracer makes all that runs two or three times as slow."""
    if not config.pluginmanager.hasplugin("_cov"):  # which the mark is of
        return
    seen: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        seen[name] += 1
        if seen[name] > _MEASURED:
            item.add_marker(pytest.mark.no_cover)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") is None or torch.cuda.is_available():
        return
    if os.environ.get("STREAMFUSE_REQUIRE_CUDA") == "1":
        pytest.fail("STREAMFUSE_REQUIRE_CUDA=1 is set and torch finds no CUDA device", pytrace=False)
    pytest.skip("torch finds no CUDA device (STREAMFUSE_REQUIRE_CUDA=1 makes this a failure)")


_OTHERS = 0.1  # share of the machine that other programs may take beside a test marked `alone`
_BEGAN: dict[str, tuple[float, float, float]] = {}


def _spent() -> tuple[float, float, float]:
    """Seconds of processors that there were, that all programs took, and that this one and its children took."""
    own = sum(os.times()[:4])
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0, own, own
    counted = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    return sum(counted), sum(counted) - counted[3] - counted[4], own  # without idle and waiting


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    _BEGAN[item.nodeid] = _spent()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A figure of a busy machine is none: where a test that measures one fails beside other work, it is skipped."""
    report = yield
    if call.when == "call" and report.failed and item.get_closest_marker("alone") is not None:
        there, taken, own = (now - before for now, before in zip(_spent(), _BEGAN[item.nodeid], strict=True))
        share = (taken - own) / max(there, 0.01)
        if share > _OTHERS:
            said = str(report.longrepr).strip().splitlines()[-1]
            why = f"other programs took {share:.0%} of the machine meanwhile ({said})"
            report.outcome, report.longrepr = (
                "skipped",
                (str(item.path), item.location[1] or 0, f"Skipped: {why}"),
            )
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with local test material that is not part of the repository."""
    if not DATA.is_dir():
        pytest.skip(f"no local data at {DATA}: set STREAMFUSE_DATA to the folder that has it")
    return DATA
