"""One look in every path: the last thing that is done to a frame, and not there where nothing is asked for."""

from __future__ import annotations

import itertools
import json

import cv2
import numpy as np
import pytest
from pictures import rgb_exposures
from runs import streamfuse as command

import streamfuse
from streamfuse.config import Config, load_config, schema
from streamfuse.core.protocols import Stage
from streamfuse.errors import ConfigError, UsageError
from streamfuse.look.look import Look
from streamfuse.look.stage import Grader
from streamfuse.runtime import chain
from streamfuse.runtime.batch.plan import plan_films
from streamfuse.runtime.chain import build_chain

SAMPLE = "sample:?frames=6&size=96x64"


def named(config):
    return [stage.name for stage in build_chain(config, on_device=True).line.stages]


def test_where_nothing_is_asked_for_there_is_no_stage():
    assert "look" not in named(Config())
    assert "look" not in named(Config().with_overrides(look="vivid", contrast=0, saturation=0, detail=0))
    assert named(Config().with_overrides(contrast=0.1, deflicker=True))[-2:] == ["deflicker", "look"]


def test_it_follows_what_a_gpu_does_in_one_stage(monkeypatch):
    class Device(Stage):
        def push(self, item):
            return ()

    monkeypatch.setattr(chain, "fusion_on_device", lambda *_, **__: Device())
    assert named(Config().with_overrides(look="flat"))[-2:] == ["fuse", "look"]


def test_a_film_is_what_was_fused_and_then_graded():
    plain = streamfuse.fuse_video(SAMPLE, preset="fast")
    vivid = streamfuse.fuse_video(SAMPLE, preset="fast", look="vivid", shadows=0.3)
    grade = Grader(Look(**{**Look.named("vivid").numbers, "shadows": 0.3}))  # type: ignore[arg-type]
    for one, other in zip(plain, vivid, strict=True):
        wanted = grade(one.planes, one.bits, one.subsampling, one.color)
        assert all(np.array_equal(a, b) for a, b in zip(wanted, other.planes, strict=True))


def test_a_camera_gets_it_too_and_so_does_its_page():
    frames = streamfuse.fuse_live("sim:?size=96x64&rate=30", preset="fast", saturation=-1)
    for frame in itertools.islice(frames, 3):
        assert all(np.all(plane == 128) for plane in frame.planes[1:])
    frames.close()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_photographs_get_it(dtype):
    pictures = rgb_exposures(70, 90, 2, dtype=dtype)
    plain = streamfuse.fuse_pair(*pictures, preset="fast")
    assert np.array_equal(streamfuse.fuse_pair(*pictures, preset="fast", look="off"), plain)
    grey = streamfuse.fuse_pair(*pictures, preset="fast", look=Look(saturation=-1)).astype(int)
    assert np.ptp(grey, axis=2).max() <= 1
    bright = streamfuse.fuse_pair(*pictures, preset="fast", look=Look(brightness=0.5))
    assert bright.dtype == dtype
    assert bright.mean() > 1.05 * plain.mean()
    luma = streamfuse.fuse_pair(*(p[..., 0] for p in pictures), preset="fast", look="vivid")
    assert (luma.shape, luma.dtype) == ((70, 90), dtype)


def test_the_command_for_photographs_takes_it_and_so_does_fuse_for_one_picture(tmp_path):
    for number, picture in enumerate(rgb_exposures(70, 90, 2)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    inputs = [str(tmp_path / "0.png"), str(tmp_path / "1.png")]
    for name, first in (("a.png", "still"), ("b.png", "fuse")):
        result = command(first, *inputs, "-o", str(tmp_path / name), "--saturation", "-1", "--preset", "fast")
        assert result.exit_code == 0, result.output
        assert np.ptp(cv2.imread(str(tmp_path / name)).astype(int), axis=2).max() <= 1


@pytest.mark.parametrize("first", ["fuse", "still", "batch", "live", "publish"])
def test_every_command_has_the_options(first):
    text = command(first, "--help").stdout
    for name in ("look", "brightness", "contrast", "saturation", "highlights", "shadows", "detail", "lut"):
        assert f"--{name} " in text


def test_what_is_out_of_range_or_not_there_is_said_before_any_work(tmp_path):
    out = str(tmp_path / "out.mkv")
    result = command("fuse", SAMPLE, "-o", out, "--contrast", "2")
    assert (result.exit_code, "2.0 is not in the range" in result.stderr) == (2, True)
    result = command("fuse", SAMPLE, "-o", out, "--lut", str(tmp_path / "none.cube"))
    assert (result.exit_code, result.stderr.count("There is no LUT")) == (1, 1)
    result = command("batch", SAMPLE, "-o", str(tmp_path), "--lut", str(tmp_path / "none.cube"))
    assert "There is no LUT" in result.stderr
    assert not (tmp_path / "out.mkv").exists()
    with pytest.raises(ConfigError, match=r"look\.contrast"):
        streamfuse.fuse_video(SAMPLE, contrast=1.5)
    with pytest.raises(UsageError, match="no look 'bright'"):
        streamfuse.Fuser(look="bright")


def test_a_file_of_settings_may_name_it_and_the_command_line_wins(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("look: vivid")
    assert load_config(path).look.look == Look.named("vivid")
    assert load_config(path).with_overrides(saturation=0).look.look.numbers["saturation"] == 0
    path.write_text("look: {contrast: 0.9, shadows: 0.2}")
    config = load_config(path)
    assert config.with_overrides(shadows=0.4).look.look == Look(contrast=0.9, shadows=0.4)
    assert config.with_overrides(look="flat", detail=0.1).look.look.numbers == {
        **Look.named("flat").numbers, "detail": 0.1
    }  # fmt: skip
    assert not config.with_overrides(look="off").look.look.active
    json.dumps(schema()["properties"]["look"])


def test_parts_of_a_batch_with_another_look_are_not_used_again(tmp_path):
    clip, lut = tmp_path / "clip.mkv", tmp_path / "a.cube"
    clip.write_bytes(b"")
    lut.write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n")

    def made_of(**options):
        (job,) = plan_films([str(clip)], tmp_path / "out", Config().with_overrides(**options), 1, None)
        return job.fingerprint

    assert made_of(look="vivid") != made_of() != made_of(contrast=0.1)
    before = made_of(lut=str(lut))
    lut.write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 0.5\n")
    assert made_of(lut=str(lut)) != before
