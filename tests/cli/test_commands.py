"""The small commands, and what every command promises."""

import json
import signal

import pytest
import yaml
from runs import streamfuse

from streamfuse._version import __version__
from streamfuse.cli import doctor
from streamfuse.cli.app import main
from streamfuse.errors import OutputError


def commands(group=main, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_explains_itself(path):
    result = streamfuse(*path, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert len(result.stdout.split("\n\n")[1].strip()) > 10  # the sentence that says what it does


def test_help_lists_the_commands_and_the_exit_status():
    text = streamfuse("--help").stdout
    for word in ("fuse", "still", "doctor", "config", "train", "Exit status"):
        assert word in text


def test_the_version():
    assert streamfuse("--version").stdout.strip() == f"streamfuse, version {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [["bogus"], ["fuse"], ["fuse", "a.mp4"], ["fuse", "a.mp4", "-o"], ["still", "a.png", "-o", "b", "--bad"]],
)
def test_wrong_usage_is_status_two(arguments):
    result = streamfuse(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


def test_doctor_leaves_signals_as_they_were():
    before = signal.getsignal(signal.SIGTERM)
    assert streamfuse("doctor", "--camera", "sim:?size=64x48&frames=5").exit_code == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert streamfuse("doctor", "--camera", "http://127.0.0.1:9/").exit_code == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_doctor_fuses_and_encodes_and_says_where_it_cannot(monkeypatch):
    found = json.loads(streamfuse("doctor", "--json").stdout)
    assert found["checks"] == {"fuse": "works", "encode": "works"}
    assert "held back in training" in streamfuse("doctor").stdout

    def fails(*_, **__):
        raise OutputError("The disk is full.")

    monkeypatch.setattr("streamfuse.runtime.sinks.open_sink", fails)
    result = streamfuse("doctor")
    assert result.exit_code == 1
    assert "encode: does not work: The disk is full." in result.stdout


def test_doctor_gives_the_hint_that_fits(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert any(
        "Chromium is missing" in hint for hint in json.loads(streamfuse("doctor", "--json").stdout)["hints"]
    )
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not any("Chromium" in hint for hint in json.loads(streamfuse("doctor", "--json").stdout)["hints"])


def test_doctor_says_what_works():
    result = streamfuse("doctor")
    assert result.exit_code == 0
    for word in (__version__, "cpu", "lcndr-xs", "libx264", "cameras"):
        assert word in result.stdout


def test_doctor_for_programs():
    findings = json.loads(streamfuse("doctor", "--json").stdout)
    assert findings["devices"][0].startswith("cpu")
    assert set(findings["networks"]) == {"lcndr", "lcndr-s", "lcndr-xs"}
    assert not any("does not work" in text for text in findings["networks"].values())
    assert findings["encoders"]["libx264"] is True
    assert all(isinstance(opens, bool) for opens in findings["encoders"].values())


def test_config_show_can_be_checked_and_used(tmp_path):
    shown = streamfuse("config", "show", "fast")
    assert shown.exit_code == 0
    (tmp_path / "mine.yaml").write_text(shown.stdout)
    assert yaml.safe_load(shown.stdout)["fuse"]["preset"] == "fast"
    checked = streamfuse("config", "check", tmp_path / "mine.yaml", "default")
    assert checked.exit_code == 0
    assert checked.stdout.count("valid") == 2


def test_config_schema_is_json():
    assert "properties" in json.loads(streamfuse("config", "schema").stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    result = streamfuse("completion", shell)
    assert result.exit_code == 0
    assert "_STREAMFUSE_COMPLETE" in result.stdout


def test_training_says_what_is_missing(tmp_path):
    result = streamfuse("train", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml does not exist" in result.stderr
    (tmp_path / "bad.yaml").write_text("stepps: 3")
    assert streamfuse("train", tmp_path / "bad.yaml").exit_code == 2
