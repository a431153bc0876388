"""The contributor: a clone, its tests, then a camera driver, a fuser, an output and a metric by docs/extending.md.

    python tools/first_hour/run.py contributor

The packages are those of the environment that this runs in (with streamfuse[test]): to install them once more would
take minutes and show nothing new.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from inputs import write_film
from walk import ROOT, Walk, block_of, stands_in

CONTRIBUTING, EXTENDING = "CONTRIBUTING.md", "docs/extending.md"
_NOT_CLONED = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "*.egg-info", "*.mp4")


def main() -> None:
    walk = Walk("contributor")
    clone = Path("streamfuse").resolve()
    with walk.step("git clone"):  # a copy stands for it, so that what is not committed yet is walked, too
        shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*_NOT_CLONED), symlinks=True)
        write_film("plain.mp4", "sample:?size=160x90&frames=6&cycle=1&gap=0", sound=False)
    python = clone / ".venv" / "bin" / "python"
    install = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[dev]'"
    walk.see("CONTRIBUTING says how to install it", stands_in(CONTRIBUTING, install))
    with walk.step("python3 -m venv .venv && .venv/bin/pip install -e ."):
        subprocess.run([sys.executable, "-m", "venv", clone / ".venv"], check=True)
        site = next((clone / ".venv" / "lib").glob("python*/site-packages"))
        (site / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-e", clone], check=True)
    _run(
        walk,
        clone,
        ".venv/bin/pytest -q tests/look",
        [python, "-m", "pytest", "-q", "-m", "not slow", "tests/look"],
    )

    _driver(walk, clone, python)
    _fuser_and_output(walk, clone, python)
    _metric(walk, clone, python)
    walk.end()


def _run(walk: Walk, clone: Path, text: str, words: list[str | Path]) -> str:
    """A command of CONTRIBUTING.md in the clone."""
    walk.see("CONTRIBUTING has it", stands_in(CONTRIBUTING, text), text)
    with walk.step(text):
        done = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False, timeout=300)
    walk.see("it passes", done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


def _driver(walk: Walk, clone: Path, python: Path) -> None:
    """A module beside the others, and its name in `_DRIVERS`."""
    page = (ROOT / EXTENDING).read_text(encoding="utf-8")
    walk.see("the recipe names the one place", "`_DRIVERS` of [`camera/open.py`]" in page)
    with walk.step("a camera driver, by the recipe"):
        shutil.copy(
            clone / "examples" / "own_camera" / "acme_cameras.py", clone / "streamfuse" / "camera" / "acme.py"
        )
        _add_below(
            clone / "streamfuse" / "camera" / "open.py",
            "_DRIVERS: Mapping[str, str] = {",
            '    "acme": "streamfuse.camera.acme:AcmeCamera",',
        )
        shown = subprocess.run(
            [
                python, "-c",
                "import itertools, streamfuse\n"
                "frames = streamfuse.fuse_live('acme:1', preset='fast')\n"
                "print(streamfuse.__file__, [frame.rgb().shape for frame in itertools.islice(frames, 3)])\n",
            ],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    walk.see("it runs", shown.stdout.count("(180, 320, 3)") == 3, shown.stdout + shown.stderr)
    walk.see("the clone's code ran", str(clone) in shown.stdout, shown.stdout)


def _fuser_and_output(walk: Walk, clone: Path, python: Path) -> None:
    """A fuser in `create_fuser` and `FUSERS`, and an output that is a line of `_OUTPUTS`."""
    page = (ROOT / EXTENDING).read_text(encoding="utf-8")
    for place in ("`FUSERS` ([`core/values.py`]", "a branch in `create_fuser`", "a line of `_OUTPUTS`"):
        walk.see("the recipes name the places", place in page, place)
    package = clone / "streamfuse"
    with walk.step("a fuser and an output, by the recipes"):
        shutil.copy(clone / "examples" / "own_fuser" / "plain_mean.py", package / "fusion" / "plain_mean.py")
        _replace(package / "core" / "values.py", '"mertens", *TONE_MAPS', '"mertens", "mean", *TONE_MAPS')
        _add_below(
            package / "fusion" / "fuser.py",
            "    name = None if name is None else str(name)",
            '    if name == "mean":\n'
            "        from streamfuse.fusion.plain_mean import make\n\n"
            "        return make(device)",
        )
        _add_below(
            package / "runtime" / "live_sinks.py",
            "_OUTPUTS = (",
            '    LiveOutput(("again:",), lambda name: None, lambda name, info, options: NullSink()),',
        )
        _add_below(
            package / "runtime" / "live_sinks.py",
            "from streamfuse.core.protocols import Sink, SourceInfo",
            "from streamfuse.encode.null_sink import NullSink",
        )
        command = ["fuse", "sample:?size=64x48&frames=4", "-o", "again:", "--fuser", "mean", "--json"]
        done = subprocess.run(
            [python, "-m", "streamfuse", *command], capture_output=True, text=True, check=False, timeout=300
        )
    walk.see("it runs", done.returncode == 0, done.stderr)
    walk.see(
        "four frames by that fuser",
        [json.loads(done.stdout)[key] for key in ("frames_out", "fuser")] == [4, "mean"],
    )


def _metric(walk: Walk, clone: Path, python: Path) -> None:
    """The lines that the recipe shows, in the one place that it names."""
    recipe = block_of(EXTENDING, "Measure(")
    with walk.step("a metric, by the recipe"):
        place = clone / "streamfuse" / "lab" / "evaluate" / "frame_measures.py"
        _add_below(place, "MEASURES: Mapping[str, Measure] = {", recipe.rstrip())
        done = subprocess.run(
            [
                python, "-m", "streamfuse", "evaluate", "video", "plain.mp4", "--frames", "4", "--width", "96",
                "--preset", "fast", "--no-baselines", "--json", "scores.json",
            ],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    walk.see("it runs", done.returncode == 0, done.stderr)
    row = json.loads(Path("scores.json").read_text())["rows"][0]
    walk.see("the figure is in the JSON", row.get("mean_error", 0) > 0, row)
    walk.see("and on the screen, explained", done.stdout.count("mean error") == 2, done.stdout)


def _add_below(file: Path, line: str, text: str) -> None:
    """Put lines below the one that a recipe names."""
    old = file.read_text(encoding="utf-8")
    if old.count(f"{line}\n") != 1:
        sys.exit(f"contributor: {file} has no line {line!r} (any more): the recipe leads nowhere.")
    file.write_text(old.replace(f"{line}\n", f"{line}\n{text}\n"), encoding="utf-8")


def _replace(file: Path, old: str, new: str) -> None:
    """Put one text in the place of another."""
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"contributor: {file} has not one {old!r}: the recipe leads nowhere.")
    file.write_text(text.replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    main()
