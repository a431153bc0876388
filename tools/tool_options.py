"""Options that several tools have, each written once, and their help."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Option = Callable[..., Any]

DATA: Option = click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
FIGURES: Option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Write all figures.",
)


def help_of(doc: str | None) -> str:
    """A module's docstring as the help of its command; its examples, which are indented, stay line by line."""
    return re.sub(r"\n\n(?= {4})", "\n\n\b\n", doc or "")
