"""Runs the commands of README.md as they stand, on an idle machine and beside busy processes, against what it promises.

    python tools/acceptance.py --json benchmarks/acceptance.json   # minutes; then python tools/figures.py
    python tools/acceptance.py --quick                             # a minute; floors that a shared machine keeps too

The inputs are the built-in scene: a clip of alternating exposures, three photographs. Exit status 1 means that a
promise was not kept. What is promised stands in `PROMISES` and nowhere else; README's table is made from the JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import acceptance_pictures as pictures
import click
from doc_commands import commands
from outside import burning, free_port, status_of
from tool_options import help_of

from streamfuse.cli.common_options import JSON_FILE
from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.table import Table

SIZE = (640, 360)
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Promise:
    """A bound of one measure.

    Args:
        command: how the line of README.md begins.
        measure: `rate` (frames per second), `p50` or `p99` (ms from capture to the fused frame), `lost` (frames), or
            `above` (MEF-SSIM over that of the baseline).
        least, most: the bound, one of the two.
        busy: busy processes beside it up to which this holds.
    """

    command: str
    measure: str
    least: float | None = None
    most: float | None = None
    busy: int = 0

    def kept(self, value: float | None, slack: float) -> bool:
        """Whether a value keeps it; rates and times may be `slack` times worse."""
        if value is None:
            return False
        slack = slack if self.measure in ("rate", "p50", "p99") else 1.0
        return value >= self.least / slack if self.least is not None else value <= (self.most or 0.0) * slack

    def __str__(self) -> str:
        return (
            f"{self.measure} >= {self.least:g}"
            if self.least is not None
            else f"{self.measure} <= {self.most:g}"
        )


PROMISES = (
    Promise("streamfuse fuse clip.mov -o fused.mp4", "rate", least=8),
    Promise("streamfuse fuse clip.mov -o fused.mp4", "lost", most=0, busy=9),
    Promise("streamfuse fuse clip.mov -o fused.mp4", "above", least=0, busy=9),
    Promise("streamfuse still dark.jpg", "above", least=0, busy=9),
    Promise("streamfuse batch 'clips/*.mov' -o fused/ --workers", "rate", least=5),
    Promise("streamfuse batch 'clips/*.mov' -o fused/ --workers", "lost", most=0, busy=9),
    Promise("streamfuse live sim:", "rate", least=28),
    Promise("streamfuse live sim:", "p50", most=220),
    Promise("streamfuse live sim:", "p99", most=400),
    Promise("streamfuse publish clip.mov", "rate", least=8),
    Promise("streamfuse publish clip.mov", "lost", most=0, busy=9),
    Promise("streamfuse subscribe", "lost", most=0, busy=9),
)


@dataclass
class Row:
    """What one command did.

    Args:
        command: as README.md has it.
        busy: busy processes beside it.
        status: exit status; 0 is wanted.
        seconds: that it took, with starting Python.
        rate: frames per second of the run itself; live: from the tenth second on, or the second half.
        p50, p99: milliseconds from capture to the fused frame.
        frames, lost: that came out, and that did not.
        quality, baseline: MEF-SSIM against the true exposures of each instant, of its pictures and of OpenCV's
            MergeMertens (of the frame and its neighbour aligned by AlignMTB; of the photographs).
        error: what it said, if it failed.
    """

    command: str
    busy: int
    status: int
    seconds: float
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    frames: int | None = None
    lost: int | None = None
    quality: float | None = None
    baseline: float | None = None
    error: str = ""
    broken: list[str] = field(default_factory=list)

    @property
    def above(self) -> float | None:
        """Quality over that of the baseline."""
        return None if self.quality is None or self.baseline is None else self.quality - self.baseline

    def judge(self, slack: float) -> None:
        """Note the promises that were not kept."""
        mine = [p for p in PROMISES if self.command.startswith(p.command) and self.busy <= p.busy]
        self.broken = [
            str(promise) for promise in mine if not promise.kept(getattr(self, promise.measure), slack)
        ]
        if self.status:
            self.broken.insert(0, f"exit status {self.status}")


class Acceptance:
    """The commands, one after the other, in a folder with their inputs."""

    def __init__(self, folder: Path, frames: int, live_seconds: float) -> None:
        self._folder = folder
        self._frames = frames
        self._live_seconds = live_seconds
        self._clip = pictures.make_clip(folder / "clip.mov", SIZE, frames)
        (folder / "clips").mkdir()
        for name in ("one", "two"):
            (folder / "clips" / f"{name}.mov").write_bytes((folder / "clip.mov").read_bytes())
        self._photos = pictures.make_photos(folder)

    def rows(self, busy: int) -> Iterator[Row]:
        """Each command beside `busy` busy processes."""
        with burning(busy):
            yield self._fuse(busy)
            yield self._still(busy)
            yield self._batch(busy)
            yield self._live(busy)
            yield from self._publish(busy)

    def _fuse(self, busy: int) -> Row:
        row, said = self._run("streamfuse fuse clip.mov -o fused.mp4", busy, "--overwrite", "--json")
        if said:
            row.rate, row.frames = said["fps"], said["frames_out"]
            row.lost = self._frames - row.frames
            row.quality, row.baseline = self._clip.scores(self._folder / "fused.mp4")
        return row

    def _still(self, busy: int) -> Row:
        row, said = self._run("streamfuse still dark.jpg", busy, "--overwrite", "--json")
        if said:
            row.quality, row.baseline = self._photos.scores(self._folder / "fused.png")
        return row

    def _batch(self, busy: int) -> Row:
        row, said = self._run(
            "streamfuse batch 'clips/*.mov' -o fused/ --workers", busy, "--overwrite", "--json"
        )
        if said:
            row.frames = sum(file["frames_out"] for file in said["files"])
            row.lost = 2 * self._frames - row.frames
            row.rate = round(row.frames / row.seconds, 2)
        return row

    def _live(self, busy: int) -> Row:
        port = free_port()
        with Poll(f"127.0.0.1:{port}") as poll:
            more = ("--duration", str(self._live_seconds), "--json")
            row, said = self._run("streamfuse live sim:", busy, *more, port=port)
        if said:
            row.frames, row.lost = said["frames_out"], said["dropped"]
            row.p50, row.p99 = said["age_ms"][0], said["age_ms"][2]
            row.rate = poll.rate(min(10.0, self._live_seconds / 2)) or round(
                row.frames / self._live_seconds, 2
            )
        return row

    def _publish(self, busy: int) -> Iterator[Row]:
        port, results = free_port(), {}

        def receive() -> None:
            results["subscribe"] = self._run("streamfuse subscribe tcp:", busy, "--json", port=port)

        receiver = threading.Thread(target=receive)
        receiver.start()
        row, said = self._run("streamfuse publish clip.mov", busy, "--wait-for", "1", "--json", port=port)
        receiver.join()
        if said:
            row.rate, row.frames = said["fps"], said["frames_out"]
            row.lost = self._frames - row.frames
        yield row
        row, said = results["subscribe"]
        if said:
            row.rate, row.frames = said["fps"], said["frames"]
            row.lost = said["lost"] + said["refused"]
            row.p50 = said["age_ms"]
        yield row

    def _run(self, begin: str, busy: int, *more: str, port: int = 0) -> tuple[Row, dict[str, Any]]:
        """Run the line of README.md that begins so, and give what it printed as JSON."""
        line = next(c for c in commands() if c.page == "README.md" and c.text.startswith(begin))
        words = [word.replace(":8080", f":{port}").replace(":5556", f":{port}") for word in line.words]
        program = str(Path(sys.executable).parent / words[0])
        began = time.monotonic()
        try:
            done = subprocess.run(
                [program, *words[1:], *more], cwd=self._folder, capture_output=True, text=True, check=False,
                timeout=_TIMEOUT_S,
            )  # fmt: skip
            status, out, error = done.returncode, done.stdout, done.stderr.strip()[-500:]
        except subprocess.TimeoutExpired:
            status, out, error = 124, "", f"did not end in {_TIMEOUT_S} s"
        row = Row(line.text, busy, status, round(time.monotonic() - began, 2), error=error if status else "")
        return row, json.loads(out) if status == 0 else {}


class Poll:
    """Asks a live run's page for its figures, every half second."""

    def __init__(self, web: str) -> None:
        self._web = web
        self._seen: list[tuple[float, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Poll:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def rate(self, begin: float) -> float | None:
        """Fused frames per second from `begin` seconds on."""
        seen = [(uptime, frames) for uptime, frames in self._seen if uptime >= begin]
        if len(seen) < 2 or seen[-1][0] <= seen[0][0]:
            return None
        return round((seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]), 2)

    def _ask(self) -> None:
        while not self._ended.wait(0.5):
            if status := status_of(self._web):
                self._seen.append((status["uptime"], status["frames_out"]))


def shown(rows: Sequence[Row]) -> Table:
    """One table for a terminal."""
    head = ("command", "busy", "s", "fps", "p50 ms", "p99 ms", "frames", "lost", "MEF-SSIM", "Mertens", "")
    lines = []
    for row in rows:
        numbers = (row.seconds, row.rate, row.p50, row.p99, row.frames, row.lost, row.quality, row.baseline)
        cells = ("-" if value is None else f"{value:.4g}" for value in numbers)
        lines.append((row.command[:48], str(row.busy), *cells, "; ".join(row.broken) or "kept"))
    return Table(head, lines)


@click.command(help=help_of(__doc__))
@click.option("--busy", type=int, multiple=True, help="Busy processes beside it; repeatable: 0 and 1.")
@click.option("--frames", default=120, show_default=True, help="Of the clip.")
@click.option("--live", "seconds", default=30.0, show_default=True, help="Seconds of the live run.")
@click.option("--quick", is_flag=True, help="Short, beside one busy process, with generous floors.")
@JSON_FILE
def main(busy: tuple[int, ...], frames: int, seconds: float, quick: bool, json_file: Path | None) -> None:
    """Run everything and judge it."""
    if quick:
        frames, seconds = 48, 12.0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="streamfuse-acceptance-") as name:
        acceptance = Acceptance(Path(name), frames, seconds)
        for count in busy or ([1] if quick else [0, 1]):
            for row in acceptance.rows(count):
                row.judge(slack=20.0 if quick else 1.0)
                rows.append(row)
                click.echo(f"{shown([row]).text().splitlines()[1]} {row.error}", err=True)
                if json_file is not None:  # what was measured is not lost if something fails later
                    write_json_file(json_file, _figures(rows, frames, seconds))
    click.echo(shown(rows).text())
    sys.exit(any(row.broken for row in rows))


def _figures(rows: Sequence[Row], frames: int, seconds: float) -> dict[str, Any]:
    return {
        "environment": describe_environment(),
        "clip": f"built-in scene, {SIZE[0]}x{SIZE[1]}, {frames} frames; live {seconds:g} s",
        "promises": [asdict(promise) for promise in PROMISES],
        "rows": [asdict(row) for row in rows],
    }


if __name__ == "__main__":
    main()
