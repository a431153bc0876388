"""Values that nobody else should read: taken from a file or the environment, where a list of processes shows nothing.

Wherever an address may hold a password or a stream key, and for the token of the page, `@FILE` stands for the first
line of a file and `env:NAME` for an environment variable.
"""

from __future__ import annotations

import os
from pathlib import Path

from streamfuse.errors import InputError, InputNotFoundError, UsageError, without_credentials

_MAX_BYTES = 4096
_FILE, _ENVIRONMENT = "@", "env:"
ADVICE = "give @FILE, whose first line holds it, or env:NAME"


def is_reference(text: str) -> bool:
    """Tell whether this stands for a value that is kept elsewhere."""
    return text.startswith((_FILE, _ENVIRONMENT))


def holds_secret(text: str) -> bool:
    """Tell whether an address shows a password, a token or a stream key to whoever reads it."""
    return without_credentials(text) != text


def revealed(text: str) -> str:
    """Give the value that `@FILE` or `env:NAME` stands for; any other text as it is.

    Raises:
        InputNotFoundError, InputError: there is no such file, or it cannot be read or is empty.
        UsageError: the environment variable is not set, or empty. No message holds a value.
    """
    if text.startswith(_ENVIRONMENT):
        name = text.removeprefix(_ENVIRONMENT)
        value = os.environ.get(name, "").strip()
        if not value:
            raise UsageError(f"The environment variable {name} of {text} is not set: set it, or {ADVICE}.")
        return value
    return _first_line(Path(text.removeprefix(_FILE))) if text.startswith(_FILE) else text


def _first_line(path: Path) -> str:
    try:
        with path.expanduser().open("rb") as file:
            line = file.readline(_MAX_BYTES).decode().strip()
    except FileNotFoundError:
        raise InputNotFoundError(f"There is no file {path}, which @{path} names: check the path.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its first line is no text"
        raise InputError(f"{path}, which @{path} names, cannot be read: {reason}.") from None
    if not line:
        raise InputError(f"The first line of {path}, which @{path} names, is empty: write the value there.")
    return line
