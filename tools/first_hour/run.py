"""Five newcomers' first hour: they run the commands of README and docs, and look at what comes out.

    python tools/first_hour/run.py                                  all five, in a fresh environment
    python tools/first_hour/run.py photographer chooser             some of them
    python tools/first_hour/run.py --python .venv/bin/python        in an environment that is there

The fresh environment is made by README's own first command, in a copy of the tree; packages come from where pip gets
them. Each walks in an empty folder, and what is compiled is kept in a folder of this run. A walk that takes more than
ten minutes is a failure. The Python that runs this needs no package: it is the one that a newcomer has.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEWCOMERS = ("videographer", "robotics", "photographer", "chooser", "contributor")
LIMIT = 600.0  # seconds for each
_LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "*.egg-info")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("who", nargs="*", metavar="WHO", help=f"{', '.join(NEWCOMERS)}; default: all")
    parser.add_argument(
        "--python", type=Path, help="of an environment with streamfuse, in place of a fresh one"
    )
    options = parser.parse_args()
    if unknown := set(options.who) - set(NEWCOMERS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: it is one of {', '.join(NEWCOMERS)}")
    walks = options.who or list(NEWCOMERS)
    with tempfile.TemporaryDirectory(prefix="first-hour-") as name:
        folder = Path(name)
        environment = {**os.environ}
        python = (
            options.python and options.python.absolute()
        )  # not resolved: an environment is found by its link
        if python is None:
            environment["NUMBA_CACHE_DIR"] = str(folder / "loops")
            python = _install(folder, environment, with_tests="contributor" in walks)
        return sum([_walk(who, python, folder, environment) for who in walks])


def _install(folder: Path, environment: dict[str, str], *, with_tests: bool) -> Path:
    """README's first command in a copy of the tree, and the Python that it leaves."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    command = lines[lines.index("<!-- install and run -->") + 2]
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    began = time.monotonic()
    print(f"$ {command}", flush=True)
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=tree, env=environment, check=True)
    python = tree / ".venv" / "bin" / "python"
    if with_tests:  # what README's second command installs; the tests themselves are the contributor's
        subprocess.run(
            [python, "-m", "pip", "install", "-q", ".[test]"], cwd=tree, env=environment, check=True
        )
    print(f"{time.monotonic() - began:7.1f} s  installed, and the built-in scene fused", flush=True)
    return python


def _walk(who: str, python: Path, folder: Path, environment: dict[str, str]) -> int:
    """1 if it failed, 0 otherwise."""
    place = folder / who
    place.mkdir()
    print(f"== {who}", flush=True)
    try:
        done = subprocess.run(
            [python, HERE / f"{who}.py"], cwd=place, env=environment, check=False, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        print(f"{who}: it took more than {LIMIT / 60:g} minutes.")
        return 1
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
