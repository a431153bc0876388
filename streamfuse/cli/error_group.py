"""The group of all commands, which tells what went wrong in a sentence and an exit status."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import click

from streamfuse.cli.standard import guard_standard_streams
from streamfuse.core.process import leave_all_at_exit
from streamfuse.errors import (
    NO_MEMORY,
    OutputError,
    StreamfuseError,
    is_out_of_memory,
    without_credentials,
)

EXIT_INTERRUPTED = 130
_LONG_WORD = re.compile(r"(\S{600})\S{100,}")


class ErrorGroup(click.Group):
    """Turns errors raised on purpose into one sentence and an exit status; others too, without a traceback."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command line, with standard streams that a full disk or a closed reader may stand behind."""
        guard_standard_streams()
        leave_all_at_exit()
        try:
            return super().main(*arguments, **options)
        except OutputError as error:  # of --help and the like, which are printed before a command begins
            _complain(error)
            sys.exit(error.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it raises ends the process with the status that README promises."""
        try:
            return super().invoke(ctx)
        except StreamfuseError as error:
            _complain(error)
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            sys.exit(1)
        except click.ClickException as error:
            raise _tellable(error) from None
        except click.exceptions.Exit:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.filename and error.strerror:
                _complain(error, f"{error.filename} cannot be used: {error.strerror}.")
                sys.exit(1)
            if os.environ.get("STREAMFUSE_DEBUG"):
                raise
            _complain(error, f"Internal error, please report it (STREAMFUSE_DEBUG=1 shows where): {error!r}")
            sys.exit(1)


def _told(text: str) -> str:
    """Give a sentence as it may be shown: without credentials, and without pages of what was typed or pasted."""
    return _LONG_WORD.sub(r"\1 ...", without_credentials(text))


def _tellable(error: click.ClickException) -> click.ClickException:
    """Click's own complaint as it stands, or a plain one where it repeats what should not be shown."""
    text = error.format_message()
    clean = _told(text)
    if clean == text:
        return error
    if isinstance(error, click.UsageError):
        return click.UsageError(clean, ctx=error.ctx)
    return click.ClickException(clean)


def _complain(error: BaseException, text: str | None = None) -> None:
    click.echo(_told(f"Error: {NO_MEMORY if is_out_of_memory(error) else text or error}"), err=True)
    for note in getattr(error, "__notes__", ()):
        if not note.startswith("This happened in"):  # which stage: for developers
            click.echo(_told(f"  {note}"), err=True)
    if os.environ.get("STREAMFUSE_DEBUG"):
        import traceback

        traceback.print_exception(error)
