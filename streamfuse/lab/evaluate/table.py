"""A table of figures, for pages and for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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

    def text(self) -> str:
        """Give the table for a terminal: names on the left, figures below each other on the right."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[n]) for line in lines) for n in range(len(self.head))]
        cells = (
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        )
        return "\n".join([*filter(None, [self.title]), *map("  ".join, cells), *filter(None, [self.note])])
