"""Scores of stages whose faults are known."""

import errno
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from runs import streamfuse

from streamfuse.core.frame import AlignedBracket, Bracket, Frame, FusedFrame
from streamfuse.core.protocols import Stage
from streamfuse.lab.evaluate.frame_measures import MEASURES, Measure
from streamfuse.lab.evaluate.radiance_clips import HdrFolder
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation
from streamfuse.lab.evaluate.video import FlowMeter, evaluate_baselines, evaluate_clip
from streamfuse.lab.evaluate.video_report import score_table
from streamfuse.lab.evaluate.videos import legend, line
from streamfuse.lab.evaluate.virtual_camera import MovingObject, VirtualCamera
from streamfuse.runtime.line import Line


def mean_fuse(exposures, template):
    del template
    return tuple(
        np.mean(planes, axis=0).round().astype(planes[0].dtype) for planes in zip(*exposures, strict=True)
    )


class KnowingStage(Stage[Frame, FusedFrame]):
    """Fuses the true exposures of each instant, then spoils the luma as told."""

    def __init__(self, clip, spoil=lambda luma, rank: luma, delay=0):
        self.clip, self.spoil, self.delay = clip, spoil, delay
        self.held = []

    def push(self, frame):
        truth = self.clip.truth[frame.index]
        planes = mean_fuse([picture.planes for picture in self.clip.exposures(truth.instant)], frame)
        luma = self.spoil(planes[0].astype(int), truth.rank)
        spoilt = (np.clip(luma, 0, 255).astype(np.uint8), *planes[1:])
        self.held.append(FusedFrame.of(frame, spoilt))
        return [self.held.pop(0)] if len(self.held) > self.delay else []

    def flush(self):
        held, self.held = self.held, []
        return held


class PassStage(Stage[Frame, Frame]):
    def push(self, item):
        return [item]


def camera(count=8, objects=True):
    noise = np.random.default_rng(0).random((128, 256, 3)).astype(np.float32)
    world = cv2.GaussianBlur(noise, (0, 0), 2) ** 4
    things = [MovingObject(world[:24, :24] * 3 + 0.02, (10.0, 24.0), (4.0, 0.0))] if objects else []
    poses = [(0.5 * t, 0.0, 0.0) for t in range(count)]
    return VirtualCamera(world, poses, width=64, height=48, objects=things)


@pytest.fixture
def clip():
    return SimulatedClip(camera(), Simulation(), name="test clip")


def score(clip, **faults):
    return evaluate_clip(
        clip, lambda: Line("first", PassStage()).then("fuse", KnowingStage(clip, **faults)), mean_fuse
    )


def test_perfect_stages_score_perfectly(clip):
    result = score(clip)
    assert result.psnr == result.motion_psnr == 100
    assert result.ssim == pytest.approx(1)
    assert result.motion_p99 == 0
    assert result.afo_mean == result.afo_p99 == result.afo_global == 0
    assert result.afi == result.afi_oracle
    assert result.warping_error == result.warping_error_oracle < 0.01
    assert (result.frames_in, result.frames_out, result.delay_frames) == (8, 8, 0)
    assert (result.method, result.clip) == ("streamfuse", "test clip")


def test_constant_error_costs_psnr_and_no_flicker(clip):
    result = score(clip, spoil=lambda luma, rank: luma + 4)
    assert result.psnr == pytest.approx(20 * np.log10(219 / 4), abs=0.05)
    assert result.afo_mean == pytest.approx(0, abs=1e-3)


def test_what_is_darker_than_every_exposure_shows_in_the_figures_of_the_extremes(clip):
    assert score(clip).darker == 0
    spoilt = score(clip, spoil=lambda luma, rank: luma - 60)
    assert spoilt.darker > 1
    assert spoilt.brighter == 0


def test_alternating_error_is_flicker(clip):
    result = score(clip, spoil=lambda luma, rank: luma + (2 if rank else -2))
    in_code_values = 2 / 219 * 255
    assert result.afo_mean == pytest.approx(in_code_values, rel=1e-3)
    assert result.afo_global == pytest.approx(in_code_values, rel=1e-3)
    assert result.afi > result.afi_oracle + 1


