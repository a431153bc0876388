"""Sidecar files: the exposure of each frame, from the camera's log."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from streamfuse.core.frame import Exposure
from streamfuse.core.input_file import missing
from streamfuse.errors import InputError


class _Row(BaseModel):
    """One frame; other columns are ignored."""

    frame: int = Field(ge=0)
    exposure_us: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    gain: float | None = Field(default=None, gt=0, allow_inf_nan=False)


def read_sidecar(path: str | Path) -> dict[int, Exposure]:
    """Read the exposures of frames by frame number (from 0).

    Args:
        path: a CSV file with the header `frame,exposure_us,gain` (one of the last two may be left out), or a
            JSON file with a list of objects with these keys.

    Raises:
        InputNotFoundError: no such file.
        InputError: not such a file; the message names the file and the line (of JSON: the entry).
    """
    path = Path(path)
    if not path.exists():
        raise missing(Path(path), "sidecar file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The sidecar {path} is not text: give CSV or JSON.") from error
    except OSError as error:
        raise InputError(f"The sidecar {path} cannot be read: {error.strerror}.") from error
    rows = _json_rows(path, text) if text.lstrip()[:1] in ("[", "{") else _csv_rows(path, text)
    exposures: dict[int, Exposure] = {}
    for where, values in rows:
        row = _validated(path, where, values)
        if row.frame in exposures:
            raise InputError(f"{path}, {where}: frame {row.frame} is there twice.")
        exposures[row.frame] = Exposure(time_us=row.exposure_us, gain=row.gain)
    if not exposures:
        raise InputError(f"The sidecar {path} names no frame.")
    return exposures


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or []]
    if "frame" not in header or not {"exposure_us", "gain"} & set(header):
        raise InputError(
            f"{path}, line 1: the header must be frame,exposure_us,gain, found {','.join(header)!r}."
        )
    reader.fieldnames = header
    for values in _each_row(path, reader):
        cells = {key: value.strip() for key, value in values.items() if key and value and value.strip()}
        if cells:
            yield f"line {reader.line_num}", cells


def _each_row(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num + 1}: this is not CSV ({error}).") from error


def _json_rows(path: Path, text: str) -> Iterable[tuple[str, Mapping[str, object]]]:
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: this is not JSON ({error.msg}).") from error
    except (ValueError, RecursionError):
        raise InputError(
            f"{path} has a number with thousands of digits, or is nested too deep: a list of objects with frame, "
            "exposure_us and gain is needed."
        ) from None
    if not isinstance(entries, list):
        raise InputError(f"{path}, line 1: a list of objects with frame, exposure_us and gain is needed.")
    return [(f"entry {number}", entry) for number, entry in enumerate(entries, 1)]


def _validated(path: Path, where: str, values: object) -> _Row:
    try:
        row = _Row.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the entry"
        raise InputError(f"{path}, {where}: {field}: {first['msg']}.") from error
    if row.exposure_us is None and row.gain is None:
        raise InputError(f"{path}, {where}: exposure_us or gain is needed.")
    return row
