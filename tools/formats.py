"""Fuses small films of every container, sound and extra into MP4, MOV and MKV, and notes what becomes of each.

    python tools/formats.py --json benchmarks/formats.json   # a minute; then python tools/figures.py
    python tools/formats.py --only .ts                       # those whose name holds this

Each film is a second of alternating exposures; its sound begins 0.2 s after the picture and gets loud at 0.4 s.
`streamfuse fuse` runs on it with the cheapest settings, and the result has to have all frames at an even rate, and the
sound as long as it was and where it was; or the command says in one sentence what it left out. Exit status 1 means
that this was not so somewhere. `docs/formats.md` is filled from the JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import click
from click.testing import CliRunner
from formats_films import (
    RATE,
    SECONDS,
    SOUNDS,
    SOURCES,
    TONE,
    Heard,
    film,
    heard,
    times_of_pictures,
)
from tool_options import help_of

from streamfuse.cli.app import main as streamfuse
from streamfuse.cli.common_options import JSON_FILE
from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.environment import describe_environment

TARGETS = (".mp4", ".mov", ".mkv")
DELAY = Fraction(1, 5)
CHEAP = (
    "--preset", "fast", "--fuser", "mertens", "--align", "off", "--smooth", "off", "--crf", "30",
    "--speed", "ultrafast", "--quiet",
)  # fmt: skip
_WORDS = {
    "sound": "audio stream", "subtitles": "subtitle stream", "timecode": "timecode track", "attachment": "attachment",
    "alpha": "alpha channel",
}  # fmt: skip
_SOUND_SECONDS = 0.03  # by which sound may be displaced: a frame of a codec is 0.02
_LASTS_SECONDS = 0.1
_STEP_SECONDS = 0.0011  # by which frames may stand beside their grid: Matroska counts milliseconds


@dataclass(frozen=True)
class Film:
    """What is fused.

    Args:
        source: its suffix.
        kind: what it is about: `sound`, `subtitles`, `timecode`, `attachment` or `alpha`.
        what: the codec, or "none".
    """

    source: str
    kind: str
    what: str


EXTRAS = [
    *(Film(".mkv", "subtitles", codec) for codec in ("subrip", "ass", "webvtt")),
    Film(".mp4", "subtitles", "mov_text"),
    Film(".mov", "timecode", "tmcd"),
    Film(".mkv", "attachment", "font"),
    Film(".mov", "alpha", "ProRes 4444"),
    Film(".mov", "alpha", "QuickTime Animation"),
    Film(".mkv", "alpha", "FFV1"),
]
FILMS = [
    *(Film(source, "sound", sound) for source in SOURCES for sound in (*SOUNDS, "none")),
    *(Film(".wmv", "sound", sound) for sound in ("wma", "mp3", "none")),
    *EXTRAS,
]


@dataclass
class Case:
    """One run of the command.

    Args:
        source, kind, what: as `Film`.
        target: suffix of the output.
        outcome: `kept`, `converted`, `left out`, `refused`, `none` (there was nothing) or `not made` (no such film).
        becomes: the codec in the output, or "".
        said: what the command said of it, or why there is no such film.
        problems: what is wrong with the result; empty: nothing.
    """

    source: str
    kind: str
    what: str
    target: str
    outcome: str
    becomes: str
    said: str
    problems: list[str]


def make(one: Film, path: Path) -> str | None:
    """Make a film; why not, or None."""
    if one.kind == "sound":
        return film(path, None if one.what == "none" else one.what, delay=DELAY)
    if one.kind == "subtitles":
        return film(path, None, subtitles=one.what)
    if one.kind == "timecode":
        return film(path, None, metadata={"timecode": "01:00:00:00"})
    if one.kind == "attachment":
        return film(path, None, attachment=True)
    codec, layout = {
        "ProRes 4444": ("prores_ks", "yuva444p10le"),
        "QuickTime Animation": ("qtrle", "argb"),
        "FFV1": ("ffv1", "yuva420p"),
    }[one.what]
    return film(path, None, codec=codec, layout=layout)


def name_of(one: Film, target: str) -> str:
    """Such as '.ts sound aac .mp4'."""
    return f"{one.source} {one.kind} {one.what} {target}"


def cases(wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Case]:
    """Run them all, or those whose name is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        for one in FILMS:
            targets = [target for target in TARGETS if wanted(name_of(one, target))]
            if not targets:
                continue
            path = Path(folder) / f"in{one.source}"
            why_not = make(one, path)
            for target in targets:
                if why_not is not None:
                    yield Case(one.source, one.kind, one.what, target, "not made", "", why_not, [])
                else:
                    yield run(one, path, target, Path(folder))


