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
from streamfuse.runtime.batch.plan import Film, digest
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

    def as_dict(self) -> dict[str, object]:
        """Give plain values, ready for JSON."""
        named = {
            "source": self.source,
            "output": self.output,
            "status": self.status,
            "segments": self.segments,
        }
        return named | asdict(self.result)


class Batch:
    """Fuses films, several parts at a time.

    Args:
        films: what to do.
        workers: processes on this machine.
        ray: address of a Ray cluster to use instead.
        resume: keep outputs and parts that an earlier run finished with the same settings.
        report: called with each file that is done, and the parts that are finished and wanted.
    """

    def __init__(
        self,
        films: Sequence[Film],
        *,
        workers: int = 1,
        ray: str | None = None,
        resume: bool = False,
        report: Callable[[FileResult | None, int, int], None] | None = None,
    ) -> None:
        self._films = films
        self._workers = workers
        self._ray = ray
        self._report = report
        self._resume = resume

    def run(self) -> list[FileResult]:
        """Fuse all; the results in the order of the films. A file that fails does not stop the others.

        Raises:
            OutputExistsError: an output is there, and neither to be replaced nor to be kept.
            OutputError: another run makes one of the outputs, or the folder of the outputs cannot be written to.
            StreamfuseError: the cluster does not answer.
            KeyboardInterrupt: what is complete stays for --resume.
        """
        with ExitStack() as locks:
            for folder in {film.folder.parent for film in self._films}:
                _make_folder(folder)
            for film in self._films:
                locks.enter_context(only_run(film.output, film.lock))
            return self._run()

    def _run(self) -> list[FileResult]:
        kept = [film for film in self._films if self._resume and _is_done(film)]
        wanted = [film for film in self._films if film not in kept]
        for film in wanted:
            _check_output(film, self._resume)
        results = {
            film.output: FileResult(*_names(film), "kept", len(film.parts), _recorded(film) or PartResult())
            for film in kept
        }
        pieces = {film.output: self._begun(film) for film in wanted}
        tasks = [
            (film, number) for film in wanted
            for number, piece in enumerate(pieces[film.output]) if piece is None
        ]  # fmt: skip
        number_of_parts = sum(len(found) for found in pieces.values())
        finished = number_of_parts - len(tasks)
        for film in wanted:  # all parts were there already
            if None not in pieces[film.output]:
                results[film.output] = self._finish(film, pieces[film.output])
                self._tell(results[film.output], finished, number_of_parts)
        # Closed at once, whatever happens: the workers are gone before the locks are.
        with closing(self._results(tasks)) as found:
            for (film, number), piece in found:
                finished += 1
                pieces[film.output][number] = piece
                if None not in pieces[film.output]:
                    results[film.output] = self._finish(film, pieces[film.output])
                self._tell(results.get(film.output), finished, number_of_parts)
        return [results[film.output] for film in self._films]

    def _tell(self, result: FileResult | None, finished: int, wanted: int) -> None:
        if self._report:
            self._report(result, finished, wanted)

    def _results(self, tasks: Sequence[Task]) -> Generator[tuple[Task, Piece], None, None]:
        threads = max(1, (os.cpu_count() or 1) // self._workers)
        if tasks and self._ray is not None:
            yield from run_on_ray(tasks, self._ray, threads)
        elif tasks:
            yield from run_locally(tasks, min(self._workers, len(tasks)), threads)

    def _begun(self, film: Film) -> list[Piece | None]:
        """Give what an earlier run has left of a film, and a folder for the rest."""
        made_of = digest(film.fingerprint)
        pieces = [load_piece(part, made_of) if self._resume else None for part in film.parts]
        usable = {piece.path for piece in pieces if piece is not None}
        usable |= {part.record for part, piece in zip(film.parts, pieces, strict=True) if piece is not None}
        try:
            film.record.unlink(missing_ok=True)
            _make_folder(film.folder)
            for other in film.folder.iterdir():
                if other not in usable:
                    other.unlink()
        except OSError as error:
            raise OutputError(f"Nothing can be written to {film.folder}: {error.strerror}.") from error
        return pieces

    def _finish(self, film: Film, pieces: Sequence[Piece | None]) -> FileResult:
        """Put the parts together, and record that the file is done."""
        found = [piece for piece in pieces if piece is not None]
        result = total([piece.result for piece in found])
        if result.error is None:
            try:
                warnings = _assemble(film, found)
                result = replace(result, warnings=tuple(dict.fromkeys((*result.warnings, *warnings))))
                record = {"fingerprint": film.fingerprint, "result": asdict(result)}
                write_text_file(film.record, json.dumps(record))
                shutil.rmtree(film.folder, ignore_errors=True)
            except StreamfuseError as error:
                result = replace(result, error=str(error))
            except OSError as error:
                result = replace(result, error=f"{film.output} cannot be written: {error.strerror}.")
        return FileResult(*_names(film), "failed" if result.error else "done", len(film.parts), result)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Nothing can be written to {folder}: {error.strerror}.") from error


def _assemble(film: Film, pieces: Sequence[Piece]) -> list[str]:
    """Give the output from its parts, with all the frames that were fused; it appears when it is complete."""
    paths = [piece.path for piece in pieces if piece.path is not None]
    for part, piece in zip(film.parts, pieces, strict=True):
        if piece.path is not None and count_pictures(piece.path) != piece.result.frames_out:
            part.record.unlink(missing_ok=True)
            raise _incomplete(film)
    if len(paths) == 1:
        paths[0].replace(film.output)
        return []
    joined = film.parts[0].new_path()
    wanted = film.config.input
    with open_source(film.source, frames=wanted.frame_range, deinterlace=wanted.deinterlace) as source:
        info = source.info
    with open_output(joined, info, film.config) as sink:
        assert isinstance(sink, VideoFileSink)
        join_parts(paths, sink)
    if count_pictures(joined) != sum(piece.result.frames_out for piece in pieces):
        raise _incomplete(film)
    joined.replace(film.output)
    return sink.warnings


def _incomplete(film: Film) -> OutputError:
    return OutputError(
        f"{film.output} was not made, for not all frames that were fused are in the files of its parts: the same "
        "command with --resume fuses those parts again."
    )


def _names(film: Film) -> tuple[str, str]:
    return film.source, str(film.output)


def _check_output(film: Film, resume: bool) -> None:
    if not film.output.exists() or film.config.output.overwrite:
        return
    if resume:
        raise OutputExistsError(
            f"{film.output} was made from another input or with other settings: add --overwrite, or move it away."
        )
    raise OutputExistsError(
        f"{film.output} exists already: add --overwrite, or --resume to go on with an earlier run."
    )


def _is_done(film: Film) -> bool:
    return film.output.is_file() and (_read(film.record) or {}).get("fingerprint") == film.fingerprint


def _recorded(film: Film) -> PartResult | None:
    fields = (_read(film.record) or {}).get("result")
    if not fields:
        return None
    return PartResult(**(fields | {name: tuple(fields.get(name, ())) for name in ("notes", "warnings")}))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