def test_ghost_on_the_moving_object_shows_in_the_motion_mask():
    still = [(0.0, 0.0, 0.0)] * 6
    world = camera()
    moving = VirtualCamera(
        world[0][:, :, :].repeat(2, axis=1),
        still,
        width=64,
        height=48,
        objects=[MovingObject(np.full((16, 16, 3), 0.5, np.float32), (16.0, 24.0), (5.0, 0.0))],
    )
    clip = SimulatedClip(moving, Simulation(noise=0.0))

    def ghost(luma, rank):
        spoilt = luma.copy()
        spoilt[20:28, 20:36] += 30
        return spoilt

    result = score(clip, spoil=ghost)
    assert 0 < result.motion_share < 0.5
    assert result.motion_psnr < result.psnr - 3
    assert result.motion_p99 == pytest.approx(30 / 219 * 255, rel=0.01)


@pytest.mark.parametrize("delay", [1, 3])
def test_delay_and_frames_held_to_the_end_are_counted(clip, delay):
    result = score(clip, delay=delay)
    assert (result.frames_out, result.delay_frames, result.delay_frames_max) == (8, delay, delay)
    assert result.psnr == 100


def test_delay_of_a_slow_start_is_not_the_delay_in_the_end(clip):
    class SlowStart(PassStage):
        held = ()

        def push(self, item):
            self.held = [*self.held, item]
            if item.index < 5:
                return []
            ready, self.held = self.held, []
            return ready

    result = evaluate_clip(
        clip, lambda: Line("first", SlowStart()).then("fuse", KnowingStage(clip)), mean_fuse
    )
    assert (result.delay_frames, result.delay_frames_max) == (0, 5)
    held = score(clip, delay=100)
    assert (held.frames_out, held.delay_frames, held.delay_frames_max) == (8, None, None)


def test_lost_and_doubled_frames_keep_their_truth():
    clip = SimulatedClip(camera(16), Simulation(drop=0.2, double=0.2, seed=2))
    assert len(clip) != 16
    result = score(clip)
    assert result.psnr == 100
    assert result.frames_out == len(clip)


def test_result_is_json_even_when_nothing_came_out(clip):
    class Nothing(PassStage):
        def push(self, item):
            return []

    result = evaluate_clip(clip, Nothing, mean_fuse, name="nothing")  # type: ignore[arg-type]
    record = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert record["psnr"] is None
    assert record["frames_out"] == 0
    assert json.dumps(score(clip).as_dict(), allow_nan=False)


def scores_of_baselines(clip):
    return {result.method.partition(" + MergeMertens")[0]: result for result in evaluate_baselines(clip)[:3]}


def test_baselines_on_a_still_scene_without_noise_reach_their_oracle():
    still = SimulatedClip([camera()[0]] * 4, Simulation(noise=0.0))
    for name, result in scores_of_baselines(still).items():
        assert result.psnr > (45 if name != "AlignMTB" else 20)
        assert result.frames_out == 3  # before the first one there was no other exposure


def test_aligning_baselines_beat_naive_pairing():
    blurred = cv2.GaussianBlur(np.random.default_rng(0).random((256, 512, 3)).astype(np.float32), (0, 0), 2)
    # So dark that the bright exposure shows something.
    world = ((blurred - blurred.min()) / np.ptp(blurred)) ** 4
    poses = [(2.0 * t, 0.0, 0.0) for t in range(5)]
    panning = VirtualCamera(world, poses, width=128, height=96)
    scores = scores_of_baselines(SimulatedClip(panning, Simulation()))
    naive, matched = scores["naive"], scores["DIS matched"]
    assert matched.psnr > naive.psnr + 3
    assert matched.motion_psnr > naive.motion_psnr
    assert matched.ssim > naive.ssim
    assert matched.warping_error < naive.warping_error


def test_baselines_take_deep_pictures_and_longer_cycles():
    deep = SimulatedClip(camera(5), Simulation(gaps_ev=(0.0, 2.0, 4.0), bits=10, subsampling=(0, 0)))
    results = evaluate_baselines(deep)
    assert all(result.frames_out == 3 and result.psnr > 15 for result in results)


