"""Everything that only a GPU can tell, in one call: tests, parity of each kernel, memory checks, speed; one JSON file.

    python tools/gpu_suite.py --out benchmarks/gpu.json
    python tools/gpu_suite.py --dry-run --out /tmp/gpu.json      # tiny, on the CPU: does the script itself work?

It needs torch, NumPy, OpenCV, click, safetensors, pytest and (for the kernels) CuPy; nothing else of streamfuse's
dependencies. What fails is written down, the rest goes on, and the exit status is then 1. See docs/gpu.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / part) for part in (".", "tools", "tests/support")]

from gpu_clip import brackets, clip  # noqa: E402
from gpu_parity import parity  # noqa: E402

from streamfuse.backends.cuda import blend, finish, flow  # noqa: E402
from streamfuse.backends.cuda.align import DeviceAligner  # noqa: E402
from streamfuse.backends.cuda.counted import counted  # noqa: E402
from streamfuse.backends.cuda.frames import Uploader  # noqa: E402
from streamfuse.backends.cuda.launch import cupy_problem, launcher_for  # noqa: E402
from streamfuse.backends.cuda.stage import DeviceFusion, DeviceFusionSettings  # noqa: E402
from streamfuse.backends.cuda.weigh import DeviceWeigher  # noqa: E402
from streamfuse.core.frame import Bracket, Frame  # noqa: E402
from streamfuse.core.output_file import write_json_file  # noqa: E402
from streamfuse.core.values import PRESET_NETWORK, Preset  # noqa: E402
from streamfuse.fusion.fuser import CHROMA_LEVEL, LcndrFuser  # noqa: E402
from streamfuse.fusion.models import load_network  # noqa: E402
from streamfuse.lab.evaluate.environment import describe_environment  # noqa: E402

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160), "8K": (7680, 4320)}
TINY = {"tiny": (64, 48)}
PRESETS: tuple[Preset, ...] = ("fast", "balanced", "best")
_PATH = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests" / "support")))
_INI = "[pytest]\nmarkers =\n    cuda: needs a GPU\n    slow: slow\n    camera: needs a camera\n"


class Suite:
    """Runs one part after the other; what a part raises is written down in its place."""

    def __init__(self, dry: bool) -> None:
        self.dry = dry
        self.device = torch.device("cpu" if dry else "cuda")
        self.results: dict[str, Any] = {}
        self.failed: list[str] = []

    def part(self, name: str, action: Callable[[], Any]) -> None:
        click.echo(f"{name} ...", err=True)
        begin = time.perf_counter()
        try:
            self.results[name] = action()
        except Exception as error:
            self.failed.append(name)
            self.results[name] = {"error": repr(error), "trace": traceback.format_exc().splitlines()[-6:]}
        click.echo(f"{name}: {time.perf_counter() - begin:.1f} s", err=True)

    def check(self, name: str, good: bool) -> None:
        if not good and name not in self.failed:
            self.failed.append(name)

    def timed(self, action: Callable[[], Any], repeats: int = 20) -> float:
        """Median milliseconds of a call, on the device's clock."""
        if self.device.type == "cpu":
            return _elapsed(action) * 1e3
        action()
        event: Callable[..., torch.cuda.Event] = torch.cuda.Event  # its constructor has no types
        marks = [(event(enable_timing=True), event(enable_timing=True)) for _ in range(repeats)]
        for begin, end in marks:
            begin.record()
            action()
            end.record()
        torch.cuda.synchronize()
        return float(np.median([begin.elapsed_time(end) for begin, end in marks]))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def _elapsed(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def machine(suite: Suite) -> dict[str, Any]:
    """Where this was measured."""
    found: dict[str, Any] = dict(describe_environment())
    found["cupy"] = cupy_problem() or "works"
    if suite.device.type == "cuda":
        of = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": of.name,
            "capability": f"{of.major}.{of.minor}",
            "memory_gib": round(of.total_memory / 2**30, 1),
            "multiprocessors": of.multi_processor_count,
            "cuda": torch.version.cuda,
        }
    return found


