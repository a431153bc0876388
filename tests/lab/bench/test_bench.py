"""The benchmark: figures of every part, merged and written, and refusals in one sentence."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from runs import streamfuse

from streamfuse.errors import OutputError, UsageError
from streamfuse.lab.bench import benchmark as bench
from streamfuse.lab.bench.baseline_stages import ALONE, BASELINE_STAGES, DIS, MTB, PassOn
from streamfuse.lab.bench.benchmark import (
    BenchPlan,
    make_clip,
    merged,
    ratios,
    read_figures,
    run_bench,
    write_figures,
)
from streamfuse.lab.bench.ceiling import Ceiling, measure_ceiling
from streamfuse.lab.bench.printed import tables
from streamfuse.lab.bench.profile import measure_shares
from streamfuse.lab.bench.runs import NOT_HERE, NULL, measure_run, measure_runs
from streamfuse.lab.bench.stages import measure_stages
from streamfuse.lab.evaluate.baseline_networks import guided_fusion, released_lcndr
from streamfuse.lab.evaluate.cost import synthetic_exposures
from streamfuse.synthetic.sample_source import SampleSource

SIZE = (96, 64)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("bench") / "clip.mp4", SIZE, 10)


def figures(fps, machine="m", size="2x2", date="monday"):
    rows = [
        {"size": size, "method": name, "output": "disk", "fps": rate, "call": date}
        for name, rate in (("streamfuse fast", fps), (MTB, 5.0))
    ]
    return {"calls": [{"environment": {"machine": machine, "date": date}}], "runs": rows}


def test_a_ceiling_bounds_time_by_bytes_or_by_operations():
    ceiling = Ceiling(bytes_per_s=100.0, operations_per_s=10.0)
    assert ceiling.least_seconds(200.0, 5.0) == 2.0
    assert ceiling.least_seconds(200.0, 50.0) == 5.0


@pytest.mark.slow
def test_a_ceiling_is_measured():
    measured = measure_ceiling()
    assert measured.bytes_per_s > 1e8
    assert measured.operations_per_s > 1e8


@pytest.mark.slow
def test_every_stage_has_its_cost(clip, tmp_path):
    output = tmp_path / "out.mkv"
    costs = measure_stages(clip, "fast", output, Ceiling(1e10, 1e10))
    names = ["decode", "label", "pair", "align", "weigh", "smooth", "blend", "encode", "publish"]
    assert [cost.stage for cost in costs] == names
    assert all(cost.cpu_ms > 0 and cost.p50_ms <= cost.p95_ms <= cost.p99_ms for cost in costs)
    assert {cost.stage for cost in costs if cost.operations_m > 0} == {"weigh"}
    assert not output.exists()


@pytest.mark.parametrize("name", sorted(BASELINE_STAGES))
def test_baselines_fuse_pairs_of_frames(name):
    frames = list(SampleSource(*SIZE, 4))
    stage = BASELINE_STAGES[name]()
    fused = [frame for item in frames for frame in stage.push(item)] + list(stage.flush())
    assert len(fused) == (4 if BASELINE_STAGES[name] is PassOn else 3)
    for frame in fused:
        assert [(p.shape, p.dtype) for p in frame.planes] == [(p.shape, p.dtype) for p in frames[0].planes]
    if name in (MTB, DIS):  # brighter than the dark frame, darker than the bright one
        means = sorted(float(frame.luma.mean()) for frame in frames[:2])
        assert means[0] < float(fused[0].luma.mean()) < means[1]


@pytest.mark.parametrize("fusion", [guided_fusion, released_lcndr])
def test_networks_of_others_give_a_picture(fusion):
    fused = fusion(synthetic_exposures(64, 48, 2))
    assert (fused.shape, fused.dtype) == ((48, 64), np.uint8)
    assert fused.std() > 1


@pytest.mark.slow
def test_a_run_is_measured_in_a_process_of_its_own(clip):
    run = measure_run("fast", clip, NULL)
    assert run is not None
    assert (run.method, run.output, run.frames) == ("streamfuse fast", "null", 10)
    assert 0 < run.whole_fps < run.fps  # with the start and the end of Python
    assert run.cpu_s_per_mp > 0
    assert run.peak_mb > 10
    assert {"source", "align", "weigh", "blend", "sinks"} <= set(run.busy_ms)


@pytest.mark.slow
def test_what_fails_is_left_out(tmp_path):
    assert measure_run("fast", tmp_path / "nothing.mp4", NULL) is None


@pytest.mark.slow
def test_runs_take_turns_and_those_that_fail_are_left_out(clip, tmp_path):
    said = []
    wanted = [("fast", NULL), ("nothing", NULL), (ALONE, str(tmp_path / "out.mkv"))]
    runs = measure_runs(wanted, clip, 1, said.append)
    assert [(run.method, run.output) for run in runs] == [("streamfuse fast", "null"), (ALONE, "disk")]
    assert [line.split(",")[0] for line in said[::2]] == ["fast", "nothing", ALONE, "fast", ALONE]
    assert [line == NOT_HERE for line in said[1::2]] == [False, True, False, False, False]
    assert all(line.endswith(" frames per second") for line in said[1::2] if line != NOT_HERE)


def test_figures_of_two_calls_come_together():
    both = merged(figures(10.0), figures(20.0, date="tuesday"))
    assert [row["fps"] for row in both["runs"]] == [10.0, 5.0, 20.0, 5.0]
    assert [call["environment"]["date"] for call in both["calls"]] == ["monday", "tuesday"]
    with pytest.raises(UsageError, match="another machine"):
        merged(figures(10.0), figures(20.0, machine="n"))


def test_ratios_are_of_one_call_and_one_size():
    calls = [figures(20.0), figures(10.0, size="4x4"), figures(30.0, date="tuesday")]
    assert [row["over"] for row in ratios(merged(merged(*calls[:2]), calls[2]))] == [
        {MTB: 4.0}, {MTB: 2.0}, {MTB: 6.0},
    ]  # fmt: skip


def test_figures_are_added_to_a_file_of_figures_only(tmp_path):
    path = tmp_path / "figures.json"
    write_figures(figures(10.0), path)
    both = write_figures(figures(20.0), path, read_figures(path))
    assert both == json.loads(path.read_text())
    assert len(both["runs"]) == 4
    assert len(write_figures(figures(20.0), path)["runs"]) == 2
    for content in ("[]", "{}", "no", '{"calls": []}'):
        path.write_text(content)
        with pytest.raises(UsageError, match="holds no figures"):
            read_figures(path)


def test_figures_that_cannot_be_written_leave_the_old_ones(tmp_path, monkeypatch):
    path = tmp_path / "figures.json"
    old = write_figures(figures(10.0), path)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_figures(figures(20.0), path, old)
    assert list(tmp_path.iterdir()) == [path]
    assert json.loads(path.read_text()) == old


@pytest.mark.parametrize(("size", "frames"), [((33, 32), 10), ((16, 16), 10), ((64, 64), 3)])
def test_what_cannot_be_measured_is_refused(size, frames):
    with pytest.raises(UsageError):
        run_bench(BenchPlan([size], frames=frames), print)


@pytest.mark.slow
def test_the_command_writes_json_and_prints_tables(tmp_path):
    path = tmp_path / "bench.json"
    result = streamfuse(
        "bench", "--size", "64x48", "--frames", "8", "--preset", "fast", "--part", "stages", "--json", path
    )
    assert result.exit_code == 0, result.stderr
    written = json.loads(path.read_text())
    assert {"machine", "versions", "commit", "date"} <= set(written["calls"][0]["environment"])
    assert {row["stage"] for row in written["stages"]} >= {"decode", "align", "encode"}
    assert all(row["size"] == "64x48" and row["preset"] == "fast" for row in written["stages"])
    assert "Stages alone" in result.stdout
    assert len(list(tables(written))) == 1


@pytest.mark.parametrize("frames", [8, 24, 40])  # labels are found after 24 frames
def test_a_short_clip_has_a_profile(frames, tmp_path):
    shares = measure_shares(make_clip(tmp_path / "clip.mp4", SIZE, frames), "fast", tmp_path / "out.mkv")
    assert min(shares.codecs, shares.kernels, shares.python) > 0
    assert 0 < shares.overhead < 1


@pytest.mark.slow
def test_figures_are_kept_when_a_later_part_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise OutputError("the disk is full.")

    monkeypatch.setattr(bench, "measure_shares", fail)
    path = tmp_path / "bench.json"
    result = streamfuse(
        "bench", "--size", "64x48", "--frames", "8", "--preset", "fast", "--no-baselines", "--json", path
    )
    assert result.exit_code == 1
    assert "the disk is full" in result.stderr
    assert "Stages alone" in result.stdout
    written = json.loads(path.read_text())
    assert written["fusion"]
    assert written["stages"]
    assert written["profile"] == []


def test_the_command_refuses_what_is_no_size(tmp_path):
    result = streamfuse("bench", "--size", "big")
    assert result.exit_code == 2
    assert "'big' is not a size" in result.stderr
    result = streamfuse("bench", "--quick", "--json", tmp_path / "none" / "x.json")
    assert result.exit_code != 0
    assert "no folder" in result.stderr


def test_quick_is_of_the_size_that_is_wanted(monkeypatch):
    plans = []
    monkeypatch.setattr(bench, "run_bench", lambda plan, *_: plans.append(plan))
    for more in ([], ["--size", "96x64"]):
        assert streamfuse("bench", "--quick", *more).exit_code == 0
    assert [plan.sizes for plan in plans] == [[(1280, 720)], [(96, 64)]]
    assert all(plan.repeats == 1 for plan in plans)
