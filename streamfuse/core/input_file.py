"""What is said of an input that is not there."""

from __future__ import annotations

import errno
from pathlib import Path

from streamfuse.errors import InputNotFoundError


def missing(path: Path, what: str = "file") -> InputNotFoundError:
    """Make the error for a path at which there is nothing that could be opened: no entry, or a link that leads nowhere.

    Args:
        path: the path; `path.exists()` is false.
        what: it should have been, such as 'picture'.
    """
    if path.is_symlink():
        try:
            path.stat()
        except OSError as error:
            if error.errno == errno.ELOOP:
                return InputNotFoundError(
                    f"{path} is a link that leads back to itself: name the {what} itself."
                )
        return InputNotFoundError(
            f"{path} is a link to {path.readlink()}, which is not there: name the {what} itself."
        )
    return InputNotFoundError(f"There is no {what} {path}: check the path.")
