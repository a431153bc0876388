"""The report of an evaluation: one whole page, that takes its place when it is whole."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from streamfuse.errors import OutputError
from streamfuse.lab.evaluate.report import ReportWriter, Table


def test_report_escapes_and_is_whole(tmp_path):
    picture = np.zeros((8, 12, 3), np.uint8)
    with ReportWriter(tmp_path / "r.html", "<b>title", {"data": "a&b"}) as page:
        page.comparison("<i>scene", {'a"b': picture, "b": picture[:, :, 0]}, table=Table(["m"], [["<u>1"]]))
        page.table(Table(["head"], [["last"]], "First on the page"))
        page.fact("late", "fact")
    text = (tmp_path / "r.html").read_text()
    assert "<b>" not in text
    assert "<i>" not in text
    assert "<u>" not in text
    assert text.index("First on the page") < text.index("&lt;i&gt;scene")
    assert text.count("data:image/jpeg;base64,") == 2
    assert text.endswith("</html>\n")


def test_an_error_leaves_no_report(tmp_path):
    with pytest.raises(KeyError), ReportWriter(tmp_path / "r.html", "t"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_report_needs_a_folder(tmp_path):
    with pytest.raises(OutputError, match="no"):
        ReportWriter(tmp_path / "no" / "r.html", "t")
    with pytest.raises(OutputError, match="is a folder"):
        ReportWriter(tmp_path, "t")


def test_a_report_in_the_making_has_no_name_that_could_be_left_over(tmp_path):
    with ReportWriter(tmp_path / "r.html", "t") as page:
        page.heading("x" * 100_000)
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "r.html"]


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "r.html").write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    page = ReportWriter(tmp_path / "r.html", "t")
    page.table(Table(["head"], [["last"]]))
    with pytest.raises(OutputError, match=r"r\.html cannot be written \(No space"), page:
        pass
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_report_into_a_pipe_leaves_the_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KeyError), ReportWriter(tmp_path / "pipe", "t"):
        raise KeyError
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
