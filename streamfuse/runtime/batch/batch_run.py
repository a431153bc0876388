"""A batch: which parts are still to be fused, what becomes of them, and putting files together."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from streamfuse.core.output_file import write_text_file
from streamfuse.encode.join import count_pictures, join_parts
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import OutputError, OutputExistsError, StreamfuseError
from streamfuse.runtime.batch.lock import only_run
from streamfuse.runtime.batch.plan import Job, digest
from streamfuse.runtime.batch.processes import Task, run_locally, run_on_ray
from streamfuse.runtime.batch.work import PartResult, Piece, load_piece, total
from streamfuse.runtime.file_run import open_output
from streamfuse.runtime.sources import open_source

Status = Literal["done", "kept", "failed"]


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of a file; `kept`: it was done by an earlier run.

    Args:
        source, output: names.
        segments: parts that it was fused in.
        result: of all parts together.
    """

    source: str
    output: str
    status: Status
    segments: int
    result: PartResult

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        named = {
            "source": self.source,
            "output": self.output,
            "status": self.status,
            "segments": self.segments,
        }
        return named | asdict(self.result)


class Batch:
    """Fuses jobs, several parts at a time.

    Args:
        jobs: what to do.
        workers: processes on this machine.
        ray: address of a Ray cluster to use instead.
        resume: keep outputs and parts that an earlier run finished with the same settings.
        report: called with each file that is done, and the parts that are finished and wanted.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        workers: int = 1,
        ray: str | None = None,
        resume: bool = False,
        report: Callable[[FileResult | None, int, int], None] | None = None,
    ) -> None:
        self._jobs = jobs
        self._workers = workers
        self._ray = ray
        self._report = report
        self._resume = resume

    def run(self) -> list[FileResult]:
        """Fuse all; the results in the order of the jobs. A file that fails does not stop the others.

        Raises:
            OutputExistsError: an output is there, and neither to be replaced nor to be kept.
            OutputError: another run makes one of the outputs, or the folder of the outputs cannot be written to.
            StreamfuseError: the cluster does not answer.
            KeyboardInterrupt: what is complete stays for --resume.
        """
        with ExitStack() as locks:
            for folder in {job.folder.parent for job in self._jobs}:
                _make_folder(folder)
            for job in self._jobs:
                locks.enter_context(only_run(job.output, job.lock))
            return self._run()

    def _run(self) -> list[FileResult]:
        kept = [job for job in self._jobs if self._resume and _is_done(job)]
        wanted = [job for job in self._jobs if job not in kept]
        for job in wanted:
            _check_output(job, self._resume)
        results = {
            job.output: FileResult(*_names(job), "kept", len(job.parts), _recorded(job) or PartResult())
            for job in kept
        }
        pieces = {job.output: self._begun(job) for job in wanted}
        tasks = [
            (job, number) for job in wanted
            for number, piece in enumerate(pieces[job.output]) if piece is None
        ]  # fmt: skip
        number_of_parts = sum(len(found) for found in pieces.values())
        finished = number_of_parts - len(tasks)
        for job in wanted:  # all parts were there already
            if None not in pieces[job.output]:
                results[job.output] = self._finish(job, pieces[job.output])
                self._tell(results[job.output], finished, number_of_parts)
        # Closed at once, whatever happens: the workers are gone before the locks are.
        with closing(self._results(tasks)) as found:
            for (job, number), piece in found:
                finished += 1
                pieces[job.output][number] = piece
                if None not in pieces[job.output]:
                    results[job.output] = self._finish(job, pieces[job.output])
                self._tell(results.get(job.output), finished, number_of_parts)
        return [results[job.output] for job in self._jobs]

    def _tell(self, result: FileResult | None, finished: int, wanted: int) -> None:
        if self._report:
            self._report(result, finished, wanted)

    def _results(self, tasks: Sequence[Task]) -> Generator[tuple[Task, Piece], None, None]:
        threads = max(1, (os.cpu_count() or 1) // self._workers)
        if tasks and self._ray is not None:
            yield from run_on_ray(tasks, self._ray, threads)
        elif tasks:
            yield from run_locally(tasks, min(self._workers, len(tasks)), threads)

    def _begun(self, job: Job) -> list[Piece | None]:
        """What an earlier run has left of a job, and a folder for the rest."""
        made_of = digest(job.fingerprint)
        pieces = [load_piece(part, made_of) if self._resume else None for part in job.parts]
        usable = {piece.path for piece in pieces if piece is not None}
        usable |= {part.record for part, piece in zip(job.parts, pieces, strict=True) if piece is not None}
        try:
            job.record.unlink(missing_ok=True)
            _make_folder(job.folder)
            for other in job.folder.iterdir():
                if other not in usable:
                    other.unlink()
        except OSError as error:
            raise OutputError(f"Nothing can be written to {job.folder}: {error.strerror}.") from error
        return pieces

    def _finish(self, job: Job, pieces: Sequence[Piece | None]) -> FileResult:
        """Put the parts together, and record that the file is done."""
        found = [piece for piece in pieces if piece is not None]
        result = total([piece.result for piece in found])
        if result.error is None:
            try:
                warnings = _assemble(job, found)
                result = replace(result, warnings=tuple(dict.fromkeys((*result.warnings, *warnings))))
                record = {"fingerprint": job.fingerprint, "result": asdict(result)}
                write_text_file(job.record, json.dumps(record))
                shutil.rmtree(job.folder, ignore_errors=True)
            except StreamfuseError as error:
                result = replace(result, error=str(error))
            except OSError as error:
                result = replace(result, error=f"{job.output} cannot be written: {error.strerror}.")
        return FileResult(*_names(job), "failed" if result.error else "done", len(job.parts), result)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Nothing can be written to {folder}: {error.strerror}.") from error


def _assemble(job: Job, pieces: Sequence[Piece]) -> list[str]:
    """The output from its parts, with all the frames that were fused; it appears when it is complete."""
    paths = [piece.path for piece in pieces if piece.path is not None]
    for part, piece in zip(job.parts, pieces, strict=True):
        if piece.path is not None and count_pictures(piece.path) != piece.result.frames_out:
            part.record.unlink(missing_ok=True)
            raise _incomplete(job)
    if len(paths) == 1:
        paths[0].replace(job.output)
        return []
    joined = job.parts[0].new_path()
    wanted = job.config.input
    with open_source(job.source, frames=wanted.frame_range, deinterlace=wanted.deinterlace) as source:
        info = source.info
    with open_output(joined, info, job.config.output) as sink:
        assert isinstance(sink, VideoFileSink)
        join_parts(paths, sink)
    if count_pictures(joined) != sum(piece.result.frames_out for piece in pieces):
        raise _incomplete(job)
    joined.replace(job.output)
    return sink.warnings


def _incomplete(job: Job) -> OutputError:
    return OutputError(
        f"{job.output} was not made, for not all frames that were fused are in the files of its parts: the same "
        "command with --resume fuses those parts again."
    )


def _names(job: Job) -> tuple[str, str]:
    return job.source, str(job.output)


def _check_output(job: Job, resume: bool) -> None:
    if not job.output.exists() or job.config.output.overwrite:
        return
    if resume:
        raise OutputExistsError(
            f"{job.output} was made from another input or with other settings: add --overwrite, or move it away."
        )
    raise OutputExistsError(
        f"{job.output} exists already: add --overwrite, or --resume to go on with an earlier run."
    )


def _is_done(job: Job) -> bool:
    return job.output.is_file() and (_read(job.record) or {}).get("fingerprint") == job.fingerprint


def _recorded(job: Job) -> PartResult | None:
    fields = (_read(job.record) or {}).get("result")
    if not fields:
        return None
    return PartResult(**(fields | {name: tuple(fields.get(name, ())) for name in ("notes", "warnings")}))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
