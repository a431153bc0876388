"""Scoring photographs: measures with known answers, scenes, summary, report, the command."""

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pictures import rgb_exposures

from streamfuse.cli.app import main
from streamfuse.errors import InputError, InputNotFoundError
from streamfuse.lab.evaluate import still_measures
from streamfuse.lab.evaluate.baseline_stills import enfuse, opencv_mertens, plain_mean, still_baselines
from streamfuse.lab.evaluate.cost import measure_cost
from streamfuse.lab.evaluate.deepfuse_color import deepfuse_color
from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.evaluate.still_scores import (
    Scene,
    SceneScorer,
    Score,
    find_scenes,
    read_scene,
    require_scenes,
)
from streamfuse.lab.evaluate.still_sets import StillsEvaluation, evaluate_stills
from streamfuse.photo.writing import write_photo


def write_scene(folder, count=2, reference=False, height=72, width=96, seed=0):
    folder.mkdir(parents=True)
    pictures = rgb_exposures(height, width, count, seed)
    for number, rgb in enumerate(pictures):
        write_photo(folder / f"{number:02}.png", rgb)
    if reference:
        write_photo(folder / "reference.png", plain_mean(pictures))
    return pictures


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scene(folder / "one", 2, seed=1)
    write_scene(folder / "two", 3, reference=True, seed=2)
    (folder / "not a scene").mkdir()
    return folder


# Measures


# Baselines


def test_baselines_give_pictures_like_their_input():
    exposures = rgb_exposures(72, 96, 3)
    for name, fuse in still_baselines().items():
        fused = fuse(exposures)
        assert (fused.shape, fused.dtype) == (exposures[0].shape, np.uint8), name


def test_baselines_of_equal_pictures():
    picture = rgb_exposures(72, 96, 2)[1]
    for name, fuse in still_baselines().items():
        # OpenCV's pyramid rounds a little
        assert np.abs(fuse([picture, picture]).astype(int) - picture).mean() < 1, name


