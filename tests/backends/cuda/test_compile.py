"""The kernels compile for every architecture that they are meant for: by nvcc or by NVRTC, neither needs a GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from streamfuse.backends.cuda.launch import ARCHITECTURES, FILES, source


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_files_compile(architecture, tmp_path):
    compile_one = _nvcc if shutil.which("nvcc") else _nvrtc
    for file in FILES:
        complaints = compile_one(file, architecture, tmp_path)
        assert complaints == "", f"{file} for sm_{architecture}: {complaints}"


def _nvcc(file: str, architecture: int, folder: Path) -> str:
    text = folder / f"{file}.cu"
    text.write_text(source(file))
    flags = ["-std=c++14", f"-arch=sm_{architecture}", "-cubin", "-Werror", "all-warnings"]
    command = ["nvcc", *flags, "-o", folder / "out.cubin", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # type: ignore[arg-type]
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _nvrtc(file: str, architecture: int, folder: Path) -> str:
    nvrtc = pytest.importorskip(
        "cuda.bindings.nvrtc", reason="neither nvcc nor NVRTC (pip install streamfuse[compile]) is here"
    )
    _, program = nvrtc.nvrtcCreateProgram(source(file).encode(), f"{file}.cu".encode(), 0, [], [])
    options = [b"--std=c++14", f"--gpu-architecture=sm_{architecture}".encode()]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    return "" if status == nvrtc.nvrtcResult.NVRTC_SUCCESS else log.decode(errors="replace")


def test_a_mistake_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(
        globals(), "source", lambda file: 'extern "C" __global__ void wrong(int* p) { p[0] = q; }'
    )
    complaints = (_nvcc if shutil.which("nvcc") else _nvrtc)("wrong", 90, tmp_path)
    assert "q" in complaints
