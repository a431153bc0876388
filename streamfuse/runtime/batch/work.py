"""One part of one file, fused in a process of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streamfuse.core.frame import FusedFrame
from streamfuse.core.output_file import write_text_file
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.encode.join import count_pictures
from streamfuse.errors import NO_MEMORY, InputError, OutputError, StreamfuseError, is_out_of_memory
from streamfuse.runtime.batch.plan import RUN_IN, RUN_OUT, Film, Part


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of a part.

    Args:
        frames_in, frames_out: frames read (run-in and run-out too), fused frames written.
        drops_detected, repaired_pairs: as in `Summary`; places in the run-in or run-out count twice.
        seconds: how long it took.
        notes: what was done to the pictures before they were fused, a sentence each.
        warnings: what could not be kept, a sentence each.
        error: why it failed, one sentence; None if it did not.
    """

    frames_in: int = 0
    frames_out: int = 0
    drops_detected: int = 0
    repaired_pairs: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part that was tried: what became of it, and the file that holds it; None if it failed."""

    result: PartResult
    path: Path | None = None


class Only(Sink):
    """Gives frames first..end-1 of the source alone to a sink (end None: all from first on).

    Args:
        first, end: as above.
        sink: takes them.
    """

    def __init__(self, sink: Sink, first: int, end: int | None) -> None:
        self._sink = sink
        self._first, self._end = first, end
        self.outputs = sink.outputs
        self.written = 0

    def write(self, frame: FusedFrame) -> None:
        """Write it, or leave it out."""
        if frame.index >= self._first and (self._end is None or frame.index < self._end):
            self._sink.write(frame)
            self.written += 1

    def report(self) -> SinkReport:
        """Tell what the sink has to tell."""
        return self._sink.report()

    def close(self) -> None:
        """Finish the output."""
        self._sink.close()


def work(film: Film, number: int, threads: int, made_of: str) -> Piece:
    """Fuse a part into a file of its own and record that it is complete; errors are in the result.

    Args:
        film, number: the part.
        threads: of the part, where the settings name no number.
        made_of: digest of the film's fingerprint, which the record bears.
    """
    part = film.parts[number]
    path = part.new_path()
    try:
        result = _fuse(film, part, path, threads)
        record = {"made_of": made_of, "file": path.name, "result": asdict(result)}
        write_text_file(part.record, json.dumps(record))
        return Piece(result, path)
    except StreamfuseError as error:
        _remove(path)
        named = NO_MEMORY if is_out_of_memory(error) else str(error).replace(str(path), str(film.output))
        told = film.source in named or str(film.output) in named
        return Piece(PartResult(error=named if told else f"{film.source}: {named}"))
    except Exception as error:
        if os.environ.get("STREAMFUSE_DEBUG"):
            raise
        _remove(path)
        if is_out_of_memory(error):
            return Piece(PartResult(error=f"{film.source}: {NO_MEMORY}"))
        return Piece(PartResult(error=f"{film.source}: internal error, please report it: {error!r}"))


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _fuse(film: Film, part: Part, path: Path, threads: int) -> PartResult:
    from streamfuse.runtime import hdr_output
    from streamfuse.runtime.file_run import finishers, open_output
    from streamfuse.runtime.job import FusionJob
    from streamfuse.runtime.sources import open_source

    began = time.monotonic()
    config = film.config.with_overrides(threads=film.config.fuse.threads or threads)
    whole = len(film.parts) == 1
    opened: list[Only] = []

    def open_part(info: SourceInfo) -> list[Only]:
        sink = open_output(path, info if whole else replace(info, media=None), config)
        opened.append(Only(sink, part.first, part.end))
        return opened

    frames, deinterlace = frames_to_read(film, part), config.input.deinterlace
    decoders = config.fuse.threads or 0
    source = open_source(film.source, frames=frames, deinterlace=deinterlace, threads=decoders)
    job = FusionJob.opened(hdr_output.in_scene_light(source, config), config, open_part, finishers(config))
    statistics = job.run()
    written = sum(only.written for only in opened)
    if not written:
        raise InputError(f"{film.source} gave no frame to fuse from frame {part.first} on; check the file.")
    return PartResult(
        frames_in=statistics.frames_in,
        frames_out=written,
        drops_detected=job.found.drops_detected if job.found else 0,
        repaired_pairs=job.chain.front.pairer.repaired_pairs,
        seconds=round(time.monotonic() - began, 2),
        notes=job.notes,
        warnings=tuple(warning.replace(str(path), str(film.output)) for warning in job.findings(whole=whole)),
    )


def frames_to_read(film: Film, part: Part) -> tuple[int | None, int | None] | None:
    """Give the range of frames that a part needs, run-in and run-out included."""
    wanted = film.config.input.frame_range
    if len(film.parts) == 1:
        return wanted
    first, end = wanted or (None, None)
    after = end if part.end is None else part.end + RUN_OUT if end is None else min(part.end + RUN_OUT, end)
    return max(part.first - RUN_IN, first or 0), after


def load_piece(part: Part, made_of: str) -> Piece | None:
    """Load a part that is complete and made of the same; None if it is not, or if frames are missing in its file."""
    try:
        record: dict[str, Any] = json.loads(part.record.read_text(encoding="utf-8"))
        if record["made_of"] != made_of:
            return None
        fields = record["result"]
        result = PartResult(
            **(fields | {name: tuple(fields.get(name, ())) for name in ("notes", "warnings")})
        )
        path = part.path.with_name(record["file"])
        return Piece(result, path) if count_pictures(path) == result.frames_out else None
    except (OSError, ValueError, TypeError, KeyError, OutputError):
        return None


def total(results: Sequence[PartResult]) -> PartResult:
    """Take the parts of one file together; a warning that all of them give comes once."""
    return PartResult(
        frames_in=sum(r.frames_in for r in results),
        frames_out=sum(r.frames_out for r in results),
        drops_detected=sum(r.drops_detected for r in results),
        repaired_pairs=sum(r.repaired_pairs for r in results),
        seconds=round(sum(r.seconds for r in results), 2),
        notes=tuple(dict.fromkeys(note for r in results for note in r.notes)),
        warnings=tuple(dict.fromkeys(warning for r in results for warning in r.warnings)),
        error=next((r.error for r in results if r.error), None),
    )
