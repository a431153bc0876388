"""What works on this machine, and what one camera can do."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streamfuse._version import __version__

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
    }


def render(findings: dict[str, Any]) -> str:
    """The findings as text."""
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
        f"encoders   {working or 'none'}" + (f" (do not open here: {failing})" if failing else ""),
        "cameras    " + (", ".join(findings["cameras"]) or "none found under /dev/video*"),
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
    """How fusion runs: resident on the GPU with kernels, in torch alone, or on the CPU."""
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
            found[name] = f"does not work: {error}"
    return found


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
    """The findings as text."""
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
        f"frames     {findings['frames_per_second']:g} a second used; {findings['discarded']} discarded in all "
        f"(most of them to measure the latency), {findings['lost']} lost by the camera"
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
