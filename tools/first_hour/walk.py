"""One newcomer's way: the commands that README and docs give, run as they stand there, timed and looked at."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 300.0  # seconds after which a step hangs


class Walk:
    """Runs the steps of one newcomer in the folder that the script was started in.

    Args:
        who: the newcomer, for the report.

    Attributes:
        environment: of the commands; may be added to.
    """

    def __init__(self, who: str) -> None:
        self.who = who
        self._times: list[tuple[str, float]] = []
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        self.environment.pop("PYTHONPATH", None)  # what is installed counts

    def run(
        self, page: str, text: str, *more: str, swap: Mapping[str, str] | None = None, status: int = 0
    ) -> str:
        """Run a command of a page.

        Args:
            page: path of the page in the repository.
            text: the command, exactly as it stands there.
            more: arguments that are added, to make it short or to have its summary.
            swap: parts of it that are replaced, such as a port that is taken here.
            status: the exit status that it has to have.

        Returns:
            What it printed, standard error first.
        """
        with self._timed(" ".join([text, *more])):
            done = subprocess.run(
                self.words(page, text, *more, swap=swap), capture_output=True, text=True, check=False,
                timeout=_PATIENCE, env=self.environment,
            )  # fmt: skip
        if done.returncode != status:
            sys.exit(
                f"{self.who}: exit status {done.returncode} and not {status}: {text}\n{done.stderr}{done.stdout}"
            )
        return done.stderr + done.stdout

    def start(
        self, page: str, text: str, *more: str, swap: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Begin a command of a page that others talk to; `finish` waits for it."""
        return subprocess.Popen(
            self.words(page, text, *more, swap=swap), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.environment,
        )  # fmt: skip

    def first_line(self, process: subprocess.Popen[str]) -> str:
        """What a command that was begun prints first; waits for it."""
        assert process.stdout is not None
        return process.stdout.readline()

    def finish(self, process: subprocess.Popen[str]) -> str:
        """What a command that was begun has printed; it has to end well."""
        try:
            text, _ = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
        if process.returncode != 0:
            sys.exit(f"{self.who}: exit status {process.returncode}: {process.args!r}\n{text}")
        return text

    def words(self, page: str, text: str, *more: str, swap: Mapping[str, str] | None = None) -> list[str]:
        """The command as a shell reads it; the walk ends where the page does not have it any more."""
        if not stands_in(page, text):
            sys.exit(f"{self.who}: {page} has no such line (any more), so nobody comes this way: {text}")
        for old, new in (swap or {}).items():
            text = text.replace(old, new)
        return ["bash", "-c", f'{text} "$@"', "bash", *more]

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Something that the newcomer does by hand."""
        with self._timed(what):
            yield

    def see(self, what: str, right: object, found: object = "") -> None:
        """What has to be so after a step."""
        if not right:
            sys.exit(f"{self.who}: not so: {what}: {found}")

    def end(self) -> None:
        """Print how long each step took."""
        for what, seconds in self._times:
            print(f"{seconds:7.1f} s  {what}")
        print(f"{sum(seconds for _, seconds in self._times):7.1f} s  {self.who}, all of it", flush=True)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._times.append((what, time.monotonic() - began))


def stands_in(page: str, text: str) -> bool:
    """Whether a page has this command: to the end of the line or of the code, or up to a remark."""
    joined = re.sub(r"\\\n\s*", "", (ROOT / page).read_text(encoding="utf-8"))
    return (
        re.search(rf"(?<![\w-]){re.escape(text)}(?=\s*$|`|\s{{2,}}|\s+#|\s+&&)", joined, re.MULTILINE)
        is not None
    )


def block_of(page: str, mark: str) -> str:
    """The fenced block of a page that has this text in it, without its fences."""
    blocks = re.findall(
        r"^```\w*\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    found = [block for block in blocks if mark in block]
    if not found:
        sys.exit(f"{page} has no block with {mark!r} (any more).")
    return found[0]


def free_port() -> str:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
