"""The table of tools/acceptance.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from figures_parts import read, table

_WORDS = {
    "rate": "frames/s",
    "p50": "ms median",
    "p99": "ms p99",
    "lost": "lost",
    "above": "above Mertens",
}


def acceptance() -> str:
    """What the commands of README.md do, and what is promised of them."""
    found = read("acceptance")
    head = [
        "",
        "beside",
        "frames/s",
        "latency, ms, median / p99",
        "lost",
        "MEF-SSIM (Mertens)",
        "promised",
        "kept",
    ]
    return table(head, [_cells(row, found["promises"]) for row in found["rows"]])


def _cells(row: Mapping[str, Any], promises: list[Mapping[str, Any]]) -> list[str]:
    mine = [p for p in promises if row["command"].startswith(p["command"]) and row["busy"] <= p["busy"]]
    late = "-" if row["p50"] is None else f"{row['p50']:.0f} / {_number(row['p99'], '.0f')}"
    quality = "-" if row["quality"] is None else f"{row['quality']:.3f} ({row['baseline']:.3f})"
    return [
        f"`{' '.join(row['command'].split()[1:3])}`",
        "nothing" if not row["busy"] else f"{row['busy']} busy",
        _number(row["rate"], ".1f"),
        late,
        _number(row["lost"], "d"),
        quality,
        "; ".join(_promised(p) for p in mine) or "-",
        "no: " + "; ".join(row["broken"]) if row["broken"] else "yes",
    ]


def _promised(promise: Mapping[str, Any]) -> str:
    what, least, most = _WORDS[promise["measure"]], promise["least"], promise["most"]
    if promise["measure"] == "above":
        return what
    if promise["measure"] == "lost":
        return f"{most:g} {what}"
    return f"{most:g} {what} or less" if least is None else f"{least:g} {what} or more"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
