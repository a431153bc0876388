"""What runs streamfuse without a hand on it: the systemd unit and the Dockerfiles say what the program understands."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from streamfuse.cli.live import live

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "tools" / "deploy"
DOCKERFILES = ["Dockerfile.cpu", "Dockerfile.cuda"]


@pytest.fixture(scope="module")
def unit():
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "streamfuse-live.service")
    return parser


def known(arguments):
    names = {name for parameter in live.params for name in parameter.opts}
    return [word for word in arguments if word.startswith("--") and word not in names]


def test_the_unit_starts_the_command_with_options_that_it_has(unit):
    program, command, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "streamfuse"
    assert command == "live"
    assert known(arguments) == []
    assert unit["Service"]["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert unit["Service"]["RestartPreventExitStatus"] == "2"


def test_systemd_takes_the_unit(tmp_path):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "streamfuse-live.service").read_text()
    copy = tmp_path / "streamfuse-live.service"
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text))
    done = subprocess.run(
        [verify, "verify", "--man=no", copy], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in done.stderr.splitlines() if copy.name in line] == []


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_copies_what_is_there_and_starts_what_it_installs(name):
    text = (DEPLOY / name).read_text()
    for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", text):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources)
    assert 'ENTRYPOINT ["streamfuse"]' in text
    assert re.search(r"(?m)^USER streamfuse$", text)
    extras = re.search(r"\.\[([a-z,]+)\]", text)[1].split(",")
    project = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"(?m)^{extra} = \[", project) for extra in extras)
    torch = re.search(r'"(torch[^"]+)"', text)[1]
    assert f'"{torch}"' in project
    examples = re.sub(r"\\\n#", "", text)
    for arguments in re.findall(r"streamfuse(?::cuda)?\s+live (.+)", examples):
        assert known(shlex.split(arguments)) == []
