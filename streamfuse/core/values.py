"""The values that settings may have, each list once, and what free text has to look like."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Literal

from streamfuse.core.plugins import installed

Preset = Literal["fast", "balanced", "best"]
AlignMode = Literal["off", "global", "flow"]
Rate = Literal["full", "half"]
First = Literal["under", "over"]
Deinterlace = Literal["auto", "on", "off"]
Audio = Literal["auto", "copy", "none"]
PRESET_NETWORK: Mapping[str, str] = {"fast": "lcndr-xs", "balanced": "lcndr-s", "best": "lcndr"}
TONE_MAPS = ("radiance", "radiance-local")  # of merged light; of films only
FUSERS = (*list(PRESET_NETWORK.values())[::-1], "mertens", *TONE_MAPS)
SceneTransfer = Literal["slog3", "vlog", "clog3", "logc3", "logc4", "dlog", "flog2", "hlg", "pq"]
LookName = Literal["off", "natural", "vivid", "flat"]
LOOKS: Mapping[str, Mapping[str, float]] = {
    "off": {},
    "natural": {"contrast": 0.15, "saturation": 0.1, "detail": 0.15},
    "vivid": {"contrast": 0.35, "saturation": 0.4, "detail": 0.35},
    "flat": {"contrast": -0.5, "saturation": -0.2, "highlights": -0.3, "shadows": 0.3},
}
Degradation = Literal["none", "iso", "blur", "h264", "bands"]  # see `streamfuse.lab.evaluate.degrade`
CODECS = ("h264", "hevc", "av1", "vp9", "ffv1", "prores")
FORMER_NAMES: Mapping[str, str] = {"flicker": "deflicker"}  # of settings, which are understood for a while


def present_name(name: str) -> str:
    """Give the name that a setting has now; a former one is taken with a word."""
    if name in FORMER_NAMES:
        warnings.warn(f"{name} is called {FORMER_NAMES[name]} now.", FutureWarning, stacklevel=3)
    return FORMER_NAMES.get(name, name)


def checked_frames(text: str) -> str:
    """Part of an input, as A:B; raises a ValueError that says what it has to be, as do those below."""
    found = re.fullmatch(r"(\d{0,15}):(\d{0,15})", text, re.ASCII)
    if not found or text == ":":
        raise ValueError("it has to be A:B, such as 0:100, 50: or :200")
    first, end = found.groups()
    if first and end and int(first) >= int(end):
        raise ValueError("it holds no frame: the end has to be after the beginning")
    return text


def checked_codec(name: str) -> str:
    """Check a kind of video, or the name of one of FFmpeg's encoders."""
    # FFmpeg's encoders are called lib... or carry the maker after an underscore.
    if name not in CODECS and not re.fullmatch(r"lib[a-z0-9-]+|[a-z0-9]+_[a-z0-9_]+", name):
        raise ValueError(f"it has to be one of {', '.join(CODECS)}, or an encoder such as h264_nvenc")
    return name


def checked_fuser(name: str) -> str:
    """Check the name of a fuser, or of a file of weights."""
    if (
        name not in FUSERS
        and not name.endswith(".safetensors")
        and name not in installed("streamfuse.fusers")
    ):
        known = (*FUSERS, *installed("streamfuse.fusers"))
        raise ValueError(f"it has to be one of {', '.join(known)}, or a .safetensors file")
    return name


def checked_device(name: str) -> str:
    """Check where to compute."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name, re.ASCII):
        raise ValueError("it has to be auto, cpu, cuda, or cuda:N")
    return name
