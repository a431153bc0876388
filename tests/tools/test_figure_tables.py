"""The tables in README and docs are those of the committed benchmark files."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "figures.py"


def test_no_table_is_out_of_date():
    done = subprocess.run(
        [sys.executable, TOOL, "--check"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_figure_that_was_changed_by_hand_is_noticed(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(TOOL.parent))
    import figures

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert figures.fill(text) == text
    changed = text.replace("| plain mean | 0.", "| plain mean | 1.")
    assert changed != text
    assert figures.fill(changed) == text


def test_an_unknown_figure_is_refused(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOL.parent))
    import figures

    with pytest.raises(KeyError):
        figures.fill("<!-- figures: nothing -->\n<!-- end -->")