def test_a_missing_enfuse_is_left_out(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "enfuse" not in still_baselines()
    with pytest.raises(OSError, match="enfuse"):
        enfuse(rgb_exposures(32, 32, 2))


# Scenes and scores


def test_finds_scenes(scenes, tmp_path):
    assert [path.name for path in find_scenes(scenes)] == ["one", "two"]
    with pytest.raises(InputNotFoundError):
        find_scenes(tmp_path / "missing")
    with pytest.raises(InputError, match="no folders"):
        find_scenes(tmp_path)


def test_scenes_are_ordered_by_brightness(tmp_path):
    dark, bright = rgb_exposures(32, 32, 2)
    (tmp_path / "s").mkdir()
    write_photo(tmp_path / "s" / "a.png", bright)
    write_photo(tmp_path / "s" / "b.png", dark)
    scene = read_scene(tmp_path / "s")
    np.testing.assert_array_equal(scene.exposures[0], dark)
    assert scene.reference is None


def test_extremes_leave_out_the_middle(scenes):
    whole, pair = read_scene(scenes / "two"), read_scene(scenes / "two", count=2)
    assert len(whole.exposures) == 3
    np.testing.assert_array_equal(pair.exposures, [whole.exposures[0], whole.exposures[-1]])


def test_sizes_must_agree(tmp_path):
    write_scene(tmp_path / "s")
    write_photo(tmp_path / "s" / "reference.png", np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(InputError, match="96x72"):
        read_scene(tmp_path / "s")


def test_a_fusion_that_hits_the_reference():
    exposures = tuple(rgb_exposures(72, 96, 2))
    scorer = SceneScorer(Scene("s", exposures, plain_mean(exposures)))
    hit = scorer.score("mean", plain_mean, plain_mean(exposures))
    assert (hit.psnr, hit.ssim, hit.delta_e) == (100.0, pytest.approx(1), 0.0)
    assert hit.delta_color == 0.0
    missed = scorer.score("mertens", opencv_mertens, opencv_mertens(exposures))
    assert missed.psnr < 40
    assert missed.delta_e > 1
    assert missed.delta_color < missed.delta_e


def test_a_picture_that_is_only_too_dark_has_its_colour_right():
    grey = np.repeat(rgb_exposures(72, 96, 2)[1].mean(2, keepdims=True), 3, axis=2).astype(np.uint8)
    score = SceneScorer(Scene("s", (grey // 2, grey), grey)).score("dark", lambda _: grey // 2, grey // 2)
    assert score.delta_e > 5
    assert score.delta_color == pytest.approx(0, abs=0.05)


def test_scenes_are_chosen_by_name_and_number_of_exposures(scenes):
    assert [path.name for path in find_scenes(scenes, ["two", "else"])] == ["two"]
    assert [path.name for path in find_scenes(scenes, at_least=3)] == ["two"]
    with pytest.raises(InputError, match="wanted names"):
        find_scenes(scenes, ["else"])


def test_a_wanted_scene_that_is_missing_is_named(scenes):
    require_scenes(scenes, [])
    require_scenes(scenes, ["two", "one"])
    with pytest.raises(InputError, match="holds no scene typo, not a scene:"):
        require_scenes(scenes, ["one", "typo", "not a scene", "typo"])
    done = CliRunner().invoke(main, ["evaluate", "stills", str(scenes), "--scene", "one", "--scene", "typo"])
    assert done.exit_code == 1
    assert "no scene typo:" in done.stderr


@pytest.mark.parametrize("refused", [".", "one"])
def test_a_folder_without_permission_is_named(scenes, monkeypatch, refused):
    """Root may read everything, so the system's answer is made up here."""
    path, iterdir = scenes / refused, Path.iterdir

    def asked(folder):
        if folder == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", asked)
    with pytest.raises(InputError) as caught:
        find_scenes(scenes)
    assert str(caught.value).startswith(f"The folder {path} cannot be read (Permission denied): ")


@pytest.mark.parametrize(("height", "width"), [(10, 40), (40, 10), (1, 1)])
def test_pictures_that_are_too_small_are_refused_with_their_scene(tmp_path, height, width):
    (tmp_path / "s").mkdir()
    for number in range(2):
        write_photo(tmp_path / "s" / f"{number}.png", np.zeros((height, width, 3), np.uint8))
    with pytest.raises(InputError, match=rf"s are {width}x{height}, and MEF-SSIM needs 11 pixels a side"):
        read_scene(tmp_path / "s")


def test_the_smallest_pictures_are_scored(tmp_path):
    write_scene(tmp_path / "s", reference=True, height=11, width=11)
    found = evaluate_stills(tmp_path, fusers=["mertens"], speed=False)
    assert {score.scene for score in found.scores} == {"s"}


def test_a_damaged_name_is_evaluated_and_can_be_printed(tmp_path):
    write_scene(tmp_path / os.fsdecode(b"s\xff"), height=32, width=32)
    page = tmp_path / "r.html"
    found = evaluate_stills(tmp_path, fusers=["mertens"], speed=False, report=page)
    assert {score.scene for score in found.scores} == {r"s\xff"}
    assert r"<h2>s\xff</h2>" in page.read_text(encoding="utf-8")


# The colour rule to compare with


def test_the_colour_rule_of_deepfuse_takes_the_strongest_colour_and_keeps_the_luma():
    red = np.full((8, 8, 3), (200, 100, 100), np.uint8)
    grey = np.full((8, 8, 3), 60, np.uint8)
    fused = deepfuse_color(plain_mean)([grey, red])
    np.testing.assert_allclose(
        still_measures.grey(fused), still_measures.grey(plain_mean([grey, red])), atol=0.02
    )
    # grey has no weight at all: the mean would hold half of red's colour
    np.testing.assert_allclose(fused[0, 0, 0].astype(int) - fused[0, 0, 1], 100, atol=3)
    assert (deepfuse_color(plain_mean)([grey, grey]) == grey).all()


def test_summary_finds_the_worst():
    scores = tuple(
        Score(
            f"s{n}",
            "m",
            mef_ssim=0.9 + n / 100,
            psnr=None,
            ssim=None,
            delta_e=None,
            delta_color=None,
            noise_gain=n / 2,
            halo=1.0,
            clipped=None,
            highlights_contrast=n / 10,
            hue=None,
            saturation=None,
            shadows_level=None,
            shadows_contrast=None,
            darker=0.0,
            brighter=0.0,
        )
        for n in range(8)
    )
    found = StillsEvaluation(scores, (), {}).summary()["m"]
    assert found["mef_ssim"]["mean"] == pytest.approx(0.935)
    assert [scene for scene, _ in found["mef_ssim"]["worst_five"]] == ["s0", "s1", "s2", "s3", "s4"]
    assert found["noise_gain"]["worst"] == 3.5
    assert "psnr" not in found


def test_run_with_report_and_json(scenes, tmp_path):
    lines = []
    page, figures = tmp_path / "r.html", tmp_path / "r.json"
    found = evaluate_stills(
        scenes, fusers=["mertens", "lcndr-xs"], speed=False, device="cpu", report=page, progress=lines.append
    )
    found.write_json(figures)
    assert len(lines) == 2
    data = json.loads(figures.read_text())
    assert {"date", "commit", "machine", "versions"} <= set(data["environment"])
    assert {"mertens", "lcndr-xs", "opencv-mertens", "mean"} <= set(data["summary"])
    assert data["summary"]["mean"]["psnr"]["mean"] == 100.0  # the reference of the one scene is its mean
    text = page.read_text()
    assert text.count("<section>") == 2
    assert "lcndr-xs: the worst tenth by MEF-SSIM" in text
    assert 'src="http' not in text
    assert list(tmp_path.glob("*.part")) == []


def test_command(scenes, tmp_path):
    arguments = ["evaluate", "stills", str(scenes), "--fuser", "mertens", "--limit", "1", "--no-speed"]
    done = CliRunner().invoke(main, [*arguments, "--json", str(tmp_path / "f.json")])
    assert done.exit_code == 0, done.output
    assert "opencv-mertens" in done.output
    assert "MEF-SSIM: structure kept of all exposures" in done.output
    assert max(map(len, done.stdout.splitlines())) < 160
    assert len({s["scene"] for s in json.loads((tmp_path / "f.json").read_text())["scores"]}) == 1
    assert CliRunner().invoke(main, ["evaluate", "stills", str(tmp_path / "missing")]).exit_code == 1
    assert CliRunner().invoke(main, [*arguments, "--json", str(tmp_path / "no" / "f.json")]).exit_code == 1


def test_an_enfuse_that_fails_is_left_out_of_all_scenes(scenes, tmp_path, monkeypatch):
    program = tmp_path / "enfuse"
    # It works for two exposures, the first scene, and fails for three, the second.
    program.write_text(
        '#!/bin/sh\n[ $# -le 4 ] && exec cp "$3" "$2"\necho first line >&2\necho no space >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    lines, page = [], tmp_path / "r.html"
    found = evaluate_stills(scenes, fusers=["mertens"], speed=False, report=page, progress=lines.append)
    assert "enfuse" not in found.methods
    assert {"mertens", "mean"} <= set(found.methods)
    assert found.summary()["mean"]["mef_ssim"]["scenes"] == 2
    assert [line for line in lines if "left out" in line] == [
        "enfuse is left out, for it failed on two: no space"
    ]
    text = page.read_text()
    assert text.count("<section>") == 2
    assert text.count('data-label="enfuse"') == 1


@pytest.mark.parametrize("option", ["--json", "--report"])
def test_what_cannot_be_written_is_refused_before_the_work(scenes, tmp_path, monkeypatch, option):
    def worked(*_, **__):
        raise AssertionError("the work began")

    monkeypatch.setattr("streamfuse.lab.evaluate.still_sets.read_scene", worked)
    for name, sentence in [("", "is a folder"), (tmp_path, "is a folder"), (tmp_path / "no/f", "no folder")]:
        done = CliRunner().invoke(main, ["evaluate", "stills", str(scenes), option, str(name)])
        assert (done.exit_code, sentence in done.stderr) == (1, True), done.stderr


def test_a_terminated_evaluation_leaves_nothing_half_written(scenes, tmp_path, monkeypatch):
    (tmp_path / "f.json").write_text("old")

    def terminated(path, text, **_):
        path.write_bytes(text[:10].encode())
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    monkeypatch.setattr(Path, "write_text", terminated)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # else a fault would end the tests
    arguments = ["evaluate", "stills", str(scenes), "--fuser", "mertens", "--limit", "1", "--no-speed"]
    done = CliRunner().invoke(main, [*arguments, "--json", str(tmp_path / "f.json")])
    assert signal.signal(signal.SIGTERM, before) is signal.SIG_IGN  # as it was before the command
    assert done.exit_code == 128 + signal.SIGTERM
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_published_values_of_the_baselines(data_dir):
    """By MEF-SSIM alone: the other measures of 50 scenes take a minute, and nobody has published them."""
    scores = []
    for path in find_scenes(data_dir / "stills" / "mefb_half"):
        exposures = read_scene(path).exposures
        greys = np.stack([still_measures.grey(rgb) for rgb in exposures])
        fused = np.stack([still_measures.grey(fuse(exposures)) for fuse in (plain_mean, opencv_mertens)])
        measure = MefSsim(torch.from_numpy(greys)[None].double())
        scores.append([float(measure(torch.from_numpy(one)[None, None].double())[0]) for one in fused])
    mean, mertens = np.mean(scores, axis=0)
    assert mean == pytest.approx(0.930, abs=0.001)
    assert mertens == pytest.approx(0.9748, abs=0.0005)
    assert np.min(scores, axis=0)[1] == pytest.approx(0.886, abs=0.002)


# Cost


@pytest.mark.slow
def test_cost_in_a_process_of_its_own():
    cost = measure_cost("mean", 320, 240)
    assert cost.cpu_s_per_mp > 0
    assert cost.peak_mb > cost.working_mb >= 0
    assert measure_cost("no such fuser", 64, 64) is None


# Report
