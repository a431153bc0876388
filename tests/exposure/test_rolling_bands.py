"""Bands of lamps are taken out of short exposures where they are proven, and nothing else is touched."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfuse.core.frame import ClassifiedFrame
from streamfuse.exposure.rolling_bands import BandsStage
from streamfuse.lab.evaluate import simulate
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation, even_gaps


def scene(count=16, shape=(96, 128)):
    """Smooth blobs that move by 2 pixels an instant."""
    still = cv2.GaussianBlur(np.random.default_rng(5).random((*shape, 3)).astype(np.float32) ** 3, (0, 0), 4)
    still = 0.01 + ((still - still.min()) / np.ptp(still)) ** 3
    return [np.roll(still, 2 * t, axis=1) for t in range(count)]


def filmed(degrade="bands", cycle=2, count=16, **settings):
    gaps = even_gaps(2.5 if cycle == 2 else 1.2, cycle)
    return SimulatedClip(scene(count), Simulation(gaps, noise=1e-3, degrade=degrade, **settings))


def labelled(clip):
    return [
        ClassifiedFrame(frame, seen.rank, clip.cycle) for frame, seen in zip(clip, clip.truth, strict=True)
    ]


def through(items, stage=None):
    stage = stage or BandsStage()
    return [out for item in items for out in stage.push(item)] + list(stage.flush())


def error(frame, right):
    return np.abs(frame.planes[0].astype(float) - right.planes[0]).mean()


@pytest.mark.parametrize("cycle", [2, 3])
def test_the_lines_of_the_short_exposure_get_the_light_they_lack(cycle, monkeypatch):
    monkeypatch.setattr(simulate, "RIPPLES", 3.2)  # at 3.337 those of every third frame stand still
    clip = filmed(cycle=cycle, count=18)
    before, after = labelled(clip), through(labelled(clip))
    assert [item.frame.index for item in after] == list(range(18))
    for item, was, seen in zip(after, before, clip.truth, strict=True):
        if seen.rank > 0:
            continue
        right = clip.exposures(seen.instant, calm=True)[0]
        assert error(item.frame, right) < 0.35 * error(was.frame, right)
        chroma = [np.abs(f.planes[1].astype(float) - right.planes[1]).mean() for f in (item.frame, was.frame)]
        assert chroma[0] < chroma[1]


@pytest.mark.parametrize("degrade", ["none", "iso"])
def test_what_has_no_bands_passes_as_the_same_object(degrade):
    items, stage = labelled(filmed(degrade)), BandsStage()
    assert all(out is item for out, item in zip(through(items, stage), items, strict=True))
    assert stage.undone == 0


def test_bands_that_stand_still_may_be_the_scene_s_own(monkeypatch):
    monkeypatch.setattr(simulate, "RIPPLES", 3.0)
    items = labelled(filmed())
    assert all(out is item for out, item in zip(through(items), items, strict=True))


def test_what_is_white_stays_white():
    light = [frame.copy() for frame in scene()]
    for frame in light:
        frame[:, 40:60] = 3
    items, stage = labelled(SimulatedClip(light, Simulation((0.0, 2.5), 0, degrade="bands"))), BandsStage()
    white = through(items, stage)[8].frame.planes[0][:, 44:56]
    assert stage.undone == 8
    assert (items[8].frame.planes[0][:, 44:56] < 220).any()
    assert (white >= 230).all()


def test_code_values_of_pq_are_left_alone():
    items = labelled(filmed())
    pq = [
        replace(item, frame=replace(item.frame, color=replace(item.frame.color, transfer=16)))
        for item in items
    ]
    assert all(out is item for out, item in zip(through(pq), pq, strict=True))


def test_a_cut_starts_anew_and_nothing_is_held_after_it():
    first, second = labelled(filmed()), labelled(filmed("none", seed=4))
    second = [replace(item, cut=n == 0) for n, item in enumerate(second)]
    out = through([*first, *second])
    assert len(out) == 32
    assert all(a is b for a, b in zip(out[16:], second, strict=True))


def test_frames_without_a_partner_pass_and_a_short_shot_is_given_back():
    items = labelled(filmed())
    title = [replace(item, alone=True) for item in items[:2]]
    assert through([*title, *items[2:5]]) == [*title, *items[2:5]]


def test_a_segment_is_evened_as_the_whole_film_is():
    items = labelled(filmed(count=48))
    whole, part = through(items), through(items[20:])
    for a, b in zip(whole[40:], part[20:], strict=True):
        np.testing.assert_array_equal(a.frame.planes[0], b.frame.planes[0])


def test_after_a_lost_frame_it_is_found_again():
    items = labelled(filmed(count=32))
    lost = [*items[:10], replace(items[12], repaired=True), *items[13:]]
    stage = BandsStage()
    after = through(lost, stage)
    assert after[-2].frame is not lost[-2].frame and after[-2].rank == 0
    assert stage.undone >= 10