def ceilings(suite: Suite) -> dict[str, float]:
    """What this machine can do at best, measured: copies in GB/s, a bf16 matrix product in TFLOP/s."""
    count, side = (1 << 16, 64) if suite.dry else (1 << 30, 8192)
    first, second = (torch.zeros(count, dtype=torch.uint8, device=suite.device) for _ in range(2))
    host = torch.zeros(count // 8, dtype=torch.uint8, pin_memory=suite.device.type == "cuda")
    part = first[: len(host)]
    # Random numbers: zeros need less power, and so run at a higher clock.
    one, other = (torch.randn(side, side, device=suite.device, dtype=torch.bfloat16) for _ in range(2))
    return {
        "device_copy_gb_s": 2 * count / suite.timed(lambda: second.copy_(first)) / 1e6,
        "upload_gb_s": len(host) / suite.timed(lambda: part.copy_(host, non_blocking=True)) / 1e6,
        "download_gb_s": len(host) / suite.timed(lambda: host.copy_(part, non_blocking=True)) / 1e6,
        "matmul_bf16_tflop_s": 2 * side**3 / suite.timed(lambda: one @ other) / 1e9,
    }


def pytest(
    arguments: list[str],
    environment: dict[str, str],
    tool: list[str] | None = None,
    limit: float | None = None,
) -> tuple[subprocess.CompletedProcess[str], dict[str, int]]:
    """Run tests marked `cuda`, under another program if there is one; and how many there were, failed, and so on."""
    with tempfile.TemporaryDirectory() as folder:
        ini, report = Path(folder) / "pytest.ini", Path(folder) / "report.xml"
        ini.write_text(_INI)
        # An ini file of its own: the project's asks for plugins that a GPU machine need not have.
        command = [
            *(tool or ()),
            sys.executable,
            "-m",
            "pytest",
            "-c",
            str(ini),
            f"--rootdir={REPOSITORY}",
            "-q",
        ]
        command += ["-m", "cuda", f"--junitxml={report}", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, check=False, timeout=limit,
            env={**os.environ, "PYTHONPATH": _PATH, **environment},
        )  # fmt: skip
        counts: dict[str, int] = {}
        if report.exists():
            for one in ET.parse(report).getroot().iter("testsuite"):
                counts |= {key: int(one.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    return done, counts


def tests(suite: Suite) -> dict[str, Any]:
    """The tests marked `cuda`, with a missing GPU as a failure; in a dry run the same tests are only collected."""
    parts = [str(REPOSITORY / "tests" / part) for part in ("backends/cuda", "fusion")]
    only = ["--collect-only"] if suite.dry else []
    done, counts = pytest([*only, *parts], {"STREAMFUSE_REQUIRE_CUDA": "1"})
    suite.check("tests", done.returncode == 0)
    return {"status": done.returncode, "tail": done.stdout.splitlines()[-25:], **counts}


def sanitizer(suite: Suite) -> dict[str, Any]:
    """compute-sanitizer on the kernels' tests: bad memory accesses, and races in shared memory."""
    program = shutil.which("compute-sanitizer")
    if suite.dry or program is None:
        return {"left_out": "a dry run" if suite.dry else "compute-sanitizer is not installed"}
    found: dict[str, Any] = {}
    few = "size0 or size1 or not size"  # each access is checked: small pictures only
    kernels = str(REPOSITORY / "tests" / "backends" / "cuda" / "test_kernels.py")
    for check in ("memcheck", "racecheck"):
        tool = [program, "--tool", check, "--error-exitcode", "9"]
        try:
            done, _ = pytest(["-k", few, kernels], {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}, tool, limit=150)
            found[check] = {"status": done.returncode, "tail": done.stdout.splitlines()[-6:]}
            suite.check("sanitizer", done.returncode != 9)
        except subprocess.TimeoutExpired:
            found[check] = {"left_out": "it took more than 150 s"}
    return found


def speed(suite: Suite, size: tuple[int, int], preset: Preset, limits: dict[str, float]) -> dict[str, Any]:
    """Milliseconds per output frame of each step and of the whole stage, beside what was counted."""
    width, height = size
    frames = clip(width, height, 3 if suite.dry else 8)
    items = brackets(frames)
    fuser = LcndrFuser(PRESET_NETWORK[preset], str(suite.device))
    found: dict[str, Any] = {"whole_ms": whole(suite, fuser, DeviceFusionSettings(preset), items)}
    found["fps"] = 1e3 / found["whole_ms"]
    for name, settings in {
        "whole_fp32_ms": DeviceFusionSettings(preset, precision="fp32"),
        "whole_without_graphs_ms": DeviceFusionSettings(preset, graphs=False),
        "whole_without_motion_ms": DeviceFusionSettings(preset, mode="off"),
    }.items():
        if suite.dry and settings.mode == "flow":
            continue  # on a CPU these are the same
        found[name] = whole(suite, fuser, settings, items)
    found |= steps(suite, fuser, preset, items)
    what = counted(height, width, 1, preset, fuser)
    floor = {
        "upload_ms": what.upload / limits["upload_gb_s"] / 1e6,
        "download_ms": what.download / limits["download_gb_s"] / 1e6,
        "memory_ms": what.memory / limits["device_copy_gb_s"] / 1e6,
        "network_ms": what.network / limits["matmul_bf16_tflop_s"] / 1e9,
    }
    found["counted"] = {
        "bytes": what.memory,
        "transferred": what.upload + what.download,
        "network_flop": what.network,
    }
    found["floor"] = {**floor, "sum_ms": sum(floor.values())}
    found["times_floor"] = found["whole_ms"] / sum(floor.values())
    if suite.device.type == "cuda":
        found["peak_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
    return found


def whole(suite: Suite, fuser: LcndrFuser, settings: DeviceFusionSettings, items: list[Bracket]) -> float:
    """Steady state of the stage, from planes in host memory to planes in host memory; median of three rounds."""
    stage = DeviceFusion(fuser, settings)
    rounds = []
    for number in range(1 if suite.dry else 5):
        suite.wait()
        begin, made = time.perf_counter(), 0
        for _ in range(1 if suite.dry else 4):
            # New objects each time: a frame that was seen is not uploaded again.
            for item in brackets([_again(b.reference) for b in items]):
                made += len(list(stage.push(item)))
        suite.wait()
        if number or suite.dry:  # the first round compiles and records
            rounds.append((time.perf_counter() - begin) / max(made, 1) * 1e3)
    list(stage.flush())
    return float(np.median(rounds[-3:]))


def _again(frame: Frame) -> Frame:
    return replace(frame)


def steps(suite: Suite, fuser: LcndrFuser, preset: Preset, items: list[Bracket]) -> dict[str, float]:
    """Milliseconds of each step alone, on the device's clock."""
    launcher = launcher_for(suite.device)
    upload, align = Uploader(suite.device, launcher), DeviceAligner(suite.device, launcher, preset)
    weigher = DeviceWeigher(load_network(fuser.name), fuser.seen_side, suite.device, launcher)
    item = items[1]
    with torch.inference_mode():
        aligned = align(item)
        rows, columns = aligned.reference.small.shape
        grid = rows, columns
        lumas, coding = aligned.lumas, aligned.reference.coding
        extra = fuser.octaves(lumas.shape[1:])
        maps, pyramid = weigher(lumas, coding, extra)
        fused = blend.blend(lumas, coding, maps, fuser.exponents, extra, launcher, pyramid)
        luma_out = torch.empty_like(lumas[0])
        assert aligned.chroma is not None
        chroma = aligned.chroma
        chroma_out = torch.empty_like(chroma[:, 0])
        prior = maps.priors[CHROMA_LEVEL]
        small = torch.stack([aligned.reference.small] * 2)

        def finished() -> None:
            finish.pack_luma(fused, coding, luma_out, launcher=launcher)
            finish.fuse_chroma(
                lumas, fused, chroma, prior, maps.coverage, coding, chroma_out, launcher=launcher
            )

        return {
            "upload_ms": suite.timed(lambda: upload(item.reference, grid)),
            "align_ms": suite.timed(lambda: align(item)),
            "motion_without_graph_ms": suite.timed(lambda: flow.dense_flow(small, small, 1, launcher)),
            "weigh_ms": suite.timed(lambda: weigher(lumas, coding, extra)),
            "blend_ms": suite.timed(
                lambda: blend.blend(lumas, coding, maps, fuser.exponents, extra, launcher, pyramid)
            ),
            "finish_ms": suite.timed(finished),
        }


def training(suite: Suite) -> dict[str, Any]:
    """A few steps of the network's forward and backward pass: does it train on this device, and how fast?"""
    network = load_network("lcndr-xs").requires_grad_(True).train().to(suite.device)
    size = (1, 2, 64, 64) if suite.dry else (8, 2, 256, 384)
    luma = torch.rand(size, device=suite.device)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)

    def step() -> None:
        with torch.autocast(suite.device.type, torch.bfloat16, enabled=suite.device.type == "cuda"):
            loss = (network(luma) - luma.mean(1, keepdim=True)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return {"step_ms": suite.timed(step, 10), "batch": list(size)}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=None, help="The JSON file; or $OUT/gpu.json.")
@click.option(
    "--dry-run", "dry", is_flag=True, help="Tiny sizes on the CPU: checks this script, measures nothing."
)
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), help="Only these sizes.")
@click.option("--preset", "presets", multiple=True, type=click.Choice(PRESETS), help="Only these presets.")
@click.option("--skip", multiple=True, help="Parts to leave out: tests, sanitizer, training, ...")
@click.option("--train", is_flag=True, help="A few training steps too.")
def main(
    out: Path | None,
    dry: bool,
    sizes: tuple[str, ...],
    presets: tuple[Preset, ...],
    skip: tuple[str, ...],
    train: bool,
) -> None:
    """Tests, parity, memory checks and speed on the GPU of this machine."""
    if not dry and not torch.cuda.is_available():
        raise click.ClickException("torch finds no CUDA device; --dry-run checks the script on the CPU.")
    suite = Suite(dry)
    if dry:
        torch.set_num_threads(1)
    chosen = TINY if dry else {name: SIZES[name] for name in sizes or SIZES}
    folder = Path(os.environ.get("OUT", REPOSITORY / "benchmarks"))
    path = out or folder / "gpu.json"
    parts: dict[str, Callable[[], Any]] = {
        "machine": lambda: machine(suite),
        "ceilings": lambda: ceilings(suite),
        "parity": lambda: parity(suite.device, suite.dry),
    }
    for name, size in chosen.items():
        for preset in presets or (("fast",) if dry else PRESETS):
            parts[f"speed {name} {preset}"] = lambda size=size, preset=preset: speed(  # type: ignore[misc]
                suite, size, preset, suite.results["ceilings"]
            )
    if train:
        parts["training"] = lambda: training(suite)
    parts["tests"] = lambda: tests(suite)
    parts["sanitizer"] = lambda: sanitizer(suite)
    for name, action in parts.items():
        if name.split()[0] not in skip:
            suite.part(name, action)
            # Written after each part: a call that is cut off still leaves what it found.
            path.parent.mkdir(parents=True, exist_ok=True)
            report = {
                "schema": 1,
                "dry_run": dry,
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "failed": suite.failed,
                **suite.results,
            }
            write_json_file(path, report)
    click.echo(f"{path}: {'failed: ' + ', '.join(suite.failed) if suite.failed else 'all good'}", err=True)
    sys.exit(1 if suite.failed else 0)


if __name__ == "__main__":
    main()