def run(one: Film, path: Path, target: str, folder: Path) -> Case:
    """Fuse a film, and look at the result."""
    out = folder / f"out{target}"
    done = CliRunner().invoke(
        streamfuse, ["fuse", str(path), "-o", str(out), *CHEAP, "--overwrite", "--json"]
    )
    case = Case(one.source, one.kind, one.what, target, "refused", "", done.stderr.strip(), [])
    case.said = case.said.replace(f"{folder}/", "")
    if done.exit_code != 0:
        if case.said.count("\n") or not case.said or "Internal error" in case.said:
            case.problems.append(f"exit status {done.exit_code} without one plain sentence: {case.said!r}")
        return case
    summary = json.loads(done.stdout)
    case.said = " ".join(summary["warnings"]).replace(f"{folder}/", "")
    if "damaged" in case.said:
        case.problems.append("a whole file is called damaged")
    case.problems += _look_at_pictures(summary, path, out)
    if one.kind == "sound":
        _look_at_sound(case, path, out)
    else:
        _look_at_extra(case, one, out)
    if case.outcome in ("converted", "left out") and _WORDS[one.kind] not in case.said:
        case.problems.append(f"it is {case.outcome}, and nothing is said of it")
    return case


def _look_at_pictures(summary: dict[str, Any], path: Path, out: Path) -> list[str]:
    """All of them, as far apart as they were, from the beginning on."""
    wanted = SECONDS * RATE
    problems = [] if summary["frames_out"] == wanted else [f"{summary['frames_out']} frames of {wanted}"]
    before, after = times_of_pictures(path), times_of_pictures(out)
    if len(after) != wanted:
        return [*problems, f"the file has {len(after)} frames of {wanted}"]
    moved = [b - after[0] - (a - before[0]) for a, b in zip(before, after, strict=True)]
    uneven = sum(abs(by) > _STEP_SECONDS for by in moved)
    if uneven:
        problems.append(f"{uneven} frames stand beside their time")
    if abs(after[0]) > 1:
        problems.append(f"the picture begins at {after[0]:.3f} s")
    return problems


def _look_at_sound(case: Case, path: Path, out: Path) -> None:
    before, after = heard(path), heard(out)
    if before is None:
        case.outcome = "none"
        if after is not None:
            case.problems.append("there is sound where there was none")
        return
    if after is None:
        case.outcome = "left out"
        return
    case.becomes = after.codec
    same = _family(before.codec) == _family(after.codec)
    case.outcome = "kept" if same else "converted"
    case.problems += compare(before, after, times_of_pictures(path)[0], times_of_pictures(out)[0])


def _family(codec: str) -> str:
    """MPEG layers share one name in MP4, and PCM differs by the order of its bytes."""
    return {"mp2": "mp3float", "mp1": "mp3float", "pcm_s16be": "pcm_s16le", "pcm_s24be": "pcm_s24le"}.get(
        codec, codec
    )


def compare(before: Heard, after: Heard, picture_before: float, picture_after: float) -> list[str]:
    """The tone is there, as long as it was and as far from the first picture."""
    problems = []
    if abs(after.tone - TONE) > 4:
        problems.append(f"the tone is {after.tone:.0f} Hz")
    lasts = after.end - after.begin  # AVI has no time stamps: what it is read to last may be wrong already
    if min(abs(lasts - SECONDS), abs(lasts - (before.end - before.begin))) > _LASTS_SECONDS:
        problems.append(f"the sound lasts {lasts:.3f} s")
    moved = after.begin - picture_after - (before.begin - picture_before)
    if abs(moved) > _SOUND_SECONDS:
        problems.append(f"the sound begins {moved:+.3f} s later than it did")
    if before.onset is None or after.onset is None:
        problems.append("the burst is not heard")
    elif abs(moved := after.onset - picture_after - (before.onset - picture_before)) > _SOUND_SECONDS:
        problems.append(f"the burst comes {moved:+.3f} s later than it did")
    return problems


def _look_at_extra(case: Case, one: Film, out: Path) -> None:
    with av.open(str(out)) as media:
        if one.kind == "subtitles":
            found = [s.codec_context.name for s in media.streams.subtitles]
        elif one.kind == "attachment":
            found = [s.type for s in media.streams if s.type == "attachment"]
        elif one.kind == "timecode":
            found = [s.type for s in media.streams if "timecode" in s.metadata]
        else:
            layouts = [s.pix_fmt or "" for s in media.streams.video]
            found = [layout for layout in layouts if "a" in layout.removeprefix("gray")]
    if not found:
        case.outcome = "left out"
        return
    case.becomes = found[0] or ""
    same = {"subrip": "srt", "ass": "ssa"}.get(one.what, one.what) == case.becomes or one.kind != "subtitles"
    case.outcome = "kept" if same else "converted"


@click.command(help=help_of(__doc__))
@click.option("--only", default="", metavar="TEXT", help="Such as '.ts sound aac .mp4'.")
@JSON_FILE
def main(only: str, json_file: Path | None) -> None:
    """Run all cases and say what becomes of them."""
    found = []
    for case in cases(lambda name: only in name):
        found.append(case)
        line = f"{case.source} {case.kind} {case.what} {case.target}: {case.outcome} {case.becomes}"
        click.echo("  ".join([line, case.said if case.outcome == "not made" else "", *case.problems]))
    if json_file is not None:
        before = json.loads(json_file.read_text(encoding="utf-8")) if json_file.is_file() else {}
        result = {
            "command": f"python tools/formats.py --json {json_file}",
            "environment": describe_environment(),
            "cases": [asdict(case) for case in found],
            "streams": before.get("streams", []),  # of tools/formats_streams.py
        }
        write_json_file(json_file, result)
    sys.exit(any(case.problems for case in found))


if __name__ == "__main__":
    main()
