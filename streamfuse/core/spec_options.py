"""Options behind the `?` of a name, such as `sample:?frames=90` or `tcp://127.0.0.1:5556?topic=left`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from streamfuse.errors import UsageError, did_you_mean

Parsers = Mapping[str, tuple[str, Callable[[str], object]]]
"""Option -> (argument, what makes its value out of the text)."""


def read_options(name: str, given: Iterable[tuple[str, str]], parsers: Parsers) -> dict[str, Any]:
    """Give the options by the names of arguments.

    Args:
        name: whose options these are, for messages.
        given: options with their text.
        parsers: all that there are.

    Raises:
        UsageError: a misspelt option, or a value that does not fit.
    """
    values = {}
    for key, text in given:
        if key not in parsers:
            hint = did_you_mean(key, parsers)
            raise UsageError(f"{name} has no option {key!r};{hint} there are {', '.join(parsers)}.")
        argument, parse = parsers[key]
        try:
            values[argument] = parse(text)
        except (ValueError, ZeroDivisionError) as error:
            raise UsageError(f"{name}: {text!r} does not fit the option {key!r}.") from error
    return values


def with_size(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the same with `width` and `height` in place of a `size`, which `size` has read."""
    rest = dict(options)
    if "size" in rest:
        rest["width"], rest["height"] = rest.pop("size")
    return rest


def size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT."""
    width, height = text.lower().split("x")
    return int(width), int(height)


def switch(text: str) -> bool:
    """Read on or off."""
    return ("off", "on").index(text) == 1
