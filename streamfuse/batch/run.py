"""A batch: which parts are still to be fused, what becomes of them, and putting files together."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from streamfuse.batch.plan import Job
from streamfuse.batch.work import PartResult, load_result, total
from streamfuse.batch.workers import Task, run_locally, run_on_ray
from streamfuse.capture.open import open_source
from streamfuse.encode.file import VideoFileSink
from streamfuse.encode.join import join_parts
from streamfuse.errors import OutputError, OutputExistsError, StreamfuseError
from streamfuse.output_file import write_text_file
from streamfuse.run import open_output

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

    Raises:
        OutputExistsError: an output is there, and neither to be replaced nor to be kept.
        OutputError: the folder of the outputs cannot be made.
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
        self._kept = [job for job in jobs if resume and _is_done(job)]
        for job in jobs:
            if job not in self._kept:
                _check_output(job, resume)

    def run(self) -> list[FileResult]:
        """Fuse all; the results in the order of the jobs. A file that fails does not stop the others.

        Raises:
            StreamfuseError: the cluster does not answer, or the disk of the outputs is not there.
            KeyboardInterrupt: what is complete stays for --resume.
        """
        results: dict[Path, FileResult] = {}
        for job in self._kept:
            results[job.output] = FileResult(
                *_names(job), "kept", len(job.parts), _recorded(job) or PartResult()
            )
        parts = {job.output: self._begun(job) for job in self._jobs if job not in self._kept}
        tasks = [
            (job, number) for job in self._jobs if job.output in parts
            for number, result in enumerate(parts[job.output]) if result is None
        ]  # fmt: skip
        wanted = sum(len(found) for found in parts.values())
        for job in self._jobs:  # all parts were there already
            if job.output in parts and None not in parts[job.output]:
                results[job.output] = self._finish(job, parts[job.output])
        finished = wanted - len(tasks)
        for (job, number), result in self._results(tasks):
            finished += 1
            parts[job.output][number] = result
            if None not in parts[job.output]:
                results[job.output] = self._finish(job, parts[job.output])
            if self._report:
                self._report(results.get(job.output), finished, wanted)
        return [results[job.output] for job in self._jobs]

    def _results(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, PartResult]]:
        threads = max(1, (os.cpu_count() or 1) // (2 * self._workers))
        if not tasks:
            return iter(())
        if self._ray is not None:
            return run_on_ray(tasks, self._ray, threads)
        return run_locally(tasks, min(self._workers, len(tasks)), threads)

    def _begun(self, job: Job) -> list[PartResult | None]:
        """What an earlier run has left of a job, and a folder for the rest."""
        plan = job.folder / "plan.json"
        usable = self._resume and _read(plan) == job.fingerprint
        try:
            if not usable:
                shutil.rmtree(job.folder, ignore_errors=True)
                job.record.unlink(missing_ok=True)
            job.folder.mkdir(parents=True, exist_ok=True)
            write_text_file(plan, json.dumps(job.fingerprint))
        except OSError as error:
            raise OutputError(f"Nothing can be written to {job.folder}: {error.strerror}.") from error
        return [load_result(part) for part in job.parts]

    def _finish(self, job: Job, parts: Sequence[PartResult | None]) -> FileResult:
        """Put the parts together, and record that the file is done."""
        result = total([part for part in parts if part is not None])
        if result.error is None:
            try:
                warnings = _assemble(job)
                result = replace(result, warnings=tuple(dict.fromkeys((*result.warnings, *warnings))))
                record = {"fingerprint": job.fingerprint, "result": asdict(result)}
                write_text_file(job.record, json.dumps(record))
                shutil.rmtree(job.folder, ignore_errors=True)
            except StreamfuseError as error:
                result = replace(result, error=str(error))
            except OSError as error:
                result = replace(result, error=f"{job.output} cannot be written: {error.strerror}.")
        return FileResult(*_names(job), "failed" if result.error else "done", len(job.parts), result)


def _assemble(job: Job) -> list[str]:
    """The output from its parts; it appears when it is complete."""
    if len(job.parts) == 1:
        job.parts[0].path.replace(job.output)
        return []
    joined = job.folder / f"joined{job.output.suffix}"
    joined.unlink(missing_ok=True)
    with open_source(job.source, frames=job.config.input.frame_range) as source:
        info = source.info
    with open_output(joined, info, job.config.output) as sink:
        assert isinstance(sink, VideoFileSink)
        join_parts([part.path for part in job.parts], sink)
    joined.replace(job.output)
    return sink.warnings


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
    return PartResult(**(fields | {"warnings": tuple(fields["warnings"])})) if fields else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
