"""How tools look at commands from outside: a free port, busy processes beside them, a live run's status, CPU time."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_BURNER = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


def free_port() -> int:
    """A port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def burning(count: int) -> Iterator[None]:
    """So many processes that take a CPU each, as far as the system gives it; they end when this one does."""
    burners = [subprocess.Popen([sys.executable, "-c", _BURNER]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def status_of(web: str) -> dict[str, Any] | None:
    """The status of the live run whose page is at HOST:PORT; None where nobody answers."""
    with (
        suppress(OSError, ValueError),
        urllib.request.urlopen(f"http://{web}/status.json", timeout=2) as answer,
    ):
        found: dict[str, Any] = json.load(answer)
        return found
    return None


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
