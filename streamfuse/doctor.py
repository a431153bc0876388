"""What works on this machine."""

from __future__ import annotations

import os
import platform
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
