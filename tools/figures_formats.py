"""The tables of docs/formats.md: what is taken, converted and refused."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from figures_parts import Json, read, table

_TARGETS = (".mp4", ".mov", ".mkv")
_KINDS = {
    "subtitles": "subtitles",
    "timecode": "timecode",
    "attachment": "attachments",
    "alpha": "transparency",
}


def sound() -> str:
    """What becomes of each kind of sound, by the container that it is written into."""
    found = [case for case in read("formats")["cases"] if case["kind"] == "sound" and case["what"] != "none"]
    rows = []
    for what in dict.fromkeys(case["what"] for case in found):
        mine = [case for case in found if case["what"] == what and case["outcome"] != "not made"]
        sources = ", ".join(dict.fromkeys(case["source"].removeprefix(".") for case in mine))
        rows.append([what, sources, *(_cell(case for case in mine if case["target"] == t) for t in _TARGETS)])
    return table(["sound", "tried from", *(f"into `{target}`" for target in _TARGETS)], rows)


def extras() -> str:
    """The same for what else is in a file."""
    found = [case for case in read("formats")["cases"] if case["kind"] in _KINDS]
    rows = []
    kinds = groupby(found, lambda case: (case["source"], case["kind"], case["what"]))  # they stand together
    for (source, kind, what), cases in kinds:
        mine = list(cases)
        cells = (_cell(case for case in mine if case["target"] == target) for target in _TARGETS)
        rows.append([_KINDS[kind], f"{what} in `{source}`", *cells])
    return table(["", "tried", *(f"into `{target}`" for target in _TARGETS)], rows)


def not_made() -> str:
    """Combinations that could not be tried, and why."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for case in read("formats")["cases"]:
        if case["outcome"] == "not made":
            what = reasons.setdefault(_plain(case["said"]), {}).setdefault(case["source"], [])
            if case["what"] not in what:
                what.append(case["what"])
    rows = [
        [reason, "; ".join(f"`{source}`: {', '.join(what)}" for source, what in by_source.items())]
        for reason, by_source in reasons.items()
    ]
    return table(["not tried, since", "what"], rows)


def streams() -> str:
    """What was done with each kind of source and sink on the network."""
    rows = [
        [f"`{row['address']}`", row["direction"], *(_word(row[step]) for step in ("start", "loss", "end"))]
        for row in read("formats")["streams"]
    ]
    return table(["address", "", "start", "loss and return", "end"], rows)


def _plain(reason: str) -> str:
    """Without the name of the codec, which stands beside it."""
    if "does not support" in reason:
        return "the container has no such sound"
    if "Invalid argument" in reason:
        return "FFmpeg's muxer refuses it"
    return reason


def _cell(cases: Iterable[Json]) -> str:
    """What became of it, by source where that makes a difference."""
    outcomes: dict[str, list[str]] = {}
    for case in cases:
        outcomes.setdefault(_outcome(case), []).append(f"`{case['source']}`")
    if not outcomes:
        return "-"
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return "; ".join(f"{outcome} (from {', '.join(sources)})" for outcome, sources in outcomes.items())


def _outcome(case: Json) -> str:
    words = {"kept": "kept", "left out": "left out, said", "refused": "refused"}
    return words.get(case["outcome"], f"as {_name(case['becomes'])}")


def _name(codec: str) -> str:
    return {"pcm_s16le": "PCM 16", "pcm_s24le": "PCM 24", "aac": "AAC", "flac": "FLAC", "srt": "SRT"}.get(
        codec, codec
    )


def _word(result: Any) -> str:
    if "no such protocol" in str(result):
        return "refused: this FFmpeg has no such protocol"
    return {True: "works", None: "-"}.get(result, str(result))
