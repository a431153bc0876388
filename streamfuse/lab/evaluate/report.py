"""A page to look at pictures: tables, and comparisons with all pictures side by side at 100 % and a wipe of any two.

One HTML file with everything inside; it knows nothing of what is compared.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from streamfuse.core.output_file import check_output_file, is_special, replacing
from streamfuse.errors import OutputError

Rgb = npt.NDArray[np.uint8]  # (H, W, 3), or (H, W) grey

_JPEG_QUALITY = 90
_DAMAGED = "backslashreplace"  # names of files that are no UTF-8


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows; the first column names the row. Cells are written as they are.

    Args:
        head: names of the columns.
        rows: as many cells each.
        title, note: above and below.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""


class ReportWriter:
    """Writes a report piece by piece, so that it may hold more pictures than memory does.

    Use it as a context manager; the file appears when it is left without an error.

    Args:
        path: the HTML file; an existing one is replaced.
        title: heading.
        facts: what was run and where, as names and values.

    Raises:
        OutputError: nothing can be written there.
    """

    def __init__(self, path: Path, title: str, facts: Mapping[str, str] | None = None) -> None:
        self._path, self._title = path, title
        self._facts = dict(facts or {})
        self._tables: list[Table] = []
        check_output_file(path)
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
        figures = "".join(
            f'<figure data-label="{escape(label)}"><img src="{_data_url(picture)}" alt="{escape(label)}" '
            f'decoding="async" loading="lazy"><figcaption>{escape(label)}</figcaption></figure>'
            for label, picture in pictures.items()
        )
        self._write(
            f"<section><h2>{escape(title)}</h2>{_table(table) if table else ''}"
            f'<div class="strip">{figures}</div>'
            f'<div class="bar"><select>{_options(labels, left)}</select>'
            '<input type="range" min="0" max="100" value="50" step="0.1" aria-label="wipe">'
            f"<select>{_options(labels, right)}</select></div>"
            '<div class="wipe"><img alt="right"><img alt="left" class="over"></div></section>'
        )

    def heading(self, title: str, table: Table | None = None) -> None:
        """Begin a part of the page, with a table that belongs to it."""
        self._write(f"<h2>{escape(title)}</h2>{_table(table) if table else ''}")

    def plots(self, charts: Sequence[str]) -> None:
        """Add charts (see `plot.line_chart`)."""
        self._write(f'<div class="plots">{"".join(charts)}</div>')

    def strip(self, title: str, pictures: Mapping[str, Rgb], *, zoom: int = 1) -> None:
        """Add pictures in a row, without a wipe.

        Args:
            title: heading.
            pictures: by label, in the order in which they are shown.
            zoom: how many times as large they are shown, pixels kept sharp.
        """
        figures = "".join(
            f'<figure><img class="sharp" src="{_data_url(picture)}" alt="{escape(label)}" '
            f'width="{picture.shape[1] * zoom}" height="{picture.shape[0] * zoom}" '
            f'decoding="async" loading="lazy"><figcaption>{escape(label)}</figcaption></figure>'
            for label, picture in pictures.items()
        )
        self._write(f'<h3>{escape(title)}</h3><div class="strip">{figures}</div>')

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
            page.write(
                f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(self._title)}</title>'
                f"<style>{_STYLE}</style><h1>{escape(self._title)}</h1><dl>"
            )
            page.writelines(
                f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self._facts.items()
            )
            page.write("</dl>")
            page.writelines(map(_table, self._tables))
            while piece := self._body.read(1 << 20):
                page.write(piece)
            page.write(f"<script>{_SCRIPT}</script></html>\n")


def _data_url(picture: Rgb) -> str:
    """JPEG with colour at full resolution: chroma faults must stay visible."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _options(labels: Sequence[str], chosen: str) -> str:
    return "".join(
        f"<option{' selected' if label == chosen else ''}>{escape(label)}</option>" for label in labels
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    title = f"<h2>{escape(table.title)}</h2>" if table.title else ""
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:1.5em;background:#808080;color:#111}
h1{font-size:1.5em}h2{font-size:1.15em;margin:1.2em 0 .4em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em}dt{font-weight:600}dd{margin:0}
table{border-collapse:collapse;background:#eee;font-variant-numeric:tabular-nums}
td,th{padding:.15em .6em;text-align:right;border-bottom:1px solid #bbb}td:first-child,th:first-child{text-align:left}
section{border-top:2px solid #444;margin-top:1.5em}
.strip{display:flex;gap:4px;overflow-x:auto;margin:.5em 0}figure{margin:0}figcaption{background:#eee;padding:.1em .4em}
img{display:block;max-width:none}.sharp{image-rendering:pixelated}h3{font-size:1em;margin:1em 0 .3em}
.plots{display:flex;flex-wrap:wrap;gap:1em}.plot{background:#eee;padding:.3em}svg text{font:11px system-ui,sans-serif}
.plot ul{list-style:none;display:flex;flex-wrap:wrap;gap:.1em 1em;margin:.2em;padding:0;font-size:.85em}
.bar{display:flex;gap:.6em;align-items:center}.bar input{width:24em;max-width:50vw}
.wipe{position:relative;overflow:auto;cursor:ew-resize;touch-action:pan-y}
.wipe .over{position:absolute;left:0;top:0;clip-path:inset(0 50% 0 0)}
"""

_SCRIPT = """
for (const section of document.querySelectorAll('section')) {
  const [left, right] = section.querySelectorAll('select');
  const slider = section.querySelector('input');
  const box = section.querySelector('.wipe');
  const [below, over] = box.querySelectorAll('img');
  const source = label =>
    [...section.querySelectorAll('figure')].find(f => f.dataset.label === label).querySelector('img').src;
  const show = () => { over.src = source(left.value); below.src = source(right.value); };
  const wipe = () => { over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`; };
  const drag = event => {
    if (event.type === 'pointermove' && !event.buttons) return;
    const frame = below.getBoundingClientRect();
    slider.value = 100 * (event.clientX - frame.left) / frame.width;
    wipe();
    event.preventDefault();
  };
  left.onchange = right.onchange = show;
  slider.oninput = wipe;
  box.onpointerdown = box.onpointermove = drag;
  new IntersectionObserver((entries, observer) => {
    if (entries.some(e => e.isIntersecting)) { show(); observer.disconnect(); }
  }, { rootMargin: '500px' }).observe(section);
}
"""
