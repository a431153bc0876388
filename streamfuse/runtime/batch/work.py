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
from streamfuse.core.protocols import Sink
from streamfuse.encode.join import count_pictures
from streamfuse.errors import NO_MEMORY, InputError, OutputError, StreamfuseError, is_out_of_memory
from streamfuse.runtime.batch.plan import RUN_IN, RUN_OUT, Job, Part


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of a part.

    Args:
        frames_in, frames_out: frames read (run-in and run-out too), fused frames written.
        drops_detected, repaired_pairs: as in `run.Summary`; places in the run-in or run-out count twice.
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
    """A sink that gets frames first..end-1 of the source alone (end None: all from first on)."""

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

    def close(self) -> None:
        """Finish the output."""
        self._sink.close()


def work(job: Job, number: int, threads: int, made_of: str) -> Piece:
    """Fuse a part into a file of its own and record that it is complete; errors are in the result.

    Args:
        job, number: the part.
        threads: of the part, where the settings name no number.
        made_of: digest of the job's fingerprint, which the record bears.
    """
    part = job.parts[number]
    path = part.new_path()
    try:
        result = _fuse(job, part, path, threads)
        record = {"made_of": made_of, "file": path.name, "result": asdict(result)}
        write_text_file(part.record, json.dumps(record))
        return Piece(result, path)
    except StreamfuseError as error:
        _remove(path)
        named = NO_MEMORY if is_out_of_memory(error) else str(error).replace(str(path), str(job.output))
        told = job.source in named or str(job.output) in named
        return Piece(PartResult(error=named if told else f"{job.source}: {named}"))
    except Exception as error:
        if os.environ.get("STREAMFUSE_DEBUG"):
            raise
        _remove(path)
        if is_out_of_memory(error):
            return Piece(PartResult(error=f"{job.source}: {NO_MEMORY}"))
        return Piece(PartResult(error=f"{job.source}: internal error, please report it: {error!r}"))


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _fuse(job: Job, part: Part, path: Path, threads: int) -> PartResult:
    from streamfuse.runtime import hdr_output
    from streamfuse.runtime.chain import chain_of_run
    from streamfuse.runtime.file_run import finishers, open_output
    from streamfuse.runtime.findings import contradictions, damage
    from streamfuse.runtime.pipeline import Pipeline
    from streamfuse.runtime.sources import open_source

    began = time.monotonic()
    config = job.config.with_overrides(threads=job.config.fuse.threads or threads)
    whole = len(job.parts) == 1
    opened = open_source(job.source, frames=frames_to_read(job, part), deinterlace=config.input.deinterlace)
    with hdr_output.in_scene_light(opened, config) as source:
        info = source.info if whole else replace(source.info, media=None)
        hdr_output.check_source(info, config)
        chain = chain_of_run(config, info, finishers(config))
        sink = open_output(path, info, config.output)
        only = Only(sink, part.first, part.end)
        statistics = Pipeline(source, chain.stages, [only], threads=chain.threads).run()
        if not only.written:
            raise InputError(
                f"{job.source} gave no frame to fuse from frame {part.first} on; check the file."
            )
        found = chain.front.classifier.report
        told = (
            *source.report().warnings,
            *sink.report().warnings,
            *damage(source, statistics.frames_in, whole=whole),
            *(contradictions(found, config.input) if found else ()),
        )
        return PartResult(
            frames_in=statistics.frames_in,
            frames_out=only.written,
            drops_detected=found.drops_detected if found else 0,
            repaired_pairs=chain.front.pairer.repaired_pairs,
            seconds=round(time.monotonic() - began, 2),
            notes=source.report().notes,
            warnings=tuple(warning.replace(str(path), str(job.output)) for warning in told),
        )


def frames_to_read(job: Job, part: Part) -> tuple[int | None, int | None] | None:
    """The range of frames that a part needs, run-in and run-out included."""
    wanted = job.config.input.frame_range
    if len(job.parts) == 1:
        return wanted
    first, end = wanted or (None, None)
    after = end if part.end is None else part.end + RUN_OUT if end is None else min(part.end + RUN_OUT, end)
    return max(part.first - RUN_IN, first or 0), after


def load_piece(part: Part, made_of: str) -> Piece | None:
    """A part that is complete already and made of the same; None if it is not, or if frames are missing in its file."""
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
    """The parts of one file taken together; a warning that all of them give comes once."""
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