def flow_score(scene, clip, wrong_by=0.0):
    """The score of an aligner that knows the flow to the frame before, on a grid of half the size."""
    meter = FlowMeter(clip, scene)
    for frame in clip:
        flow = None
        if frame.index:
            now, then = (clip.truth[i].instant for i in (frame.index, frame.index - 1))
            full = scene.flow(now, then) + np.array([wrong_by, 0], np.float32)
            flow = cv2.resize(full, (32, 24), interpolation=cv2.INTER_AREA) / 2
        bracket = Bracket(frame, 0, 2, {})
        meter.add(AlignedBracket(bracket, (frame.planes,) * 2, (0.0, 3.0), (None, None), flow_before=flow))
    return meter.score()


def test_flow_is_scored_at_full_size():
    scene = camera(objects=False)
    clip = SimulatedClip(scene, Simulation())
    assert flow_score(scene, clip) == (pytest.approx(0, abs=0.02), 0)
    assert flow_score(scene, clip, wrong_by=4.0) == (pytest.approx(4, abs=0.02), 1)


@pytest.mark.slow
def test_baselines_on_real_hdr_video_come_out_as_measured_before(data_dir):
    frames = HdrFolder(data_dir / "video" / "bridge_hdr", count=6)
    clip = SimulatedClip(frames, name="bridge_hdr")
    naive, _, matched, averaged = evaluate_baselines(clip)
    assert naive.psnr == pytest.approx(24.6, abs=2)
    assert matched.psnr == pytest.approx(39.5, abs=2)
    assert averaged.psnr < matched.psnr - 1


@pytest.mark.parametrize(
    ("command", "option"),
    [("video", "--json"), ("video", "--report"), ("ablation", "--json"), ("labels", "--json")],
)
def test_what_cannot_be_written_is_refused_before_a_clip_is_read(tmp_path, command, option):
    for name, sentence in [
        ("", "is a folder"), (tmp_path, "is a folder"), (tmp_path / "no" / "f", "There is no folder"),
    ]:  # fmt: skip
        result = streamfuse("evaluate", command, tmp_path / "no clip", option, name)
        assert (result.exit_code, sentence in result.stderr) == (1, True), result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "work"),
    [
        ("video", "videos.evaluate_videos"),
        ("ablation", "ablation.evaluate_ablation"),
        ("labels", "labels.evaluate_labels"),
    ],
)
def test_figures_that_cannot_be_written_leave_the_old_ones(tmp_path, monkeypatch, command, work):
    path = tmp_path / "f.json"
    path.write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"streamfuse.lab.evaluate.{work}", lambda *_, **__: {})
    monkeypatch.setattr(Path, "replace", fail)
    result = streamfuse("evaluate", command, tmp_path / "clip", "--json", path)
    assert result.exit_code == 1
    assert "f.json cannot be written (No space left on device): free space" in result.stderr
    assert [found.read_text() for found in tmp_path.iterdir()] == ["old"]


def test_a_measure_that_is_added_is_told_everywhere(clip, monkeypatch):
    off = Measure(
        "mean error", "what pixels are off by", lambda fused, oracle, moving: 255 * abs(fused - oracle).mean()
    )
    monkeypatch.setitem(MEASURES, "mean_error", off)
    spoilt = score(clip, spoil=lambda luma, rank: luma + 2)
    assert spoilt.as_dict()["mean_error"] == pytest.approx(2 * 255 / 219, abs=0.01)  # limited range
    assert "more" not in spoilt.as_dict()
    assert "mean error 2.33" in line(spoilt, 3.0)
    assert "mean error: what pixels are off by" in legend(with_flow=False)
    table = score_table([spoilt])
    assert "mean error" in table.head
    assert len(table.head) == len(table.rows[0])


def test_no_figure_on_the_screen_is_unexplained(clip):
    told = line(score(clip), 3.0)
    for word in re.findall(r"  (\w+) ", told.split("EV")[1]):
        assert f"{word}: " in legend(with_flow=False) or word in ("streamfuse",), word
