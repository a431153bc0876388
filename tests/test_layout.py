"""The layout of the package: few files at its root, each concept in a file that nothing else is called like."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import streamfuse
from streamfuse.core import protocols, reports

ROOT = Path(streamfuse.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")
CONTRACTS = (
    "Source",
    "Sink",
    "Stage",
    "Feed",
    "Drain",
    "ParallelStage",
    "DrivenSource",
    "SourceReport",
    "SinkReport",
)


def test_few_modules_stand_at_the_root() -> None:
    assert len([path for path in ROOT.iterdir() if path.is_file()]) <= 12


def test_few_file_names_occur_more_than_once() -> None:
    names = Counter(path.name for path in MODULES)
    assert len([name for name, count in names.items() if count > 1]) <= 8


def test_no_file_is_longer_than_one_reads_at_once() -> None:
    assert {path.name for path in MODULES if len(path.read_text().splitlines()) > 400} == set()


def members() -> set[str]:
    """What sources, stages, sinks and their reports have to offer."""
    kinds = [getattr(protocols, name, None) or getattr(reports, name) for name in CONTRACTS]
    named = {name for kind in kinds for name in (*vars(kind), *kind.__annotations__)}
    return {name for name in named if not name.startswith("_")}


def probes(path: Path) -> Iterator[str]:
    """Names that a module asks an object for by `getattr` or `hasattr`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "hasattr")
            and isinstance(node.args[1], ast.Constant)
        ):
            yield str(node.args[1].value)


def test_what_a_protocol_offers_is_called_and_not_asked_for() -> None:
    assert {"report", "warnings", "push", "close"} <= members()
    assert {(path.name, name) for path in MODULES for name in probes(path)} & {
        (path.name, name) for path in MODULES for name in members()
    } == set()
