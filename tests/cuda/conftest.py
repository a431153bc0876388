"""The emulator, compiled once for all tests of the kernels."""

from __future__ import annotations

import pytest
from emulator import Emulator, compiler


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    if compiler() is None:
        pytest.skip("g++ is not installed: the kernels' arithmetic cannot be run on the CPU")
    return Emulator(tmp_path_factory.mktemp("kernels"))
