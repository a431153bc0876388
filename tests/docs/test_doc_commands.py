"""Every command of README.md and docs/*.md runs: as it stands, but on small inputs and for a short time."""

import importlib
import socket
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner
from material import make_material
from runs import REPOSITORY, start, streamfuse

from streamfuse.cli.app import main
from streamfuse.lab.bench import runs as bench_runs

sys.path.insert(0, str(REPOSITORY / "tools"))
import hdr_cost
import hdr_prints
from doc_commands import Command, commands

COMMANDS = commands()
_DATA = "needs stacks or clips that cannot be shipped"
_PEER = "needs a camera or a server on the network; tests/capture and tests/encode stand in for them"
# What is not run here, and why; * stands for anything.
NOT_RUN = {
    "pip install *": "installs packages",
    "streamfuse train configs/*": f"trains for hours and {_DATA}; tests/lab/train trains on made-up stacks",
    "python tools/ablation.py *": f"{_DATA}, and networks that were trained on them",
    "python tools/tone_by_size.py *": _DATA,
    "python tools/gpu_suite.py *": "needs a GPU; tests/tools/test_gpu_suite.py does a dry run",
    "python tools/look.py --json *": "takes minutes; it writes a table of times",
    "python tools/soak_live.py *": "runs for minutes; tests/runtime/live runs the same for seconds",
    "python tools/bench_live.py *": "runs for forty minutes; tests/tools runs the same for seconds",
    "python tools/skies.py *": f"takes minutes, and {_DATA}; tests/tools/test_skies.py does it with a made-up clip",
    "python tools/ten_scenes.py *": "takes minutes; tests/tools/test_ten_scenes.py makes a sheet",
    "streamfuse evaluate video bridge_hdr/ windows.mp4 ferris.mp4 dog.mp4 juggle.mp4 *": "takes minutes; "
    "tests/lab/evaluate/test_degrade.py does the same with a made-up clip",
    "python tools/hard_set.py *": f"takes a quarter of an hour, and {_DATA}",
    "streamfuse evaluate brackets *": f"{_DATA}; tests/lab/evaluate/test_brackets.py makes one",
    "streamfuse evaluate hdr vestibule_1k.hdr *": f"takes minutes, and {_DATA}",
    "python tools/formats.py *": "runs for minutes; tests/tools/test_formats.py runs the same",
    "python tools/formats_streams.py *": "runs for minutes; tests/tools/test_formats.py runs the same",
    "python tools/measure_noise.py *": "takes minutes, and has no smaller size",
    "python tools/acceptance.py *": "runs the README's commands under load for minutes; .ci/run runs it in short",
    "streamfuse export onnx *": "takes half a minute; tests/lab/test_export.py runs the command",
    "streamfuse bench --quick": "tools/first_hour/chooser.py runs it",
    "streamfuse still dark.jpg middle.jpg bright.jpg -o fused.png": "tools/first_hour/photographer.py runs it",
    "streamfuse live 0 *": "needs a camera; tests/capture has a made-up device",
    "streamfuse live rtsp://*": _PEER,
    "streamfuse live env:*": _PEER,
    "streamfuse evaluate ablation bridge_hdr/ dog.mp4 *": "another command of that page is the same with more clips",
    "streamfuse doctor --camera": "needs a camera; tests/capture has a made-up device",
    "streamfuse doctor --camera /dev/video0": "needs a camera; tests/capture has a made-up device",
    "streamfuse batch * --ray *": "needs a Ray cluster",
}
# Options that make a command short: where one is given twice the last counts.
SHORTER = {
    "evaluate video": ["--frames", "4", "--width", "96"],
    "evaluate ablation": ["--frames", "3", "--width", "64"],
    "evaluate stills": ["--no-speed"],
    "evaluate labels": ["--frames", "16", "--width", "64"],
    "live": ["--duration", "2"],
    "tools/hdr_cost.py": ["--size", "96x64", "--rounds", "1"],
    "tools/hdr_prints.py": ["--width", "96"],
}
# What of a tool makes its command short where no option does.
SMALLER: dict[ModuleType, dict[str, object]] = {
    hdr_cost: {"OUTPUTS": {"hevc, 10 bit": hdr_cost.OUTPUTS["hevc, 10 bit"]}},
    hdr_prints: {"TEN": hdr_prints.TEN[:2]},
}
# Commands of which several differ in inputs and sizes only, which are all the same here.
LONG = ("batch", "bench", "evaluate labels", "evaluate stills", "evaluate video")
# Options whose value decides what is done.
MODES = ("--part", "--preset")
# Commands that talk to each other: all of a block are started together.
TALKING = ("publish", "subscribe", "capture-publish", "record", "fuse pull:")


def reason(command: Command) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if fnmatchcase(command.text, pattern)), None)


def talks(command: Command) -> bool:
    return any(command.text.startswith(f"streamfuse {word}") for word in TALKING)


def options_of(command: Command) -> set[str]:
    """Its options, without the values of those that are no modes."""
    pairs = zip(command.words, [*command.words[1:], ""], strict=True)
    return {f"{word} {value}" if word in MODES else word for word, value in pairs if word.startswith("-")}


def goes_another_way(command: Command, others: Sequence[Command]) -> bool:
    """Whether no other of these has all of its options, or the same and comes first."""
    name = next((name for name in LONG if command.text.startswith(f"streamfuse {name} ")), None)
    if name is None:
        return True
    alike = [other for other in others if other.text.startswith(f"streamfuse {name} ")]
    own, earlier = options_of(command), alike[: alike.index(command)]
    return not any(own < options_of(o) for o in alike) and not any(own == options_of(o) for o in earlier)


