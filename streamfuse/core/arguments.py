"""What callers from Python hand in by mistake: the sentences that say what to hand in instead."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.errors import UsageError


def described(value: object) -> str:
    """Tell what a value is, in a few words, however large it is."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}"
    if isinstance(value, (list, tuple)):
        inside = f" that begins with {described(value[0])}" if value else ""
        return f"{'a list' if isinstance(value, list) else 'a tuple'} of {len(value)}{inside}"
    if isinstance(value, (bool, int, float, str)):
        text = repr(value) if not isinstance(value, int) or value.bit_length() < 64 else "a number"
        return f"{text[:40]} ({type(value).__name__})"
    return f"an object of type {type(value).__name__}"


def checked_names(inputs: object) -> list[str | Path]:
    """Give the names of files and addresses that were given, one or several.

    Raises:
        UsageError: something else, such as arrays or the number of a camera.
    """
    if isinstance(inputs, (str, Path)):
        return [inputs]
    if isinstance(inputs, int):
        raise UsageError(camera_sentence(str(inputs)))
    if isinstance(inputs, np.ndarray):
        raise UsageError(_no_name(inputs))
    if not isinstance(inputs, Iterable) or isinstance(inputs, (bytes, dict)):
        raise UsageError(_no_name(inputs))
    names: list[str | Path] = []
    for name in inputs:
        if not isinstance(name, (str, Path)):
            raise UsageError(_no_name(name))
        names.append(name)
    return names


def camera_sentence(name: str) -> str:
    """Tell what to do with a camera where a file was expected; `name` holds no credential."""
    return (
        f"{name} is a camera or a network stream and no file: `streamfuse live {name}` fuses it; in Python open it by "
        f"streamfuse.camera.open_camera({name!r})."
    )


def expect_frame(frame: object) -> None:
    """Refuse what no sink can write.

    Raises:
        UsageError: it is no frame.
    """
    if isinstance(frame, (FusedFrame, Frame)):
        return
    what = described(frame)
    if isinstance(frame, np.ndarray):
        raise UsageError(
            f"A sink writes frames, and got {what}: give it FusedFrame.from_rgb(array, number), where number counts "
            "the frames from 0."
        )
    raise UsageError(
        f"A sink writes frames one by one, and got {what}: give it those of streamfuse.fuse_video, subscribe or "
        "open_source, or FusedFrame.from_rgb(array, number)."
    )


def _no_name(value: object) -> str:
    if isinstance(value, np.ndarray):
        return (
            f"Files are read here, by their names, and {described(value)} was given: fuse the arrays of one instant by "
            "streamfuse.fuse_pair(under, over), and those of a film by streamfuse.fuse_frames(arrays)."
        )
    return f"The name of a file is needed, as str or Path (or a list of names), and {described(value)} was given."
