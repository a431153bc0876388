"""The options of a source's endpoint, such as `?timeout=60&server=camera.key`: how to receive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamfuse.core.spec_options import Parsers, read_options
from streamfuse.zmq.endpoint import Endpoint
from streamfuse.zmq.message import DEFAULT_LIMITS
from streamfuse.zmq.socket_receiver import ReceiveSettings


def _seconds(text: str) -> float | None:
    if text == "none":
        return None
    if not (value := float(text)) >= 0:
        raise ValueError(text)
    return value


def _pixels(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


_PARSERS: Parsers = {
    "topic": ("topic", str),
    "timeout": ("timeout", _seconds),
    "hwm": ("hwm", int),
    "max_age": ("max_age", _seconds),
    "server": ("server", Path),
    "keys": ("keys", Path),
    "max_pixels": ("max_pixels", _pixels),
}


def receive_settings(endpoint: Endpoint, **given: Any) -> ReceiveSettings:
    """Tell how to receive from an endpoint.

    Args:
        endpoint: its options go before what is given.
        given: arguments of `ReceiveSettings`.

    Raises:
        UsageError: an option that does not exist, or a value that does not fit.
    """
    asked = read_options(str(endpoint), endpoint.options.items(), _PARSERS)
    pixels = asked.pop("max_pixels", None)
    if pixels is not None:
        asked["limits"] = given.get("limits", DEFAULT_LIMITS).for_pixels(pixels)
    return ReceiveSettings(**(given | asked))