ONCE = {command.text: command for command in COMMANDS}.values()
ALL = [c for c in ONCE if not reason(c) and not talks(c) and not c.text.startswith("streamfuse keys")]
ALONE = [c for c in ALL if goes_another_way(c, ALL)]
BLOCKS = list(dict.fromkeys((c.page, c.block) for c in COMMANDS if talks(c) and not reason(c)))


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    make_material(folder)
    return folder


@pytest.fixture
def here(material, tmp_path, monkeypatch):
    """A folder of one's own with the material in it."""
    for path in material.iterdir():
        if path.name == "benchmarks":
            (tmp_path / "benchmarks").mkdir()
        else:
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_pages_have_commands_and_none_is_excused_in_vain():
    assert len(COMMANDS) > 60
    assert {command.page for command in COMMANDS} >= {
        "README.md",
        "speed.md",
        "zmq.md",
        "live.md",
        "batch.md",
    }
    unused = [pattern for pattern in NOT_RUN if not any(fnmatchcase(c.text, pattern) for c in COMMANDS)]
    assert unused == []


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c.text.startswith("streamfuse ")],
    ids=lambda c: f"{c.page}: {c.text}"[:90],
)
def test_every_option_that_is_written_there_exists(command, here):
    words, group = command.words[1:], main
    while isinstance(group, click.Group):
        name, *words = words
        assert name in group.commands, command.text
        group = group.commands[name]
    group.make_context(name, list(words))


def short(command: Command) -> list[str]:
    """Its words, on small inputs, for a short time."""
    words = command.words[1:]
    if words[0] == "bench":
        sizes = [] if "--size" in words else ["--size", "96x64"]
        words = [word if "x" not in word or not word[0].isdigit() else "96x64" for word in words]
        words = ["fast" if word in ("balanced", "best") else word for word in words]
        preset = [] if "--preset" in words else ["--preset", "fast"]
        return [*words, *sizes, *preset, "--frames", "8", "--repeats", "1", "--no-baselines"]
    words = [word.replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}") for word in words]
    words = [word.replace(":5556", f":{free_port()}") for word in words]
    if "--workers" in words:
        words[words.index("--workers") + 1] = "2"  # each takes seconds to begin
    clips = [word for word in words if word.endswith(".mp4")]
    if words[0] == "evaluate" and clips:
        words = [word for word in words if word not in clips[1:]]  # all are one clip
    found = next((more for name, more in SHORTER.items() if " ".join(words).startswith(name)), [])
    paths = [sorted(map(str, Path().glob(w))) if w.startswith("*.") else [w] for w in words]
    return [word for expanded in paths for word in expanded] + found


@pytest.mark.slow
@pytest.mark.parametrize("command", ALONE, ids=lambda c: f"{c.page}: {c.text}"[:90])
def test_it_runs(command, here, monkeypatch):
    # Each run in a process of its own takes seconds to begin.
    monkeypatch.setattr(bench_runs, "measure_run", bench_runs._measure)
    if command.words[0] == "python":
        tool = importlib.import_module(Path(command.words[1]).stem)
        for name, value in SMALLER.get(tool, {}).items():
            monkeypatch.setattr(tool, name, value)
        result = CliRunner().invoke(
            tool.main, [*command.words[2:], *SHORTER.get(command.words[1], [])], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return
    words = short(command)
    if "--resume" in words:
        assert streamfuse(*(word for word in words if word != "--resume")).exit_code == 0
    if "--add" in words:
        assert streamfuse(*(word for word in words if word != "--add")).exit_code == 0
    result = streamfuse(*words)
    assert result.exit_code == 0, result.stderr
    for option in ("-o", "--json", "--report"):
        if option in words and (name := words[words.index(option) + 1]) and not name.startswith("-"):
            written = Path(name.replace("%05d", "00000"))
            assert written.exists() or words[0] == "live", name


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{b[0]} {b[1]}")
def test_those_that_talk_to_each_other_do(block, here):
    together = [c for c in COMMANDS if (c.page, c.block) == block]
    ports = {port: free_port() for port in ("5556", "5557", "5558")}
    processes = []
    for command in together:
        text = command.text.replace("tcp://camera", "tcp://127.0.0.1").replace(
            "tcp://fusion", "tcp://127.0.0.1"
        )
        text = text.replace(" sim:", " sample:?frames=8&size=96x64")
        for port, free in ports.items():
            text = text.replace(f":{port}", f":{free}")
        words = Command(command.page, command.block, text).words[1:]
        if words[0] == "keys":
            assert streamfuse(*words).exit_code == 0
            if words[-1] == "desk":  # the line between is a shell's: mkdir clients && cp desk.key clients/
                (here / "clients").mkdir()
                (here / "clients" / "desk.key").write_bytes((here / "desk.key").read_bytes())
            continue
        if words[0] == "publish":
            words += ["--wait-for", str(sum("streamfuse subscribe" in c.text for c in together))]
        processes.append((words, start(*words, cwd=here)))
    try:
        for words, process in processes:
            _, stderr = process.communicate(timeout=60)
            assert process.returncode == 0, (words, stderr)
    finally:
        for _, process in processes:
            process.kill()
