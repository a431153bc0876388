"""Compiled loops on disk, for later runs: in the user's cache folder, never beside the code.

One file holds one loop for one kind of arguments. Its name says all that it was made from: the loop's own code and
constants and those of the loops that it calls, the argument types, this processor, and the versions of Python, Numba,
LLVM and this package. So nothing that is out of date is ever loaded, and processes that compile at the same time write
the same file, each in one step. Where nothing can be written, each run compiles for itself; that is no error.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import secrets
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from streamfuse._version import __version__

_KEPT_SECONDS = 60 * 86400  # files that no run has used for so long are removed
_DIGEST_BYTES = 32
_VERSIONS = (__version__, sys.version, numba.__version__, llvmlite.__version__, np.__version__)
_STAMPS: set[str] = set()  # of all loops of this package that were loaded

Function = Callable[..., object]


def folders() -> Iterator[Path]:
    """Tell where to look for compiled loops, and the first of them that can be written to is where to put them.

    `NUMBA_CACHE_DIR` or the user's cache folder; then a private one among the temporary files, for a home that is
    read-only. Whatever could have been put there by somebody else is left out: what lies there is run.
    """
    with suppress(RuntimeError):  # there is no home
        root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(root) / "streamfuse" / "loops"
    with suppress(OSError):
        yield Path(tempfile.gettempdir()) / f"streamfuse-loops-{os.geteuid()}"


class LoopCache(_Cache):  # type: ignore[misc]
    """The compiled forms of one loop.

    Args:
        function: the loop, not compiled.
        options: that it is compiled with.
        on_miss: called when a form is wanted that is not there, before it is compiled.
    """

    def __init__(self, function: Function, options: dict[str, Any], on_miss: Callable[[], None]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        self._stamp = stamp(function)
        self._settings = (*_VERSIONS, sorted(options.items()))
        if self._name.startswith("streamfuse."):
            _STAMPS.add(self._stamp)
        self._on_miss = on_miss

    @property
    def cache_path(self) -> str | None:
        """Give the folder that is looked into first."""
        return next((str(folder) for folder in folders()), None)

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Load the form for a signature; None where it is not there or cannot be used.

        What Numba needs to compile is imported only then: it takes a second, and running what is there needs none of it
        but Numba's memory.
        """
        rtsys.initialize(target_context)
        name = self._file(sig, target_context.codegen())
        for folder in folders():
            # A file may be cut off, or be of a Numba that was built in another way.
            with suppress(Exception):
                if _trusted(folder) and (data := _read(folder / name)) is not None:
                    return CompileResult._rebuild(target_context, *pickle.loads(data))
        self._on_miss()
        target_context.refresh()
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keep a form that was compiled, where that is possible."""
        with suppress(Exception):  # such as code that cannot be stored
            _put(self._file(sig, data.codegen), dumps(data._reduce()))

    def enable(self) -> None:
        """Do nothing: it is always enabled, whatever Numba asks for."""

    def disable(self) -> None:
        """It never is."""

    def flush(self) -> None:
        """Nothing that is out of date is ever loaded."""

    def _file(self, signature: Any, codegen: Any) -> str:
        made_from = repr((self._stamp, self._settings, str(signature), codegen.magic_tuple()))
        return f"{self._name}-{hashlib.sha256(made_from.encode()).hexdigest()[:32]}"


class Note:
    """That all loops for a kind of work are on disk, left by one process for later ones.

    Args:
        work: what was done; its `repr` says all that decides on the loops.
    """

    def __init__(self, work: object) -> None:
        processor = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
        made_from = repr((_VERSIONS, sorted(_STAMPS), processor, work))
        self._name = f"all-{hashlib.sha256(made_from.encode()).hexdigest()[:32]}"

    @property
    def is_there(self) -> bool:
        """Tell whether it was left; loops are read where it lies."""
        for folder in folders():
            with suppress(OSError):
                if _trusted(folder) and _read(folder / self._name) is not None:
                    return True
        return False

    def leave(self) -> None:
        """Write it, where that is possible."""
        _put(self._name, b"")


def stamp(function: Function) -> str:
    """Compute a digest of what a function does: its code, its constants, and the functions and constants that it names.

    Comments, and the lines on which it stands, do not count.
    """
    digest = hashlib.sha256()
    _add(digest.update, function.__code__, function.__globals__)
    for cell in function.__closure__ or ():
        digest.update(_described(cell.cell_contents).encode())
    return digest.hexdigest()


def _add(update: Callable[[bytes], None], code: CodeType, names: dict[str, Any]) -> None:
    update(code.co_code)
    update(repr((code.co_names, code.co_varnames, code.co_freevars, code.co_argcount)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add(update, constant, names)
        else:
            update(repr(constant).encode())
    for name in code.co_names:
        if name in names:
            update(_described(names[name]).encode())


def _described(value: Any) -> str:
    """Give a text that is the same in every process for the same value."""
    if isinstance(value, Dispatcher):
        return stamp(value.py_func)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}{getattr(value, '_fields', '')}"
    return getattr(value, "__name__", None) or repr(value)


def _trusted(folder: Path) -> bool:
    """Tell whether nobody else can have written there."""
    found = folder.lstat()
    mine = found.st_uid in (0, os.geteuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and mine


def _read(path: Path) -> bytes | None:
    """Give what `_write` wrote; None where it is not whole."""
    content = path.read_bytes()
    digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    with suppress(OSError):  # it may be read-only
        os.utime(path)
    return data if hashlib.sha256(data).digest() == digest else None


def _put(name: str, data: bytes) -> None:
    """Write a file into the first folder that takes it, if there is one."""
    for folder in folders():
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _trusted(folder):
                _write(folder / name, data)
                _clean(folder)
                return


def _write(path: Path, data: bytes) -> None:
    """Write a file in one step."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(hashlib.sha256(data).digest() + data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _clean(folder: Path) -> None:
    """Remove what has not been used for long: loops of earlier versions, files that were never finished."""
    oldest = time.time() - _KEPT_SECONDS
    for path in folder.iterdir():
        with suppress(OSError):  # another process is faster
            if path.stat().st_mtime < oldest:
                path.unlink()
