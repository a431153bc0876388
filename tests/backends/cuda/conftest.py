"""The emulator, compiled once for all tests of the kernels."""

from __future__ import annotations

import os

import pytest
import torch
from emulator import Emulator, compiler

from streamfuse.backends.cuda.launch import Launcher, cupy_problem, launcher_for


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    if compiler() is None:
        pytest.skip("g++ is not installed: the kernels' arithmetic cannot be run on the CPU")
    # Where tests are shared out, that of all workers: a file takes seconds to compile.
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder) / "kernels"
    folder.mkdir(exist_ok=True)
    return Emulator(folder)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def start(device: torch.device, request: pytest.FixtureRequest) -> Launcher:
    if device.type == "cuda":
        launcher = launcher_for(device)
        assert launcher is not None, f"CuPy: {cupy_problem()}"
        return launcher
    emulator: Emulator = request.getfixturevalue("emulator")
    return emulator
