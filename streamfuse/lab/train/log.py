"""The log of a training run: a CSV file that grows by a line per step and network."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from streamfuse.core.output_file import write_bytes_file
from streamfuse.errors import OutputError


class Log:
    """step, network and every loss term, one line each; a log that is continued keeps its columns.

    Args:
        path: `log.csv`, which may be there already.
        start: the step that the run goes on with; lines of it and of later steps are taken out.

    Raises:
        OutputError: something else is at `path`, or it cannot be written.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        rows = _rows(path)
        kept = [row for row in rows[1:] if _is_before(row, rows[0], start)]
        self._columns = rows[0] if kept else None
        if rows and (not kept or len(kept) < len(rows) - 1):
            text = io.StringIO(newline="")
            csv.writer(text).writerows(
                rows[:1] + kept if kept else []
            )  # terms may have come since: a new header
            write_bytes_file(path, text.getvalue().encode())

    def write(self, step: int, name: str, terms: dict[str, float]) -> None:
        """Add a line.

        Raises:
            OutputError: disk full, the folder was removed ...
        """
        columns = self._columns = self._columns or ["step", "network", *terms]
        try:
            with self._path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns, extrasaction="ignore")
                if not file.tell():
                    writer.writeheader()
                writer.writerow({"step": step, "network": name} | {k: f"{v:.5f}" for k, v in terms.items()})
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written ({error.strerror or error}): make room for it and run again."
            ) from error


def _rows(path: Path) -> list[list[str]]:
    """Give the cells of a log, header first, or nothing where there is no log yet; a line that was cut off is []."""
    try:
        text = path.read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"The log {path} cannot be read ({error.strerror}): move it away.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path} is not the log of a training run: move it away.") from error
    if rows and not text.endswith("\n"):  # even a cell that looks whole may have lost digits
        rows[-1] = []
    if rows and rows[0] and not {"step", "network"} <= set(rows[0]):
        raise OutputError(f"{path} is not the log of a training run: move it away.")
    return rows


def _is_before(row: list[str], columns: list[str], start: int) -> bool:
    if len(row) != len(columns):
        return False
    step = row[columns.index("step")]
    return step.isdecimal() and int(step) < start
