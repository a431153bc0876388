"""The emulator, compiled once for all tests of the kernels."""

from __future__ import annotations

import pytest
import torch
from emulator import Emulator, compiler

from streamfuse.backends.cuda.launch import Launcher, cupy_problem, launcher_for


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    if compiler() is None:
        pytest.skip("g++ is not installed: the kernels' arithmetic cannot be run on the CPU")
    return Emulator(tmp_path_factory.mktemp("kernels"))


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
