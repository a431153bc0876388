"""The hard set from the outside: which members there are, and a file that is measured in pieces."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import hard_set


def test_halves_share_no_scene_and_every_clip_is_there_at_both_steps_and_gaps():
    members = hard_set.members()
    assert len({member.name for member in members}) == len(members)
    halves = {half: {m.scene for m in members if m.half == half} for half in ("choosing", "reporting")}
    assert not halves["choosing"] & halves["reporting"]
    clips = [m for m in members if m.step is not None]
    assert len(clips) == len(hard_set.CLIPS) * len(hard_set.STEPS) * len(hard_set.GAPS_EV)


def test_misses_names_what_is_beyond_the_bar():
    member = hard_set.Member("steel", "choosing", 3.0, None)
    good = hard_set.ClipScore(*["", ""], **dict.fromkeys(_numbers(), 0.1))  # type: ignore[arg-type]
    assert hard_set.misses(member, {"plain": good, "smooth": good}) == []
    bad = replace(good, psnr=-0.1, afo_global=0.2, afo_mean=0.5, ripple=0.2)
    found = hard_set.misses(member, {"plain": good, "smooth": bad})
    assert found == ["psnr_lost", "ripple_ratio", "afo_global", "afo_mean"]
    by_lot = replace(bad, afo_chance=0.6)
    assert hard_set.misses(member, {"plain": good, "smooth": by_lot}) == found[:-1]
    at_5_ev = replace(member, gap_ev=5.0)
    assert hard_set.misses(at_5_ev, {"plain": good, "smooth": bad}) == ["psnr_lost", "ripple_ratio"]


def _numbers():
    from dataclasses import fields

    return [field.name for field in fields(hard_set.ClipScore)][2:]


@pytest.mark.slow
def test_rows_that_are_not_measured_now_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(hard_set, "FRAMES", 4)
    monkeypatch.setattr(hard_set, "WIDTH", 64)
    folder = tmp_path / "video/bridge_hdr"
    folder.mkdir(parents=True)
    scene = np.random.default_rng(0).random((48, 64, 3)).astype(np.float32) ** 8
    for number in range(16):
        cv2.imwrite(str(folder / f"{number:02}.hdr"), np.roll(scene, number, axis=1))
    file = tmp_path / "set.json"
    for match in ("bridge_hdr /4 5", "steel moving 3"):
        done = CliRunner().invoke(hard_set.main, [str(tmp_path), "--json", str(file), "--match", match])
        assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())
    assert [row["name"] for row in found["rows"]] == ["bridge_hdr /4 5 EV", "steel moving 3 EV"]
    assert found["rows"][0]["frames"] == 4
    assert {"plain", "smooth", "misses", "half"} <= set(found["rows"][0])
    assert "machine" in found["environment"]
