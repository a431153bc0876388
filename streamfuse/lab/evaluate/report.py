"""A page to look at pictures: tables, and comparisons with all pictures side by side at 100 % and a wipe of any two.

One HTML file with everything inside, made of the template `report.html`; it knows nothing of what is compared.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from streamfuse.core.frame import Rgb
from streamfuse.core.output_file import check_output_file, is_special, replacing
from streamfuse.errors import OutputError, UsageError
from streamfuse.lab.evaluate.table import Table

if TYPE_CHECKING:
    from jinja2 import Template


_JPEG_QUALITY = 90
_DAMAGED = "backslashreplace"  # names of files that are no UTF-8


class ReportWriter:
    """Writes a report piece by piece, so that it may hold more pictures than memory does.

    Use it as a context manager; the file appears when it is left without an error.

    Args:
        path: the HTML file; an existing one is replaced.
        title: heading.
        facts: what was run and where, as names and values.

    Raises:
        OutputError: nothing can be written there.
        UsageError: the package that makes pages is not installed.
    """

    def __init__(self, path: Path, title: str, facts: Mapping[str, str] | None = None) -> None:
        self._path, self._title = path, title
        self._facts = dict(facts or {})
        self._tables: list[Table] = []
        check_output_file(path)
        self._template = _template()
        self._macros: Any = self._template.module
        # A file without a name: whatever ends the process, nothing is left of it. It may be large, and lies where
        # there has to be space anyway; what is no regular file has no such place.
        folder = None if is_special(path) else path.parent
        try:
            self._body = tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", errors=_DAMAGED)  # noqa: SIM115
        except OSError as error:
            raise self._failure(error) from error

    def fact(self, name: str, value: str) -> None:
        """Add to the facts at the top."""
        self._facts[name] = value

    def table(self, table: Table) -> None:
        """Add a table to the top of the page."""
        self._tables.append(table)

    def comparison(
        self,
        title: str,
        pictures: Mapping[str, Rgb],
        *,
        table: Table | None = None,
        wipe: tuple[str, str] | None = None,
    ) -> None:
        """Add pictures of one size and of one thing.

        Args:
            title: heading.
            pictures: by label, in the order in which they are shown.
            table: shown above them.
            wipe: labels of the pair that the wipe starts with; the last two if None.
        """
        labels = list(pictures)
        left, right = wipe or (labels[max(len(labels) - 2, 0)], labels[-1])
        self._write(self._macros.comparison(title, _data_urls(pictures), table, left, right))

    def heading(self, title: str, table: Table | None = None) -> None:
        """Begin a part of the page, with a table that belongs to it."""
        self._write(self._macros.heading(title, table))

    def plots(self, charts: Sequence[str]) -> None:
        """Add charts (see `plot.line_chart`)."""
        self._write(self._macros.plots(charts))

    def strip(self, title: str, pictures: Mapping[str, Rgb], *, zoom: int = 1) -> None:
        """Add pictures in a row, without a wipe.

        Args:
            title: heading.
            pictures: by label, in the order in which they are shown.
            zoom: how many times as large they are shown, pixels kept sharp.
        """
        sizes = {label: np.array(picture.shape) * zoom for label, picture in pictures.items()}
        self._write(self._macros.strip(title, _data_urls(pictures), sizes))

    def _write(self, html: str) -> None:
        try:
            self._body.write(html + "\n")
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"The report {self._path} cannot be written ({error.strerror}): free space or choose another folder."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # what was not written yet; the error that brought us here has been told
                self._body.close()

    def _finish(self) -> None:
        with replacing(self._path) as part, part.open("w", encoding="utf-8", errors=_DAMAGED) as page:
            self._body.seek(0)
            pieces = iter(lambda: self._body.read(1 << 20), "")
            page.writelines(
                self._template.generate(
                    title=self._title, facts=self._facts, tables=self._tables, body=pieces
                )
            )


def _template() -> Template:
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        raise UsageError(f"A report needs Jinja2 ({error}): pip install 'streamfuse[evaluate]'.") from error
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, keep_trailing_newline=True).get_template("report.html")


def _data_urls(pictures: Mapping[str, Rgb]) -> dict[str, str]:
    """JPEG with colour at full resolution: chroma faults must stay visible."""
    from PIL import Image

    found = {}
    for label, picture in pictures.items():
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        found[label] = "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
    return found
