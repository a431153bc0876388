"""Output files that are whole or not there: written under another name, then renamed over the target.

`replacing` is for what is written in one go. `Replacement` is for what takes long and can be used before it is
complete: a new file is written under its own name, and one that is there stays until the new one is complete.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamfuse.errors import OutputError, OutputExistsError, StreamfuseError

_LONGEST_NAME = 255  # bytes, on the file systems of today


def check_output_file(path: Path, *, overwrite: bool = True) -> None:
    """Refuse, before any work is done, a file that cannot be written; nothing is written or made here.

    Args:
        path: the file; a device or a pipe will do.
        overwrite: an existing file may be replaced.

    Raises:
        OutputExistsError: there is a file and `overwrite` is not set.
        OutputError: a folder, no such folder, no permission, a name that is too long.
    """
    with _told(path):
        found = _status(path)
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise OutputError(f"{path} is a folder: give the name of a file in it.")
    if found is not None and not overwrite:
        raise OutputExistsError(f"{path} exists already: choose another name or add --overwrite.")
    folder = _target(path).parent
    if found is None and not folder.is_dir():
        named = folder if path.is_symlink() else path.parent
        raise OutputError(f"There is no folder {named} for {path.name}: make it first, or choose another.")
    _check_permission(path, found)


def check_folder(folder: Path, *, make: bool = False) -> None:
    """Refuse, before any work is done, a folder that nothing can be written to.

    Args:
        folder: where files are to be made.
        make: make it, if its parent is there.

    Raises:
        OutputError: there is none, it cannot be made, or it may not be written to.
    """
    if make:
        try:
            folder.mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise OutputError(f"There is no folder {folder.parent}: make it first.") from error
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    if not folder.is_dir():
        raise OutputError(f"There is no folder {folder}: make it first.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"Nothing can be written to {folder}: you have no permission for it.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it over `path` when that went well; else `path` stays as it was.

    The file gets the mode that `open` would give it, and a link stays a link. A device or a pipe is written to
    directly, for it cannot be replaced.

    Args:
        path: the file to write.

    Yields:
        a new, empty file with a short name in the same folder, or `path` itself if that is not a regular file.

    Raises:
        OutputError: for any OSError, also in the body; the sentence names `path`.
    """
    with _told(path):
        found = _status(path)
        if is_special(path):
            yield path
            return
        _check_permission(path, found)
        part = _new_file(_target(path).parent)
        try:
            if found is not None:
                _take_over(part, found)
            yield part
            part.replace(_target(path))
        except BaseException:
            part.unlink(missing_ok=True)
            raise


class Replacement:
    """Where to write a file that takes long: under its own name, or beside the file that it will replace.

    Args:
        target: the file to write; a device or a pipe is written to directly.

    Attributes:
        path: where to write: `target`, or `NAME.unfinished.SUFFIX` beside the file that is there. After `finish` it is
            `target` again.

    Raises:
        OutputError: no file can be made beside the one that is there.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target
        with _told(target):
            found = _status(target)
            if found is not None and not is_special(target):
                _check_permission(target, found)
                self.path = _unfinished(_target(target))
                _take_over(self.path, found)

    @property
    def waits(self) -> bool:
        """Tell whether there is a file that `finish` would replace."""
        return self.path != self._target

    @property
    def sentence(self) -> str:
        """Give what became of the two files where the new one is not complete."""
        return f"{self._target} is as it was; what was made is in {self.path}."

    def finish(self) -> None:
        """Replace the file that is there by the new one, which is complete and closed.

        Raises:
            OutputError: it cannot be renamed; both files are left as they are.
        """
        if self.waits:
            with _told(self._target):
                self.path.replace(_target(self._target))
            self.path = self._target

    def discard(self) -> None:
        """Remove a new file that is of no use, and leave the one that is there."""
        if self.waits:
            self.path.unlink(missing_ok=True)


def unfinished_name(path: Path, number: int) -> Path:
    """Name the file that is made and will replace `path`; `number`, from 1, where others have such a name."""
    ending = f".unfinished{'' if number == 1 else f'-{number}'}{path.suffix}"
    stem = path.stem.encode()[: _LONGEST_NAME - len(ending.encode())].decode(errors="ignore")
    return path.with_name(stem + ending)


def write_text_file(path: Path, text: str) -> None:
    """Write `text` as UTF-8, through `replacing`.

    Raises:
        OutputError: it cannot be written; an old file is as it was.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json_file(path: Path, value: object) -> None:
    """Write `value` as JSON that people can read and compare, through `replacing`.

    Raises:
        OutputError: it cannot be written; an old file is as it was.
    """
    write_text_file(path, json.dumps(value, indent=1) + "\n")


def write_bytes_file(path: Path, data: bytes) -> None:
    """Write `data`, through `replacing`.

    Raises:
        OutputError: it cannot be written; an old file is as it was.
    """
    with replacing(path) as part:
        part.write_bytes(data)


def is_special(path: Path) -> bool:
    """Tell whether `path` is there and is written to directly: a device, a pipe, /dev/stdout (even if that is a file).

    Raises:
        OSError: it cannot be looked at.
    """
    found = _status(path)
    if found is None:
        return False
    folder = Path(os.path.realpath(path.parent))
    return not stat.S_ISREG(found.st_mode) or folder == Path("/dev") or folder.is_relative_to("/proc")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Give one sentence for what the system refuses."""
    try:
        yield
    except StreamfuseError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OutputError(
                f"{path} is a link that leads back to itself: remove it, or choose another name."
            ) from error
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): free space, or choose another folder or name."
        ) from error


def _status(path: Path) -> os.stat_result | None:
    """Of what is there, links followed; None for nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _target(path: Path) -> Path:
    """Tell where the file lies that a link stands for: it is replaced, not the link."""
    return Path(os.path.realpath(path))


def _check_permission(path: Path, found: os.stat_result | None) -> None:
    """A rename asks the folder only; a file that is protected itself has to stay as well."""
    if found is not None and not os.access(path, os.W_OK):
        raise OutputError(
            f"{path} is there and you have no permission to write it: choose another name, or allow it."
        )
    folder = _target(path).parent
    if not is_special(path) and folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path} cannot be written, for you have no permission for the folder {folder}: choose another."
        )


def _new_file(folder: Path) -> Path:
    """Make an empty file; its mode is left to the system, as for any new file."""
    part = folder / f".{secrets.token_hex(6)}.part"
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return part


def _unfinished(path: Path) -> Path:
    """Make an empty file beside `path` that nobody else has made."""
    number = 1
    while True:
        part = unfinished_name(path, number)
        with suppress(FileExistsError):
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            return part
        number += 1


def _take_over(part: Path, old: os.stat_result) -> None:
    """Owner (as far as allowed) and mode of the file that is replaced, as when it is opened and written."""
    with suppress(OSError):
        os.chown(part, old.st_uid, old.st_gid)
    part.chmod(stat.S_IMODE(old.st_mode))
