"""What works on this machine, and what one camera can do."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamfuse._version import __version__
from streamfuse.core.plugins import installed

_PACKAGES = (
    "torch",
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "av",
    "pyzmq",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
_BROWSERS = "chromium", "chromium-browser", "google-chrome", "chrome"
_TRIAL = "sample:?frames=4&size=96x64"
_WORKS, _BROKEN = "works", "does not work"
_FIGURES = (
    "           on stacks that were held back in training: mef_ssim is likeness to both exposures (1 best; mean and\n"
    "           worst), label_psnr: dB to wanted results, flicker code values between noisy frames of a still scene"
)


def examine() -> dict[str, Any]:
    """Versions, devices, networks, encoders and cameras, as plain values."""
    return {
        "streamfuse": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "devices": _devices(),
        "gpu": _gpu(),
        "networks": _networks(),
        "encoders": _encoders(),
        "cameras": sorted(str(path) for path in Path("/dev").glob("video*")),
        "plugins": {
            "cameras": list(installed("streamfuse.cameras")),
            "fusers": list(installed("streamfuse.fusers")),
        },
        "checks": _checks(),
        "hints": _hints(),
    }


def works(findings: dict[str, Any]) -> bool:
    """Tell whether what every run needs works: the checks, and the networks that ship."""
    networks = findings["networks"].values()
    return all(text == _WORKS for text in findings["checks"].values()) and not any(
        text.startswith(_BROKEN) for text in networks
    )


def render(findings: dict[str, Any]) -> str:
    """Give the findings as text."""
    encoders = findings["encoders"]
    working = ", ".join(name for name, opens in encoders.items() if opens)
    failing = ", ".join(name for name, opens in encoders.items() if not opens)
    lines = [
        f"streamfuse {findings['streamfuse']}, Python {findings['python']}, {findings['platform']}, "
        f"{findings['cpus']} CPUs",
        "packages   " + ", ".join(f"{name} {found}" for name, found in findings["packages"].items()),
        "devices    " + ", ".join(findings["devices"]),
        "gpu        " + findings["gpu"],
        *(f"network    {name}: {text}" for name, text in findings["networks"].items()),
        _FIGURES,
        f"encoders   {working or 'none'}" + (f" (do not open here: {failing})" if failing else ""),
        "cameras    " + (", ".join(findings["cameras"]) or "none found under /dev/video*"),
        *(f"plugin     {kind}: {', '.join(names)}" for kind, names in findings["plugins"].items() if names),
        *(f"check      {name}: {text}" for name, text in findings["checks"].items()),
        *(f"hint       {text}" for text in findings["hints"]),
    ]
    return "\n".join(lines)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    import torch

    names = ["cpu"]
    if torch.cuda.is_available():
        names += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return names


def _gpu() -> str:
    """Tell how fusion runs: resident on the GPU with kernels, in torch alone, or on the CPU."""
    import torch

    from streamfuse.backends.cuda.launch import cupy_problem

    if not torch.cuda.is_available():
        built = (
            "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
        )
        return f"none: {built}; fusion runs on the CPU"
    problem = cupy_problem()
    if problem is None:
        return "fusion stays on the GPU, with CUDA kernels"
    return f"fusion stays on the GPU in torch, without CUDA kernels: CuPy is {problem}"


def _networks() -> dict[str, str]:
    from streamfuse.errors import WeightsError
    from streamfuse.fusion.models import NETWORKS, read_card, weights_path

    found = {}
    for name in NETWORKS:
        try:
            found[name] = read_card(weights_path(name)).get("validation", "weights found")
        except WeightsError as error:
            found[name] = f"{_BROKEN}: {error}"
    return found


def _checks() -> dict[str, str]:
    """Fuse a few frames of the built-in scene, write and read a file of them: tell that it works, or why not."""
    from streamfuse.errors import StreamfuseError
    from streamfuse.runtime.file_run import fuse_video
    from streamfuse.runtime.sinks import open_sink
    from streamfuse.runtime.sources import open_source

    found = {"fuse": _WORKS, "encode": "not tried, as nothing was fused"}
    try:
        frames = list(fuse_video(_TRIAL, preset="fast"))
    except StreamfuseError as error:
        return found | {"fuse": f"{_BROKEN}: {error}"}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "trial.mp4")
            with open_sink(path, (frames[0].width, frames[0].height)) as sink:
                for frame in frames:
                    sink.write(frame)
            with open_source(path) as source:
                count = sum(1 for _ in source)
        right = count == len(frames)
        found["encode"] = _WORKS if right else f"{_BROKEN}: {count} of {len(frames)} frames are in the file"
    except (StreamfuseError, OSError) as error:
        found["encode"] = f"{_BROKEN}: {error}"
    return found


def _hints() -> list[str]:
    """Give what is missing here and would be of use, a sentence each."""
    from streamfuse.camera.v4l2 import list_cameras
    from streamfuse.lab.evaluate.metrics import left_out

    hints = []
    if any(find_spec(name) is None for name in ("starlette", "uvicorn", "prometheus_client")):
        hints.append("The page of a live run (--web) needs: pip install 'streamfuse[web]'.")
    if missing := left_out():
        hints.append(f"`evaluate`: {missing}")
    if not (platform.system() == "Linux" and list_cameras()):
        hints.append("No camera is plugged in: `streamfuse live sim:` runs the built-in scene in real time.")
    if find_spec("pytest") is not None and not any(map(shutil.which, _BROWSERS)):
        hints.append("Chromium is missing: tests of the page are skipped (Debian: apt install chromium).")
    if shutil.which("enfuse") is None:
        hints.append(
            "enfuse is missing: `evaluate stills` leaves this baseline out (Debian: apt install enblend)."
        )
    return hints


def _encoders() -> dict[str, bool]:
    from streamfuse.encode.codecs import list_encoders

    return list_encoders()


def examine_camera(spec: str = "", seconds: float = 3.0) -> dict[str, Any]:
    """Open a camera, alternate its exposure for a while, and say what came of it, as plain values.

    Args:
        spec: as `open_camera` takes it; '' is the first video device.
        seconds: how long to count its frames.

    Raises:
        CameraError: there is none, or it cannot be opened.
        UsageError: that is no camera.
    """
    from streamfuse.camera import CameraOptions, CameraSource
    from streamfuse.camera.open import connector, waiting_for
    from streamfuse.camera.v4l2 import V4L2Camera
    from streamfuse.errors import CameraError

    spec = spec or _first_camera()
    options, problem = CameraOptions(reconnect=False), None
    try:
        camera = connector(spec, options)()
        source = CameraSource(lambda: camera, waiting_for(spec, options))
    except CameraError as error:
        problem = str(error)
        options = CameraOptions(reconnect=False, drive=False)
        camera = connector(spec, options)()  # what is wrong with the camera itself is said here
        source = CameraSource(lambda: camera, waiting_for(spec, options))
    with source:
        found = camera.controls if isinstance(camera, V4L2Camera) else {}
        frames, end = 0, time.monotonic() + seconds
        for _ in source:
            frames += 1
            if time.monotonic() >= end:
                break
        status = source.status
        driven = source.control is not None
    return {
        "camera": source.info.name,
        "mode": status.mode,
        "controls": {
            name: {"lowest": low, "highest": high, "found": value}
            for name, (low, high, value) in found.items()
        },
        "manual_exposure": driven,
        "problem": problem or status.error,
        "latency_frames": status.latency,
        "frames_per_second": round(frames / seconds, 2),
        "bracket_rate": round(status.bracket_rate, 2) if driven else None,
        "discarded": status.discarded,
        "lost": status.lost,
        "mains": status.mains,
        "exposures": [{"time_us": round(time_us, 1), "gain": gain} for time_us, gain in status.exposures],
    }


def render_camera(findings: dict[str, Any]) -> str:
    """Give the findings as text."""
    lines = [f"camera     {findings['camera']}", f"mode       {findings['mode']}"]
    for name, values in findings["controls"].items():
        lines.append(f"control    {name}: {values['found']} ({values['lowest']} to {values['highest']})")
    if findings["manual_exposure"]:
        least, most = findings["latency_frames"]
        under, over = (f"{exposure['time_us'] / 1000:.3g} ms" for exposure in findings["exposures"])
        lines += [
            f"exposure   can be set; a change shows after {least} frames"
            if least == most
            else f"exposure   can be set; a change shows after {least} to {most} frames",
            f"brackets   {findings['bracket_rate']:g} a second, under {under}, over {over}",
        ]
    else:
        lines.append("exposure   is not driven")
    lines.append(
        f"frames     {findings['frames_per_second']:g} a second used; {findings['discarded']} in all not used, as the "
        f"exposure was changing (most of them to measure the latency), {findings['lost']} lost by the camera"
    )
    if findings["mains"]:
        lines.append(f"light      {findings['mains']}")
    if findings["problem"]:
        lines.append(f"problem    {findings['problem']}")
    return "\n".join(lines)


def _first_camera() -> str:
    from streamfuse.camera.v4l2 import list_cameras
    from streamfuse.errors import CameraError

    if platform.system() != "Linux":
        return "0"
    found = list_cameras()
    if not found:
        raise CameraError(
            "There is no camera under /dev/video*: plug one in, or name another kind, such as an RTSP address."
        )
    return found[0]
