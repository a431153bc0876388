"""Runs the commands of README.md as they stand, on an idle machine and beside busy processes, against what it promises.

    python tools/acceptance.py --json benchmarks/acceptance.json   # minutes; then python tools/figures.py
    python tools/acceptance.py --quick                             # a minute; floors that a shared machine keeps too

The inputs are the built-in scene: a clip of alternating exposures, three photographs. Exit status 1 means that a
promise was not kept. What is promised stands in `PROMISES` and nowhere else; README's table is made from the JSON.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import acceptance_pictures as pictures
from doc_commands import commands

from streamfuse.core.output_file import write_text_file
from streamfuse.lab.evaluate.environment import describe_environment

SIZE = (640, 360)
_TIMEOUT_S = 300
_BURNER = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


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
            row.rate, row.frames, row.lost = (
                said["fps"],
                said["frames_out"],
                self._frames - said["frames_out"],
            )
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
        with Poll(f"http://127.0.0.1:{port}/status.json") as poll:
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
            row.rate, row.frames, row.lost = (
                said["fps"],
                said["frames_out"],
                self._frames - said["frames_out"],
            )
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

    def __init__(self, url: str) -> None:
        self._url = url
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
            with suppress(OSError, ValueError), urllib.request.urlopen(self._url, timeout=2) as answer:
                status = json.load(answer)
                self._seen.append((status["uptime"], status["frames_out"]))


@contextmanager
def burning(count: int) -> Iterator[None]:
    """So many processes that take a CPU each; they end with this one, however it ends."""
    burners = [subprocess.Popen([sys.executable, "-c", _BURNER]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def free_port() -> int:
    """A port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shown(rows: Sequence[Row]) -> str:
    """One table for a terminal."""
    head = ("command", "busy", "s", "fps", "p50 ms", "p99 ms", "frames", "lost", "MEF-SSIM", "Mertens", "")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        numbers = (row.seconds, row.rate, row.p50, row.p99, row.frames, row.lost, row.quality, row.baseline)
        cells = ("-" if value is None else f"{value:.4g}" for value in numbers)
        lines.append((row.command[:48], str(row.busy), *cells, "; ".join(row.broken) or "kept"))
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--busy", type=int, action="append", help="busy processes beside it; repeatable: 0 and 1"
    )
    parser.add_argument("--frames", type=int, default=120, help="of the clip")
    parser.add_argument("--live", type=float, default=30.0, help="seconds of the live run")
    parser.add_argument(
        "--quick", action="store_true", help="short, beside one busy process, with generous floors"
    )
    parser.add_argument("--json", type=Path, help="file to write")
    asked = parser.parse_args()
    frames, seconds = (48, 12.0) if asked.quick else (asked.frames, asked.live)
    slack = 20.0 if asked.quick else 1.0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="streamfuse-acceptance-") as name:
        acceptance = Acceptance(Path(name), frames, seconds)
        for busy in asked.busy or ([1] if asked.quick else [0, 1]):
            for row in acceptance.rows(busy):
                row.judge(slack)
                rows.append(row)
                print(shown([row]).splitlines()[1], row.error, file=sys.stderr)
                if asked.json:  # what was measured is not lost if something fails later
                    write_text_file(asked.json, json.dumps(_figures(rows, frames, seconds), indent=1) + "\n")
    print(shown(rows))
    return int(any(row.broken for row in rows))


def _figures(rows: Sequence[Row], frames: int, seconds: float) -> dict[str, Any]:
    return {
        "environment": describe_environment(),
        "clip": f"built-in scene, {SIZE[0]}x{SIZE[1]}, {frames} frames; live {seconds:g} s",
        "promises": [asdict(promise) for promise in PROMISES],
        "rows": [asdict(row) for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
