"""Makes the published figures again: runs the commands whose JSON stands in benchmarks/, as README and docs give them.

    python tools/published.py --list                         each, its command, and how long it took
    python tools/published.py --only stills-sice --into /tmp/again
    python tools/published.py                                all that can be made here; hours

The commands are those of the pages, so the list cannot fall behind them. Clips and stacks that cannot be shipped are
looked for at `STREAMFUSE_DATA` (default ../shared/data). `times.json` beside the figures keeps how much CPU
time each took. Then `python tools/figures.py` puts the figures into the tables. Measure on an idle machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from doc_commands import ROOT, commands
from outside import cpu_of_children
from tool_options import help_of

from streamfuse.core.output_file import write_json_file

DATA = Path(os.environ.get("STREAMFUSE_DATA", str(ROOT.parent / "shared" / "data"))).resolve()
CLIPS = "bridge_hdr/ windows.mp4 juggle.mp4 dog.mp4 bedroom.mp4 cockatoo.mp4 ferris.mp4 person.mp4"
# What no page has as a line of its own.
MORE = {
    "live-soak": [
        "python tools/soak_live.py --minutes 20 --size 160x90 --rate 5 --json benchmarks/live-soak.json"
    ],
    "hdr-panoramas-chosen": [
        "streamfuse evaluate hdr venice.hdr night.hdr lobby.hdr forest.hdr workshop.hdr --gap 3 --gap 5 --gap 7 "
        "--preset fast --preset balanced --json benchmarks/hdr-panoramas-chosen.json"
    ],
    "hdr-panoramas-told": [
        "streamfuse evaluate hdr venice.hdr night.hdr lobby.hdr --gap 7 --told --preset fast --preset balanced "
        "--json benchmarks/hdr-panoramas-told.json"
    ],
    "still-times": ["python tools/still_times.py -o benchmarks/still-times.json"],
    "footage-kinds": ["python tools/footage_kinds.py ../shared/data --json benchmarks/footage-kinds.json"],
}
# What this cannot make, and why.
BY_HAND = {
    "ablation": "needs networks that were trained on parts of the data: tools/ablation.py says how",
    "gpu": "needs a GPU: python tools/gpu_suite.py --out benchmarks/gpu.json",
    "video-one-flow": "compares two states of the code, of which one is no more",
    "zmq": "needs the baselines in another environment: python tools/bench_zmq --help",
}
_JSON = re.compile(r"benchmarks/([\w-]+)\.json")


def published() -> dict[str, list[str]]:
    """Name of each JSON -> the commands that make it, in order."""
    found: dict[str, list[str]] = {}
    for command in commands():
        name = _JSON.search(command.text)
        if name and name[1] not in BY_HAND and command.text not in found.setdefault(name[1], []):
            found[name[1]].append(re.sub(r"\s+", " ", command.text))
    return dict(sorted((found | MORE).items()))


@click.command(help=help_of(__doc__))
@click.option("--list", "listed", is_flag=True, help="Say what there is, and run nothing.")
@click.option("--only", multiple=True, metavar="NAME", help="Repeatable; as --list names them.")
@click.option(
    "--into", type=click.Path(path_type=Path), default=ROOT / "benchmarks", help="Default: benchmarks."
)
def main(listed: bool, only: tuple[str, ...], into: Path) -> None:
    """Make what is asked for."""
    known = published()
    if unknown := [name for name in only if name not in known]:
        why = "; ".join(f"{name}: {BY_HAND.get(name, 'no such name, see --list')}" for name in unknown)
        raise click.UsageError(why)
    if listed:
        click.echo(_listed(known))
        return
    into.mkdir(parents=True, exist_ok=True)
    failed = [name for name in only or known if not _make(name, known[name], into.resolve())]
    click.echo(f"Failed: {', '.join(failed)}." if failed else "All made. Next: python tools/figures.py")
    sys.exit(bool(failed))


def _listed(known: dict[str, list[str]]) -> str:
    """The names with their commands and times, and what has to be made by hand."""
    times = _times(ROOT / "benchmarks")
    lines = []
    for name, texts in known.items():
        took = f"{times[name]['cpu_minutes']:g} minutes of CPU" if name in times else "not timed yet"
        lines += [f"{name} ({took})", *(f"    {text}" for text in texts)]
    return "\n".join([*lines, "", *(f"{name}: by hand; {why}" for name, why in sorted(BY_HAND.items()))])


def _make(name: str, texts: list[str], into: Path) -> bool:
    """Run the commands of a name in a folder that has what they name; whether all went well."""
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        (here / "benchmarks").symlink_to(into)
        for folder in ("configs", "tools", "docs", "streamfuse"):
            (here / folder).symlink_to(ROOT / folder)
        for path in [*DATA.glob("*"), *DATA.glob("*/*")]:
            if not (here / path.name).exists():
                (here / path.name).symlink_to(path)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "STREAMFUSE_DATA": str(DATA),
        }
        cpu = cpu_of_children()
        for text in texts:
            print(f"$ {text}", flush=True)
            words = text.replace("CLIP...", CLIPS).replace("../shared/data", str(DATA))
            if subprocess.run(["bash", "-c", words], cwd=here, env=environment, check=False).returncode != 0:
                return False
    times = _times(into)
    times[name] = {"cpu_minutes": round((cpu_of_children() - cpu) / 60, 1)}
    write_json_file(into / "times.json", dict(sorted(times.items())))
    return True


def _times(folder: Path) -> dict[str, dict[str, float]]:
    file = folder / "times.json"
    found: dict[str, dict[str, float]] = (
        json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    )
    return found


if __name__ == "__main__":
    main()
