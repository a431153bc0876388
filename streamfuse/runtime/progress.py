"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere, a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from streamfuse.core.protocols import SourceInfo
    from streamfuse.exposure.classifier import ClassificationReport
    from streamfuse.runtime.batch.batch_run import FileResult
    from streamfuse.runtime.chain import Chain
    from streamfuse.runtime.file_run import Summary
    from streamfuse.runtime.statistics import Statistics

COMPILING = "Compiling loops for this machine, once for each kind of footage (about 20 s) ..."
_CLEAR = 0.7  # confidence below which the exposures are told with a doubt
_MAX_RUNS = 5  # of frames without a partner that are named
_PLAIN_SECONDS = 10.0  # between lines where there is no terminal


class Shown:
    """What goes to standard error: lines, and a bar on a terminal, which is taken down at the end of the `with`.

    Args:
        columns: of the bar.
        quiet: show nothing.
    """

    def __init__(self, *columns: ProgressColumn, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._compiling = False
        if not quiet and self._console.is_terminal:
            self._bar = Progress(*columns, console=self._console)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def compiling(self) -> None:
        """Called before each loop that has to be compiled: says once why no frame comes."""
        if not self._compiling:
            self._compiling = True
            self._print(COMPILING)

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, soft_wrap=True, markup=False)


class Reporter(Shown):
    """Shows how far a run is.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(), TextColumn("{task.fields[repairs]}"), quiet=quiet,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._last_line = time.monotonic()
        self._told = False
        self._notes: set[str] = set()

    def update(self, statistics: Statistics, chain: Chain, info: SourceInfo) -> None:
        """Called by the run a few times a second."""
        if self._quiet:
            return
        found = chain.front.classifier.report
        if not self._told and found is not None:
            self._told = True
            self._print(_sentence(found))
        total = info.frame_count // info.simultaneous if info.frame_count else None
        repairs = ""
        if found is not None:
            repairs = _broken(found.drops_detected)
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task("fusing", total=total, rate="", repairs="")
            self._bar.update(
                self._task, completed=statistics.frames_out, rate=f"{statistics.fps:.1f} fps", repairs=repairs
            )
        elif time.monotonic() - self._last_line >= _PLAIN_SECONDS:
            self._last_line = time.monotonic()
            of = f" of {total}" if total else ""
            left = f", about {_left(total, statistics)} left" if total and statistics.frames_out else ""
            broken = f", {repairs}" if repairs else ""
            self._print(f"{statistics.frames_out}{of} frames, {statistics.fps:.1f} fps{left}{broken}")

    def tell(self, notes: Sequence[str]) -> None:
        """Tell what was done to the pictures, a sentence each; each is printed once."""
        for note in notes:
            if not (self._quiet or note in self._notes):
                self._notes.add(note)
                self._print(note)

    def summarise(self, summary: Summary) -> None:
        """Print one line on what was written, one for each note and each warning."""
        self.tell(summary.notes)
        for warning in summary.warnings:
            self._print(f"Warning: {warning}")
        if summary.doubled:
            self._print(
                f"Each picture comes more than once: {summary.doubled} frames repeat the one before, and so they do in "
                "the output."
            )
        if summary.passed_through:
            self._print(_passed(summary))
        ended = "interrupted after" if summary.interrupted else "done:"
        promised = summary.frames_expected
        of = f" of {promised}" if summary.interrupted and promised else ""
        written = summary.outputs
        names = ", ".join(written) if len(written) <= 3 else f"{written[0]} .. {written[-1]}"
        self._print(
            f"{names or 'nothing written'}: {ended} {summary.frames_out} frames from "
            f"{summary.frames_in}{of} in {summary.seconds:.1f} s ({summary.fps:.1f} fps), {summary.fuser} on "
            f"{summary.device}."
        )
        if summary.interrupted:
            self._print(
                "What is written plays. The same command begins again (with --overwrite); `streamfuse batch` goes on "
                "where it was interrupted (--resume)."
            )
        if summary.drops_detected:
            first = ", ".join(map(str, summary.drops_at[:_MAX_RUNS]))
            places = f"before frame {first}" + " and later" * (summary.drops_detected > _MAX_RUNS)
            frames = "1 frame" if summary.repaired_pairs == 1 else f"{summary.repaired_pairs} frames"
            self._print(
                f"The order of the exposures is {_broken(summary.drops_detected)}, {places}: {frames} next to it were "
                "fused with the nearest frames of the other exposure."
            )


class BatchReporter(Shown):
    """Shows how far a batch is: the bar from the beginning, and a line for each file.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        super().__init__(*columns, quiet=quiet)
        if self._bar is not None:
            self._task = self._bar.add_task("looking at the files", total=None)

    def begin(self, files: int, parts: int, processes: int) -> None:
        """Say what is to be done."""
        noun = "1 file" if files == 1 else f"{files} files"
        cut = f" in {parts} parts" if parts > files else ""
        self._print(f"Fusing {noun}{cut}, {min(processes, max(parts, 1))} at a time.")
        if self._bar is not None:
            self._bar.update(self._task, description="parts" if cut else "files", total=parts)

    def tell(self, file: FileResult | None, finished: int, wanted: int) -> None:
        """Take the report of a `Batch`."""
        if self._bar is not None:
            self._bar.update(self._task, completed=finished, total=wanted)
        if file is None:
            if self._bar is None:
                self._print(f"[{finished}/{wanted}]")
            return
        for note in file.result.notes:
            self._print(note)
        for warning in file.result.warnings:
            self._print(f"Warning: {warning}")
        what = f"{file.result.frames_out} frames" if file.status != "failed" else "failed"
        self._print(f"[{finished}/{wanted}] {file.output}: {what}.")


def _left(total: int, statistics: Statistics) -> str:
    """Give the time that the rest takes at the rate so far."""
    seconds = max(total - statistics.frames_out, 0) / max(statistics.fps, 1e-3)
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def _broken(places: int) -> str:
    """Tell how often frames were lost or doubled; nothing where none were."""
    return f"broken in {places} place{'s' * (places != 1)} (frames lost or doubled)" if places else ""


def _passed(summary: Summary) -> str:
    """Tell where frames stayed as they were, and why."""
    runs = [
        f"{first}" if first == last else f"{first} to {last}" for first, last in summary.passed_through_at
    ]
    shown = ", ".join(runs[:_MAX_RUNS]) + (
        f" and {len(runs) - _MAX_RUNS} more places" * (len(runs) > _MAX_RUNS)
    )
    noun = "frame" if summary.passed_through == 1 else "frames"
    return f"No alternation here: {summary.passed_through} {noun} without a partner stayed as they were ({shown})."


def _sentence(found: ClassificationReport) -> str:
    doubt = "" if found.confidence >= _CLEAR else "; they differ little, so look whether the film is right"
    return (
        f"Found {found.cycle} exposures, in the order {', '.join(found.order)}: {found.gap_ev:.1f} EV from the darkest "
        f"to the brightest{doubt}."
    )
