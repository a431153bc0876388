"""A file can be made by one run at a time: a lock that the system itself releases when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamfuse.errors import OutputError

_TAKEN = (errno.EAGAIN, errno.EACCES)


@contextmanager
def only_run(output: Path, lock: Path) -> Iterator[None]:
    """Hold the lock on an output for the time of the `with`; it is never waited for.

    Where the file system knows no locks (some network folders), there is none.

    Args:
        output: the file that is made, for the message.
        lock: the file to lock, in a folder that is there; it holds the number of the process that has it.

    Raises:
        OutputError: another run has it, or the lock file cannot be made.
    """
    descriptor = _locked(output, lock)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(output: Path, lock: Path) -> int:
    """Give an open descriptor of the lock file that is at its path, locked."""
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(f"Nothing can be written to {lock.parent}: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "unknown"
                os.close(descriptor)
                raise OutputError(
                    f"{output} is being made by another run (process {holder}): wait until it has ended, or end it."
                ) from error
        if _is_at(lock, descriptor):
            return descriptor
        os.close(descriptor)  # its holder removed it between our opening and our locking


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
