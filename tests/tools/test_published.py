"""Every figure that is published can be made again, or it is said why not."""

import json
import sys

from click.testing import CliRunner
from runs import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tools"))
import published


def test_every_json_of_the_benchmarks_has_its_command_or_a_reason():
    there = {path.stem for path in (REPOSITORY / "benchmarks").glob("*.json")} - {"times"}
    known = set(published.published())
    assert there - known - set(published.BY_HAND) == set()
    assert not known & set(published.BY_HAND)
    assert known - there == set()


def test_the_list_names_commands_and_what_is_by_hand():
    text = CliRunner().invoke(published.main, ["--list"]).stdout
    assert "    streamfuse evaluate stills mefb_half/ --json benchmarks/stills-mefb-half.json" in text
    assert "gpu: by hand; needs a GPU" in text


def test_one_is_made_into_a_folder_of_its_own(tmp_path, monkeypatch):
    command = "python -c \"open('benchmarks/some.json', 'w').write('{}')\""
    monkeypatch.setattr(published, "published", lambda: {"some": [command], "other": ["false"]})
    into = ["--into", str(tmp_path / "new")]
    assert CliRunner().invoke(published.main, ["--only", "some", *into]).exit_code == 0
    assert (tmp_path / "new" / "some.json").read_text() == "{}"
    assert json.loads((tmp_path / "new" / "times.json").read_text())["some"]["cpu_minutes"] >= 0
    assert CliRunner().invoke(published.main, ["--only", "other", *into]).exit_code == 1


def test_what_cannot_be_made_here_is_said():
    done = CliRunner().invoke(published.main, ["--only", "gpu"])
    assert done.exit_code == 2
    assert "needs a GPU" in done.stderr
