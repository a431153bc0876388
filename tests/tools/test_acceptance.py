"""tools/acceptance.py: what it promises is what README.md says, and a broken promise is seen."""

import json
import resource
import sys
import time
from dataclasses import asdict

import pytest
from runs import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tools"))
import acceptance
from acceptance import PROMISES, Promise, Row
from doc_commands import commands

FUSE = "streamfuse fuse clip.mov -o fused.mp4"


def test_the_committed_figures_are_of_these_promises():
    found = json.loads((REPOSITORY / "benchmarks" / "acceptance.json").read_text())
    assert found["promises"] == [asdict(promise) for promise in PROMISES]
    assert {row["busy"] for row in found["rows"]} >= {0, 1}
    for promise in PROMISES:
        assert any(row["command"].startswith(promise.command) for row in found["rows"]), promise


@pytest.mark.parametrize("begin", sorted({promise.command for promise in PROMISES}))
def test_what_is_promised_is_of_a_command_of_the_readme(begin):
    assert any(c.page == "README.md" and c.text.startswith(begin) for c in commands())


def test_a_broken_promise_is_named():
    good = {"rate": 30.0, "lost": 0, "quality": 0.98, "baseline": 0.97}
    row = Row(FUSE, 0, 0, 1.0, **good)  # type: ignore[arg-type]
    row.judge(1.0)
    assert row.broken == []
    for change, broken in (
        ({"rate": 2.0}, ["rate >= 8"]), ({"lost": 1}, ["lost <= 0"]), ({"quality": 0.9}, ["above >= 0"]),
        ({"rate": None}, ["rate >= 8"]),
    ):  # fmt: skip
        row = Row(FUSE, 0, 0, 1.0, **(good | change))
        row.judge(1.0)
        assert row.broken == broken
    row = Row(FUSE, 1, 3, 1.0, **good)  # type: ignore[arg-type]
    row.judge(1.0)
    assert row.broken == ["exit status 3"]


def test_slack_is_for_rates_and_times_alone():
    assert Promise("", "rate", least=20).kept(1.0, 20)
    assert not Promise("", "rate", least=20).kept(0.9, 20)
    assert Promise("", "p99", most=400).kept(8000, 20)
    assert not Promise("", "lost", most=0).kept(1, 20)
    assert not Promise("", "above", least=0).kept(-0.01, 20)


def test_busy_processes_take_cpu_and_end():
    def used():
        return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    before = used()
    with acceptance.burning(1):
        time.sleep(1)
    assert used() - before > 0.1
