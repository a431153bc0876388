"""The tool that measures three clips of each kind of odd footage."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from streamfuse.config import load_config
from streamfuse.runtime.sources import open_source

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import footage_kinds as tool

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("STREAMFUSE_DATA", ROOT.parent / "shared" / "data"))


def both_of(count, height=72, width=96):
    """Flat pictures that tell their instant and exposure."""
    return [
        tuple(
            (
                np.full((height, width), 40 + instant + 100 * rank, np.uint8),
                *(np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2)),
            )
            for rank in range(2)
        )
        for instant in range(count)
    ]


def test_each_kind_is_made_as_it_says(tmp_path):
    both = both_of(2 * tool.FRAMES)
    for kind in tool.KINDS:
        footage = tool.made(kind, both)
        assert all(0 <= number < len(footage.pictures) for number in footage.wanted)
        assert not set(footage.alone) & set(footage.wanted)
    levels = [int(planes[0][0, 0]) for planes in tool.made("doubled", both).pictures[:6]]
    assert levels == [40, 40, 141, 141, 42, 42]
    woven = tool.made("interlaced", both)
    assert [int(line[0]) for line in woven.pictures[1][0][:4]] == [142, 143, 142, 143]
    tool.store(tmp_path / "fields.mp4", woven)
    with open_source(tmp_path / "fields.mp4") as source:
        assert len(list(source)) == tool.FRAMES
        assert source.report().deinterlaced == tool.FRAMES


def test_what_misses_the_bar():
    row = {"apart": 3, "ripple": 0.3, "ripple_oracle": 0.2}
    assert tool.misses(row) == []
    assert tool.misses({**row, "apart": 4}) == ["apart"]
    assert tool.misses({**row, "ripple": 0.31}) == ["ripple"]
    assert tool.misses({**row, "ripple": 0.15, "ripple_oracle": 0.01}) == []


def test_the_committed_figures_are_of_all_clips_and_kinds():
    document = json.loads((ROOT / "benchmarks" / "footage-kinds.json").read_text())
    found = {(row["kind"], row["clip"]) for row in document["rows"]}
    assert found == {(kind, clip) for kind in tool.KINDS for clip in tool.CLIPS}
    assert all(row["misses"] == tool.misses(row) for row in document["rows"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["fade-in", "title before", "title after", "late settling", "doubled", "interlaced"]
)
def test_a_clip_of_each_kind_reaches_the_bar(kind):
    if not (DATA / "video" / tool.CLIPS[0]).is_file():
        pytest.skip(f"no clips at {DATA}")
    row = tool.measure(kind, tool.CLIPS[0], DATA, load_config("default"))
    assert row["misses"] == []
