"""Packages that only some cameras need: imported when such a camera is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from streamfuse.errors import CameraError


def load(module: str, how: str) -> Any:
    """Import a module.

    Args:
        module: its name.
        how: how to install it, for the message.

    Raises:
        CameraError: it is not installed, or does not load.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise CameraError(
            f"This camera needs the Python package {module.partition('.')[0]}, which does not load ({error}): {how}."
        ) from error
